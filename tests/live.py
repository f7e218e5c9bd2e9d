"""An application served on a free port of loopback, and plain HTTP to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import urllib3
import uvicorn
from starlette.types import ASGIApp

from framedb.server.listening import bound


class Live:
    """A served application."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.url = url
        self._headers = headers
        self._pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=60))

    def request(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        """The answer. A body that is no bytes is sent as JSON; headers are by default those of every request."""
        sent = {**(self._headers if headers is None else headers)}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return self._pool.request(method, self.url + path, body=raw, headers=sent)

    def call(self, path: str, *, method: str = "POST", **body: Any) -> Any:
        """The result or data of a call that must succeed."""
        answer = self.request(method, path, body if method == "POST" else None)
        told = answer.json()
        assert answer.status in (200, 201), told
        assert told["success"] is True, told
        return told["result"] if "result" in told else told.get("data", told)

    def refused(self, path: str, *, method: str = "POST", **body: Any) -> tuple[int, str]:
        """Status and reason of a call that must fail."""
        answer = self.request(method, path, body if method == "POST" else None)
        told = answer.json()
        assert told["success"] is False, told
        assert told["request_id"] == answer.headers["X-Request-ID"]
        return answer.status, told["errorData"] if "errorData" in told else told["error"]

    def close(self) -> None:
        """Close every connection."""
        self._pool.clear()


@contextmanager
def live(app: ASGIApp, **headers: str) -> Iterator[Live]:
    """The application while the block runs. Headers are sent with every request."""
    with bound("127.0.0.1", 0) as listening:
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2, lifespan="on")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        served = Live(f"http://127.0.0.1:{listening.getsockname()[1]}", headers)
        try:
            yield served
        finally:
            served.close()
            server.should_exit = True
            thread.join()
