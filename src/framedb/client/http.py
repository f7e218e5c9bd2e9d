"""Speaking to the node over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3

from framedb import errors
from framedb.client.tls import connections, warn_of_readable_token, why_not
from framedb.errors import (
    AlreadyExistsError,
    ConflictError,
    DeadlineExceededError,
    FrameDBError,
    InvalidInputError,
    InvalidSettingError,
    NodeUnavailableError,
    NotAuthorizedError,
    NotFoundError,
    StoreFullError,
    StoreUnavailableError,
)
from framedb.redaction import redacted

_ERRORS: dict[int, type[FrameDBError]] = {
    400: InvalidInputError,
    401: NotAuthorizedError,
    403: NotAuthorizedError,
    404: NotFoundError,
    409: AlreadyExistsError,
    412: ConflictError,
    413: InvalidInputError,
    422: InvalidInputError,
    503: StoreUnavailableError,
    504: DeadlineExceededError,
    507: StoreFullError,
}

_ERROR_HEADER = "X-FrameDB-Error"
_CONNECTIONS = 32  # kept open at most: asyncio calls from as many threads


class NodeClient:
    """HTTP to one node, with its token and its errors. Thread-safe."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        tls_ca: Path | None = None,
        remedy: str = "start one with `framedb up`, or set FRAMEDB_URL",
    ) -> None:
        """`timeout` is in seconds. `tls_ca` is whom to trust at `https://`, by default the system's authorities.

        `remedy` is what to do when nobody answers.
        """
        if not url.startswith(("http://", "https://")):
            raise InvalidSettingError(f"{redacted(url)} is no http:// URL of a node: {remedy}")
        self._remedy = remedy
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        # A request is repeated only if it cannot have arrived: the connection was refused.
        retries = urllib3.Retry(connect=2, read=0, redirect=0, status=0, other=0, backoff_factor=0.1)
        timeouts = urllib3.Timeout(connect=5.0, read=timeout)
        self._pool = connections(self.url, ca=tls_ca, retries=retries, timeout=timeouts, maxsize=_CONNECTIONS)
        warn_of_readable_token(self.url, token)

    def json(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """The JSON answer of a call. Raises what the node answered as an error."""
        with self.request(method, path, json_body=body, query=query, timeout=timeout) as response:
            try:
                data = response.read()
            except urllib3.exceptions.HTTPError as exc:
                raise NodeUnavailableError(
                    f"{redacted(self.url)} stopped in the middle of an answer: try again"
                ) from exc
        answer = json.loads(data) if data else None
        if isinstance(answer, dict) and answer.get("success") is False:  # a node with FRAMEDB_LEGACY_STATUS
            raise _kind(response)(_why(answer))
        return answer

    def request(
        self,
        method: str,
        path: str,
        *,
        json_body: Any = None,
        body: Any = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """The answer, its body still unread; use it in a `with`. `timeout` is in seconds, by default the client's own.

        Raises NodeUnavailableError when nobody answers, NotFoundError and so on for what the node refused.
        """
        sent = {**self._headers, **(headers or {})}
        try:
            response = self._pool.request(
                method,
                self.url + path,
                json=json_body,
                body=body,
                fields=query if query and body is None and json_body is None else None,
                headers=sent,
                preload_content=False,
                **({} if timeout is None else {"timeout": timeout}),
            )
        except urllib3.exceptions.HTTPError as exc:
            raise NodeUnavailableError(
                why_not(self.url, exc) or f"no node answers at {redacted(self.url)}: {self._remedy}"
            ) from exc
        if response.status >= 400:
            with response:
                raise _refused(response)
        return response

    def stream(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """The body in pieces."""
        try:
            yield from response.stream(1024 * 1024)
        except urllib3.exceptions.HTTPError as exc:
            raise NodeUnavailableError(f"{redacted(self.url)} stopped in the middle of an answer: try again") from exc
        finally:
            response.close()

    def close(self) -> None:
        """Close every connection."""
        self._pool.clear()


def quoted(key: str) -> str:
    """A key as the last segment of a path. Dots too: a client's library would take `..` for a folder."""
    return quote(key, safe=":").replace(".", "%2E")


def _refused(response: urllib3.BaseHTTPResponse) -> FrameDBError:
    text = response.data.decode(errors="replace")
    try:
        message = _why(json.loads(text))
    except (ValueError, KeyError, TypeError):
        message = text.strip()[:200] or f"the node answered {response.status}"
    return _kind(response)(message)


def _why(answer: dict[str, Any]) -> str:
    """Why it failed, in the words of any of the APIs."""
    if isinstance(problems := answer.get("detail"), list):
        return "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in problems)
    name = next((name for name in ("errorData", "detail") if name in answer), "error")
    return str(answer[name])


def _kind(response: urllib3.BaseHTTPResponse) -> type[FrameDBError]:
    """The very class that the node raised, or the one that its status means."""
    named = getattr(errors, response.headers.get(_ERROR_HEADER, ""), None)
    if isinstance(named, type) and issubclass(named, FrameDBError):
        return named
    return _ERRORS.get(response.status, FrameDBError)
