"""Calls to the config and routing services: each with a deadline, and tried again only a few times."""

import json
from typing import Any, Literal

import urllib3

from framedb.client.tls import connections, warn_of_readable_token, why_not
from framedb.config import read_settings
from framedb.errors import (
    AlreadyExistsError,
    FrameDBError,
    InvalidInputError,
    InvalidSettingError,
    NodeError,
    NodeUnavailableError,
    NotAuthorizedError,
    NotFoundError,
)
from framedb.redaction import redacted

NO_ANSWER = 503
"""The status of a call that nobody answered: what a gateway in between would say."""

_TIMEOUT = urllib3.Timeout(connect=5.0, read=30.0)  # seconds; a failover may take 5 in the middle of an answer
# Every call may be repeated: what is written twice is the same. 0, 0.2 and 0.4 seconds between the tries.
_RETRIES = urllib3.Retry(
    total=3, connect=3, read=3, redirect=0, status=0, other=0, backoff_factor=0.1, allowed_methods=None
)
_ERRORS: dict[int, type[FrameDBError]] = {
    400: InvalidInputError,
    401: NotAuthorizedError,
    403: NotAuthorizedError,
    404: NotFoundError,
    409: AlreadyExistsError,
    422: InvalidInputError,
    NO_ANSWER: NodeUnavailableError,
}


class ServiceCalls:
    """HTTP with JSON to one service. Thread-safe; its connections are kept."""

    def __init__(self, base_url: str, *, token: str | None = None) -> None:
        """`token` is by default `FRAMEDB_TOKEN`. Raises InvalidSettingError for what is no URL."""
        if not isinstance(base_url, str) or not base_url.startswith(("http://", "https://")):
            raise InvalidSettingError(f"{redacted(str(base_url))} is no http:// URL of a FrameDB service")
        self.base_url = base_url.rstrip("/")
        settings = read_settings()
        token = token or (settings.token.get_secret_value() if settings.token else None)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pool = connections(self.base_url, ca=settings.tls_ca, retries=_RETRIES, timeout=_TIMEOUT)
        warn_of_readable_token(self.base_url, token)

    def ask(self, method: Literal["GET", "POST", "DELETE"], path: str, *, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of the answer. One that nobody gave, or that is no JSON, comes as a failure in the same shape."""
        try:
            content = None if body is None else json.dumps(body, allow_nan=False).encode()
        except (TypeError, ValueError) as exc:
            return 400, _failed(f"this is nothing JSON can say: {exc}")
        headers = self._headers if content is None else {**self._headers, "Content-Type": "application/json"}
        try:
            response = self._pool.request(method, self.base_url + path, body=content, headers=headers)
        except urllib3.exceptions.HTTPError as exc:
            why = redacted(str(exc.reason if isinstance(exc, urllib3.exceptions.MaxRetryError) else exc))
            plain = f"no FrameDB service answers at {redacted(self.base_url)}: {why}"
            return NO_ANSWER, _failed(why_not(self.base_url, exc) or plain)
        try:
            answer = response.json()
        except ValueError:
            text = response.data.decode(errors="replace").strip()[:200]
            return response.status, _failed(text or f"the service answered {response.status}")
        return response.status, answer

    def result(self, path: str, body: Any) -> Any:
        """The result of a POST to the cluster API. Raises what it failed with."""
        return outcome(self.ask("POST", path, body=body), "result")

    def data(self, path: str) -> Any:
        """The data of a GET from the registry API. Raises what it failed with."""
        return outcome(self.ask("GET", path), "data")

    def close(self) -> None:
        """Close every connection."""
        self._pool.clear()


def outcome(answered: tuple[int, Any], field: str) -> Any:
    """What an answer says in the field; raises the error it is instead."""
    status, answer = answered
    if isinstance(answer, dict) and answer.get("success") is True and field in answer:
        return answer[field]
    why = why_of(answered)
    if status < 400 and why.startswith("No "):  # earlier deployments answered failures with 200
        raise NotFoundError(why)
    raise _ERRORS.get(status, NodeError)(why)


def why_of(answered: tuple[int, Any]) -> str:
    """Why a call failed, in the words of either published API."""
    status, answer = answered
    if isinstance(answer, dict):
        for field in ("errorData", "error", "message"):
            if answer.get(field):
                return redacted(str(answer[field]))
    return f"the service answered {status}"


def _failed(why: str) -> dict[str, Any]:
    return {"success": False, "error": why}
