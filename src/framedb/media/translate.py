"""FFmpeg's errors, in FrameDB's words. Nothing that leaves here carries a password, the chained cause included."""

import errno

import av.error
from av.error import FFmpegError

from framedb.errors import MediaError, MediaTimeoutError, MediaUnavailableError, NotVideoError
from framedb.redaction import redacted

_GONE = (av.error.EOFError, av.error.ConnectionResetError, av.error.BrokenPipeError, av.error.ConnectionAbortedError)


def translated(exc: FFmpegError, name: str, *, after: float | None = None, live: bool = False) -> MediaError:
    """The error to raise `from exc`: `name` is the redacted URL, `after` the seconds of the deadline if it ran out.

    `live`: it is a camera, which is never incomplete.
    """
    # A traceback prints the cause too, and FFmpeg's message holds the URL it was given.
    exc.args = (*exc.args[:2], redacted(str(exc.filename or name)))
    if after is not None or isinstance(exc, (av.error.ExitError, av.error.TimeoutError)):
        within = f" within {after:g} s" if after is not None else " in time"
        return MediaTimeoutError(f"{name}: nothing came{within}; is the camera on, and does the network reach it?")
    if isinstance(exc, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
        return MediaUnavailableError(f"{name} refuses us; check the user name and password in its URL")
    if isinstance(exc, (av.error.HTTPNotFoundError, av.error.HTTPOtherClientError, av.error.HTTPBadRequestError)):
        return MediaUnavailableError(f"{name}: the server has no such stream; check the path in the URL")
    if isinstance(exc, av.error.HTTPServerError):
        return MediaUnavailableError(f"{name}: the server failed; look at its log, or restart the camera")
    if isinstance(exc, av.error.ConnectionRefusedError):
        return MediaUnavailableError(f"{name}: connection refused; check host and port, and that the camera is on")
    if isinstance(exc, av.error.FileNotFoundError):
        return MediaUnavailableError(f"{name}: there is no such file or device; check the path")
    if isinstance(exc, av.error.PermissionError):
        return MediaUnavailableError(f"{name}: permission denied; may this user read it?")
    if isinstance(exc, _GONE):
        return MediaUnavailableError(f"{name}: the stream ended unexpectedly; is the camera still on?")
    if isinstance(exc, OSError) or exc.errno == errno.EIO:
        return MediaUnavailableError(f"{name} cannot be reached ({exc.strerror}); check host, port and network")
    if live:
        return NotVideoError(f"{name} sends no video that can be decoded ({exc.strerror}); check host, port and path")
    return NotVideoError(f"{name} holds no video that can be decoded ({exc.strerror}); is it complete?")
