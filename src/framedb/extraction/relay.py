"""`Relay`: what is no file, handed to FFmpeg as if it were on this machine.

FFmpeg looks names up by itself and follows redirects wherever they lead. So it is given a URL of ours on the loopback, and
what is behind it is fetched here: from an object of FrameDB, or from a host whose address was looked at, at every step. RTSP
goes through a `Tunnel`.
"""

import logging
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import urllib3
from typing_extensions import Buffer

from framedb.errors import (
    FrameDBError,
    InvalidInputError,
    MediaTimeoutError,
    MediaUnavailableError,
    NotFoundError,
    NotVideoError,
)
from framedb.extraction.sources import PORTS, VideoSource, check_url
from framedb.extraction.tunnel import Tunnel
from framedb.extraction.webhook import pinned_pool
from framedb.redaction import redacted

logger = logging.getLogger(__name__)

_REDIRECTS = 5
_TIMEOUT = 20.0  # seconds to connect, and without a byte from then on: however long all of it takes
_LOOK = 0.2  # seconds between two looks at whether to stop
_PIECE = 256 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_SUFFIXES = {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"}


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a video's bytes."""

    begin: int
    end: int | None
    """One behind the last; None: to an end nobody knows."""
    size: int | None
    """Of the whole video."""
    pieces: Iterable[Buffer]


@dataclass(slots=True)
class _Served:
    source: VideoSource
    failure: FrameDBError | None = None
    stopped: bool = False
    connections: set[socket.socket] = field(default_factory=set)

    def stop(self) -> None:
        """FFmpeg waits for nothing any more."""
        self.stopped = True
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


ReadObject = Callable[[str, int, int | None], "tuple[int, Iterator[Buffer]] | None"]
"""Key, offset and length: the size of the whole object, and these bytes of it; None: there is no such object."""


class Relay:
    """A server on the loopback, for this process alone: its paths are secrets. Use it in a `with`."""

    def __init__(self, read_object: ReadObject, *, hosts: Sequence[str], allow_private: bool) -> None:
        self._read_object = read_object
        self._hosts = hosts
        self._allow_private = allow_private
        self._served: dict[str, _Served] = {}
        relay = self

        class Handler(BaseHTTPRequestHandler):
            """One request of FFmpeg's."""

            protocol_version = "HTTP/1.0"  # a connection for each: FFmpeg drops them in the middle when it seeks

            def do_GET(self) -> None:
                """A part of a video."""
                with suppress(ConnectionError, TimeoutError):
                    relay._answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Not on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="relay", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextmanager
    def url_of(self, source: VideoSource, should_stop: Callable[[], bool] = lambda: False) -> Iterator[str]:
        """A URL that FFmpeg can open. What went wrong on the way is raised here, in place of FFmpeg's own guess.

        Once `should_stop` is true, FFmpeg gets no further, whatever it waits for, and nothing is raised for it.
        """
        if source.live:
            with self._tunnelled(source, should_stop) as url:
                yield url
            return
        token = secrets.token_urlsafe(24)
        suffix = PurePosixPath(urlsplit(source.name).path).suffix.lower()
        path = f"/{token}/video{suffix if suffix in _SUFFIXES else '.mp4'}"
        self._served[path] = served = _Served(source)
        url = f"http://127.0.0.1:{self._server.server_port}{path}"
        try:
            with _watched(served, should_stop), _renamed(url, source.name):
                yield url
        except FrameDBError as exc:
            if served.failure is not None:
                raise served.failure from exc
            raise
        finally:
            del self._served[path]
        if served.failure is not None and not should_stop():
            raise served.failure

    @contextmanager
    def _tunnelled(self, source: VideoSource, should_stop: Callable[[], bool]) -> Iterator[str]:
        parts = urlsplit(source.place)
        address = check_url(parts, hosts=self._hosts, allow_private=self._allow_private)[0]
        port = parts.port or PORTS[parts.scheme]
        with Tunnel(address, port, name=source.name, timeout=_TIMEOUT, should_stop=should_stop) as tunnel:
            login, at, _ = parts.netloc.rpartition("@")
            url = parts._replace(netloc=f"{login}{at}127.0.0.1:{tunnel.port}").geturl()
            try:
                with _renamed(redacted(url), source.name):
                    yield url
            except FrameDBError as exc:
                if tunnel.failure is not None:
                    raise tunnel.failure from exc
                raise

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        served = self._served.get(handler.path)
        if served is None or served.stopped:
            handler.send_error(404)
            return
        served.connections.add(handler.connection)
        try:
            self._serve(served, handler)
        finally:
            served.connections.discard(handler.connection)

    def _serve(self, served: _Served, handler: BaseHTTPRequestHandler) -> None:
        match = _RANGE.fullmatch(handler.headers.get("Range", ""))
        begin, end = (int(match[1]), int(match[2]) + 1 if match[2] else None) if match else (0, None)
        with ExitStack() as opened:
            try:
                part = self._part(served.source, begin, end, opened)
                pieces = iter(part.pieces)
                first = next(pieces, b"")
                if part.begin == 0:
                    _refuse_text(bytes(memoryview(first)[:16]), served.source)
            except (FrameDBError, urllib3.exceptions.HTTPError, OSError) as exc:
                served.failure = _failure(exc, served.source)
                handler.send_error(502)
                return
            _send_head(handler, part, is_range=match is not None)
            handler.wfile.write(first)
            while (piece := self._next(served, pieces)) is not None:
                handler.wfile.write(piece)

    def _next(self, served: _Served, pieces: Iterator[Buffer]) -> Buffer | None:
        try:
            return next(pieces, None)
        except (FrameDBError, urllib3.exceptions.HTTPError, OSError) as exc:
            served.failure = _failure(exc, served.source)
            logger.warning("a video ended early on its way: %s", served.failure)
            return None

    def _part(self, source: VideoSource, begin: int, end: int | None, opened: ExitStack) -> Part:
        if source.kind == "url":
            return self._fetched(source, begin, end, opened)
        found = self._read_object(source.place, begin, None if end is None else end - begin)
        if found is None:
            raise NotFoundError(f"{source.name}: there is no such object any more; submit the job again")
        size, pieces = found
        close = getattr(pieces, "close", None)
        if close is not None:
            opened.callback(close)
        return Part(begin, size if end is None else min(end, size), size, pieces)

    def _fetched(self, source: VideoSource, begin: int, end: int | None, opened: ExitStack) -> Part:
        url = source.place
        for _ in range(_REDIRECTS + 1):
            answer = self._get(url, begin, end, opened)
            if answer.status in (301, 302, 303, 307, 308) and "Location" in answer.headers:
                url = urljoin(url, answer.headers["Location"])
                continue
            return _part_of(answer, source, begin)
        raise MediaUnavailableError(f"{source.name} is redirected more than {_REDIRECTS} times")

    def _get(self, url: str, begin: int, end: int | None, opened: ExitStack) -> urllib3.BaseHTTPResponse:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise InvalidInputError(f"{redacted(url)[:200]}: a redirect may lead to http or https only")
        address = check_url(parts, hosts=self._hosts, allow_private=self._allow_private)[0]
        headers = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "FrameDB", "Accept-Encoding": "identity"}
        headers["Range"] = f"bytes={begin}-{'' if end is None else end - 1}"
        if parts.username:
            login = urllib3.util.make_headers(basic_auth=f"{parts.username}:{parts.password or ''}")
            headers |= {str(key): str(value) for key, value in login.items()}
        pool = opened.enter_context(
            pinned_pool(
                address,
                parts.port or PORTS[parts.scheme],
                host=parts.hostname or "",
                secure=parts.scheme == "https",
                timeout=_TIMEOUT,
            )
        )
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        answer = pool.request("GET", target, headers=headers, redirect=False, retries=False, preload_content=False)
        opened.callback(answer.close)
        return answer


def _part_of(answer: urllib3.BaseHTTPResponse, source: VideoSource, begin: int) -> Part:
    pieces = answer.stream(_PIECE, decode_content=False)
    if answer.status == 206:
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if match:
            return Part(int(match[1]), int(match[2]) + 1, None if match[3] == "*" else int(match[3]), pieces)
    if answer.status == 416:
        return Part(0, 0, 0, ())
    if answer.status == 200:
        length = answer.headers.get("Content-Length", "")
        size = int(length) if length.isdigit() else None
        return Part(begin, size, size, _behind(pieces, begin))  # it sends no parts of files
    reason = {401: "refuses us", 403: "refuses us", 404: "is not there"}.get(
        answer.status, f"is answered {answer.status}"
    )
    raise MediaUnavailableError(f"{source.name} {reason}; check the URL")


def _behind(pieces: Iterator[bytes], begin: int) -> Iterator[Buffer]:
    """What comes behind so many bytes."""
    for piece in pieces:
        if len(piece) > begin:
            yield memoryview(piece)[begin:]
        begin = max(0, begin - len(piece))


def _send_head(handler: BaseHTTPRequestHandler, part: Part, *, is_range: bool) -> None:
    ranged = is_range and part.size is not None and part.end is not None
    handler.send_response(206 if ranged and part.end else 416 if ranged else 200)
    # Never what the other side says it is: a playlist would make FFmpeg open whatever it names.
    handler.send_header("Content-Type", "application/octet-stream")
    if part.size is not None and part.end is not None:
        handler.send_header("Accept-Ranges", "bytes")
        handler.send_header("Content-Length", str(max(0, part.end - part.begin)))
        if ranged and part.end:
            handler.send_header("Content-Range", f"bytes {part.begin}-{part.end - 1}/{part.size}")
    handler.end_headers()


def _failure(exc: Exception, source: VideoSource) -> FrameDBError:
    if isinstance(exc, FrameDBError):
        return exc
    if isinstance(exc, urllib3.exceptions.ReadTimeoutError):
        return MediaTimeoutError(
            f"{source.name} sent nothing for {_TIMEOUT:g} s; look at its server, and submit it again"
        )
    return MediaUnavailableError(f"{source.name} does not answer: {type(exc).__name__}")


@contextmanager
def _watched(served: _Served, should_stop: Callable[[], bool]) -> Iterator[None]:
    """FFmpeg may wait for bytes: somebody else has to look at whether it still shall."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_LOOK):
            if should_stop():
                served.stop()
                return

    thread = threading.Thread(target=watch, name="relay-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def _renamed(url: str, name: str) -> Iterator[None]:
    """The video's own name in messages, in place of a URL of ours."""
    try:
        yield
    except FrameDBError as exc:
        exc.args = (str(exc).replace(url, name),)
        raise


def _refuse_text(start: bytes, source: VideoSource) -> None:
    """Playlists are text, and name other files and machines for FFmpeg to open. No video begins with sixteen letters."""
    text = start.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"")
    if len(text) > 4 and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in text):
        raise NotVideoError(f"{source.name} is a text file; give the path of a video")
