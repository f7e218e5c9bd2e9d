"""Telling somebody that a job has ended: one POST to a URL of theirs."""

import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3

from framedb.errors import InvalidInputError, MediaUnavailableError
from framedb.extraction.addresses import addresses_of
from framedb.redaction import redacted

MAX_ATTEMPTS = 6
"""Times a webhook is tried; the last one an hour after the first."""
TIMEOUT = 10.0
"""Seconds for one attempt."""


def pause_after(attempt: int) -> float:
    """Seconds until the next attempt: 5, 25, ... up to 50 minutes in all."""
    return float(min(5**attempt, 1800))


def check_webhook(url: str, *, allow_private: bool) -> str:
    """`url` itself, if it may be called. Raises InvalidInputError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise InvalidInputError(f"the webhook is no URL: {exc}") from exc
    if parts.scheme not in ("http", "https") or not host or any(character.isspace() for character in url):
        raise InvalidInputError("the webhook must be an http:// or https:// URL with a host")
    if len(url) > 2000:
        raise InvalidInputError("the webhook's URL is longer than 2000 characters")
    try:
        addresses_of(host, port or (443 if parts.scheme == "https" else 80), allow_private=allow_private)
    except MediaUnavailableError as exc:
        raise InvalidInputError(f"webhook: {exc}") from exc
    return url


def call(url: str, document: Mapping[str, Any], *, allow_private: bool) -> None:
    """POST the document as JSON. Redirects are not followed: they could lead anywhere.

    Raises InvalidInputError when the host is not, or no longer, one that may be called, and MediaUnavailableError when it
    does not answer with a 2xx.
    """
    parts = urlsplit(url)
    host, name = parts.hostname or "", redacted(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    address = addresses_of(host, port, allow_private=allow_private)[0]
    headers = {"Content-Type": "application/json", "User-Agent": "FrameDB", "Host": parts.netloc.rpartition("@")[2]}
    if parts.username:
        login = urllib3.util.make_headers(basic_auth=f"{parts.username}:{parts.password or ''}")
        headers |= {str(key): str(value) for key, value in login.items()}
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with pinned_pool(address, port, host=host, secure=secure, timeout=TIMEOUT) as pool:
            answer = pool.request(
                "POST", target, body=json.dumps(document), headers=headers, redirect=False, retries=False,
                preload_content=False,
            )  # fmt: skip
            status = answer.status
            answer.close()  # whatever it has to say beyond that, however long
    except (urllib3.exceptions.HTTPError, OSError, ssl.SSLError) as exc:
        raise MediaUnavailableError(f"webhook {name} does not answer: {type(exc).__name__}") from exc
    if not 200 <= status < 300:
        raise MediaUnavailableError(f"webhook {name} answers {status}")


def pinned_pool(
    address: str, port: int, *, host: str, secure: bool, timeout: float
) -> urllib3.HTTPConnectionPool | urllib3.HTTPSConnectionPool:
    """Connections to an address that was looked at, which must have the certificate of the host."""
    limits = urllib3.Timeout(connect=timeout, read=timeout)
    if not secure:
        return urllib3.HTTPConnectionPool(address, port, timeout=limits, maxsize=1)
    return urllib3.HTTPSConnectionPool(
        address, port, timeout=limits, maxsize=1, server_hostname=host, assert_hostname=host, cert_reqs="CERT_REQUIRED"
    )
