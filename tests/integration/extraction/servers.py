"""Web servers for tests: of files in a folder with ranges and redirects, and of webhooks."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class WebServer:
    """One that runs."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """By path."""
    redirects: dict[str, str] = field(default_factory=dict)
    """By path: where to."""
    statuses: list[int] = field(default_factory=list)
    """Of the answers to the next POSTs; then 200."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Paths and headers of what was asked."""
    posted: list[Any] = field(default_factory=list)
    """Documents that came."""
    sends_parts: bool = True
    """Whether it knows ranges."""
    sent: int = 0
    """Bytes of files that went out."""
    falls_silent_after: int | None = None
    """Bytes of the answer to a GET; nothing comes then, and the connection stays."""
    ending: threading.Event = field(default_factory=threading.Event)
    """It is about to stop."""


@contextmanager
def web_server() -> Iterator[WebServer]:
    """A server on the loopback."""
    served = WebServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append((self.path, dict(self.headers)))
            if self.path in served.redirects:
                self.send_response(302)
                self.send_header("Location", served.redirects[self.path])
                self.end_headers()
                return
            data = served.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            asked = self.headers.get("Range", "") if served.sends_parts else ""
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", asked)
            begin, end = (int(match[1]), int(match[2] or len(data)) + 1) if match else (0, len(data))
            end = min(end, len(data))
            self.send_response(206 if match else 200)
            self.send_header("Content-Length", str(end - begin))
            if match:
                self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
            self.end_headers()
            limit = end if served.falls_silent_after is None else min(end, begin + served.falls_silent_after)
            try:
                for at in range(begin, limit, 16384):
                    served.sent += self.wfile.write(data[at : min(at + 16384, limit)])
            except ConnectionError:
                return
            if limit < end:
                served.ending.wait()

        def do_POST(self) -> None:
            served.asked.append((self.path, dict(self.headers)))
            served.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(served.statuses.pop(0) if served.statuses else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield served
    finally:
        served.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()
