"""Everything FrameDB raises on purpose.

    FrameDBError
    ├── InvalidInputError (ValueError)        what was given cannot be used; nothing was done
    │   ├── InvalidKeyError                   a key, source, site or camera name
    │   ├── InvalidSettingError               an environment variable, option or limit
    │   ├── InvalidFrameError                 bytes or metadata that do not describe a frame
    │   └── BufferTooSmallError               `get_into` a buffer the frame does not fit
    ├── NotFoundError (LookupError)           something named in the call does not exist
    ├── AlreadyExistsError                    something named in the call exists already
    ├── ConflictError                         something named in the call is being changed, or in use
    ├── NotAuthorizedError (PermissionError)  no token, or a wrong one
    ├── DeadlineExceededError (TimeoutError)  a bounded wait ran out
    ├── StoreError                            a frame could not be stored or read
    │   ├── StoreFullError                    no room, and the policy forbids making some
    │   ├── StaleWriterError                  another writer holds this source now
    │   ├── NotReplicatedError                written, but too few replicas confirmed it
    │   ├── NotRegisteredError                written, but nobody could be told where: it was removed again
    │   ├── CorruptDataError                  stored bytes do not match their digest
    │   └── StoreUnavailableError (ConnectionError)
    ├── QueueError                            the frame queue
    │   ├── QueueFullError                    at its bound, and the policy is to wait
    │   └── QueueUnavailableError (ConnectionError)
    ├── MediaError                            a camera, a video or an image
    │   ├── MediaUnavailableError (ConnectionError)  not there, refused, or gone
    │   ├── MediaTimeoutError (TimeoutError)  nothing came within the deadline
    │   └── NotVideoError (ValueError)        there, but holds no video that can be decoded
    ├── EngineError                           a server process FrameDB runs did not start, or died
    │   └── InsufficientRoomError             this machine cannot hold what is wanted
    ├── SubscriptionClosedError (SystemError) nothing more comes: it was closed, or fell behind
    └── NodeError                             the node itself
        ├── AlreadyRunningError               another node holds this data folder
        ├── PortInUseError                    another program listens there
        └── NodeUnavailableError (ConnectionError)   no node answers at FRAMEDB_URL

Absence is `None`, never an exception: `get` of a key nobody wrote raises nothing. Messages say what to do next and never
carry a password.
"""


class FrameDBError(Exception):
    """The root: `except FrameDBError` catches all that FrameDB raises on purpose."""


class InvalidInputError(FrameDBError, ValueError):
    """What was given cannot be used; nothing was done."""


class InvalidKeyError(InvalidInputError):
    """A key, source id, site or camera name that is not legal."""


class InvalidSettingError(InvalidInputError):
    """A setting, option or limit with a value it cannot have."""


class InvalidFrameError(InvalidInputError):
    """Bytes or metadata that do not describe a frame."""


class BufferTooSmallError(InvalidInputError):
    """The frame has more bytes than the buffer it was to be read into."""


class NotFoundError(FrameDBError, LookupError):
    """Something named in the call does not exist."""


class AlreadyExistsError(FrameDBError):
    """Something named in the call exists already."""


class ConflictError(FrameDBError):
    """Something named in the call is being changed by somebody else, or in use: not possible now."""


class NotAuthorizedError(FrameDBError, PermissionError):
    """The token is missing or wrong."""


class DeadlineExceededError(FrameDBError, TimeoutError):
    """A bounded wait ran out."""


class StoreError(FrameDBError):
    """A frame could not be stored or read."""


class StoreFullError(StoreError):
    """There is no room, and the source's policy forbids making some."""


class StaleWriterError(StoreError):
    """Another writer holds this source now, or the source has moved: this write was refused."""


class NotReplicatedError(StoreError):
    """The write stands on the master, but too few replicas confirmed it."""


class NotRegisteredError(StoreError):
    """The bytes were written, but the registry did not take down where they are; so they were removed again."""


class CorruptDataError(StoreError):
    """Stored bytes do not match the digest they were stored with."""


class StoreUnavailableError(StoreError, ConnectionError):
    """The server that holds the frames does not answer."""


class QueueError(FrameDBError):
    """The frame queue could not do what was asked."""


class QueueFullError(QueueError):
    """The queue is at its bound, and the policy is to wait."""


class QueueUnavailableError(QueueError, ConnectionError):
    """The broker does not answer."""


class MediaError(FrameDBError):
    """A camera, a video or an image could not be read or written."""


class MediaUnavailableError(MediaError, ConnectionError):
    """The camera or file is not there, refuses us, or went away."""


class MediaTimeoutError(MediaError, TimeoutError):
    """Nothing came from the camera within the deadline."""


class NotVideoError(MediaError, ValueError):
    """There is something, but no video (or image) that can be decoded."""


class EngineError(FrameDBError):
    """A server process that FrameDB runs did not start, or died."""


class InsufficientRoomError(EngineError):
    """This machine has not the memory, or not the ports, for what is wanted; nothing was started."""


class SubscriptionClosedError(FrameDBError, SystemError):
    """Nothing more comes of a subscription to the key-value store. A SystemError, because Savant raises that."""


class NodeError(FrameDBError):
    """The node could not do what was asked."""


class AlreadyRunningError(NodeError):
    """Another node holds this data folder."""


class PortInUseError(NodeError):
    """Another program listens on the port."""


class NodeUnavailableError(NodeError, ConnectionError):
    """No node answers at the URL."""
