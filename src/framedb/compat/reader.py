"""`FrameDB`: frames by source and key, as programs of earlier deployments read and write them."""

import atexit
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, cast

from framedb.compat.connections import SourceConnections
from framedb.compat.fetching import Callback, Fetchers, Request
from framedb.compat.outputs import Serializer, dropped, put_through, serialized
from framedb.compat.releasers import Releasers
from framedb.compat.reports import Reports
from framedb.compat.shared_frames import is_on_demand, open_frames
from framedb.compat.sizes import in_sizes
from framedb.compat.work import CLOSED
from framedb.config import read_settings
from framedb.errors import FrameDBError, InvalidInputError
from framedb.frame import check_source
from framedb.redaction import redacted
from framedb.resp import Redis

_CLOSING = 5.0  # seconds for what was begun, when it is closed


class FrameDB:
    """Reads and writes frames of sources wherever routing says they are, also after a master has died or a source has moved.

    Methods answer `(ok, value)`, and a failure with the reason for it. Thread-safe. `close` it, or use it in a `with`; at the
    end of the program it closes itself, so that what was released is counted.
    """

    def __init__(self, svc_params: Mapping[str, Any] | None, env: Any, logger: Any = None) -> None:
        """`env` has the attributes of `Env`, those it lacks have their defaults; `svc_params` are not used."""
        self.svc_params = svc_params
        self.env = env
        self.required_sizes: list[str] = []
        self._settings = read_settings()
        self._serializer: Serializer | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._report = Reports(logger, env)
        self.logger = self._report.logger
        self._frames, self._calls = open_frames(env, self._settings)
        self._connections = SourceConnections(self._frames, timeout=self._settings.connect_timeout)
        self._fetchers = Fetchers(self._fetch, report=self._report)
        self._releasers = Releasers(
            self._frames, queue=lambda: bool(getattr(env, "use_del_svc", False)), report=self._report
        )
        atexit.register(self.close)

    # Reading

    def set_required_sizes(self, sizes: list[str]) -> None:
        """From now on a key without a size, like `cam?0?0__7`, stands for that frame in each of these."""
        self.required_sizes = list(sizes)

    def get_frames_from(self, sourceID: str, keys_suffixed: list[str]) -> tuple[bool, Any]:  # noqa: N803
        """The frames' bytes in the order of the keys, None for each that is gone; or (False, why)."""
        try:
            self._check_open()
            return True, self._fetch(sourceID, in_sizes(keys_suffixed, self.required_sizes))
        except FrameDBError as exc:
            self._report("mget_frames", f"frames of source {sourceID} could not be read", exc)
            return False, _why(exc)

    def get_frames_async(
        self,
        sourceID: str,  # noqa: N803
        keys_suffixed: list[str],
        k: Mapping[str, Any] | None = None,
        cb: Callback | None = None,
    ) -> tuple[bool, str]:
        """Read frames in a thread, then call `cb(is_not_error=, frame_data=, frame_keys=, **k)`; waits while 500 are waiting.

        A source that was not registered is registered with `cb`, unless `env.on_demand_connections` is off.
        """
        try:
            if self._fetchers.of(sourceID) is None:
                if not is_on_demand(self.env):
                    return False, f"Source {sourceID} not registered"
                if cb is None:
                    return False, f"Source {sourceID} not registered, and there is no callback"
                registered, why = self.register_frames_channel(sourceID, cb)
                if not registered:
                    return False, why
            request = Request(in_sizes(keys_suffixed, self.required_sizes), dict(k or {}), cb)
            self._fetchers.submit(sourceID, request)
        except FrameDBError as exc:
            return False, _why(exc)
        return True, f"Fetch request submitted for source {sourceID}"

    def register_frames_channel(self, sourceID: str, cb: Any) -> tuple[bool, str]:  # noqa: N803
        """Start the source's thread of asynchronous reads, with the callback of those that bring none."""
        if not callable(cb):
            return False, "the callback is nothing that can be called"
        try:
            if self._fetchers.of(sourceID) is not None:
                return True, "Source already exist"
            self._connect(sourceID)
            if not self._fetchers.add(sourceID, cb):  # another thread was faster
                return True, "Source already exist"
        except FrameDBError as exc:
            self._report("framedb_redis_connect", f"source {sourceID} cannot be reached", exc)
            return False, _why(exc)
        return True, f"Registered Callback for source {sourceID}"

    # Releasing

    def register_frame_delete_channel(self, sourceID: str) -> tuple[bool, str]:  # noqa: N803
        """Start the source's thread of releases."""
        try:
            self._connect(sourceID)
            self._releasers.of(sourceID)
        except FrameDBError as exc:
            self._report("framedb_redis_connect", f"source {sourceID} cannot be reached", exc)
            return False, _why(exc)
        return True, f"Registered delete channel for source {sourceID}"

    def decr_batch_keys(
        self,
        sourceID: str,  # noqa: N803
        keys: Mapping[str, tuple[int, Sequence[str]]],
    ) -> tuple[bool, str]:
        """Have reference counts lowered in a thread: `{"ref__P": (decr_by, ["416x416", ...])}`; waits while 500 are waiting.

        At zero the frame goes in all of these sizes. It is tried until it has succeeded, and counted once.
        """
        try:
            self._releasers.of(sourceID).submit(keys)
        except FrameDBError as exc:
            self._report("framedb_release", f"frames of source {sourceID} cannot be released", exc)
            return False, _why(exc)
        return True, f"Release request submitted for source {sourceID}"

    # Writing

    def set_output_serializer(self, cb: Serializer | None) -> None:
        """Have outputs go through `cb`, which answers `(ok, outputs)`, before they are written."""
        self._serializer = cb

    def push_sync(self, connection: Any, outputs: dict[str, Any]) -> tuple[bool, str]:
        """Write frames, and reference counts (`ref__P`) with the frames they are for in one step, and each with a time to live.

        They go to the source that the connection was made for, wherever that is by now. On any other connection they go
        through it, each to the source that its key begins with.
        """
        try:
            self._check_open()
            if not isinstance(connection, Redis):
                raise InvalidInputError("the first argument is a connection: see the example of push_sync")
            written = serialized(outputs, self._serializer)
            source = self._connections.source_of(connection)
            if source is None:
                puts = put_through(connection, written, default_ttl=self._settings.frame_ttl)
            else:
                puts = self._frames.push(source, written)
        except FrameDBError as exc:
            self._report("framedb_output_push", "outputs were not written", exc)
            return False, _why(exc)
        if why := dropped(puts):
            return False, why
        return True, "Wrote keys to FrameDB"

    # Ending

    def close(self) -> None:
        """End every thread and close every connection. Releases that wait are still tried, for a few seconds."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        atexit.unregister(self.close)
        self._fetchers.close(_CLOSING)
        self._releasers.close(_CLOSING)
        self._connections.close()
        self._frames.close()
        if self._calls is not None:
            self._calls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Inside

    def __handle_new_connection(self, sourceID: str) -> tuple[bool, Any]:  # noqa: N803
        """A connection to the master of the source's cluster, for `push_sync`: published by its example, name and all."""
        try:
            self._check_open()
            return True, self._connections.of(sourceID, tries=int(getattr(self.env, "framedb_ping_retries", 3)))
        except FrameDBError as exc:
            self._report("framedb_redis_connect", f"source {sourceID} cannot be reached", exc)
            return False, _why(exc)

    def _fetch(self, source: str, keys: Sequence[str]) -> list[bytes | None]:
        check_source(source)
        frames = self._frames.get_many(keys, source=source)
        return [None if frame is None else cast(bytes, frame.data) for frame in frames]

    def _connect(self, source: str) -> None:
        """Make sure that the source can be reached. Raises why it cannot."""
        self._check_open()
        self._connections.reach(source)

    def _check_open(self) -> None:
        if self._closed:
            raise InvalidInputError(CLOSED)


def _why(error: FrameDBError) -> str:
    return redacted(str(error))
