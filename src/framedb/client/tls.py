"""TLS as a client meets it: whom it trusts, why it failed, and a word before a token travels readable."""

import logging
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

from framedb.errors import InvalidSettingError
from framedb.loopback import is_loopback
from framedb.redaction import redacted

logger = logging.getLogger(__name__)

_PROBE = 2.0  # seconds
_TLS_RECORDS = (b"\x15", b"\x16")  # an alert, a handshake: what an answer over TLS begins with
_EXPIRED, _WRONG_HOST, _WRONG_ADDRESS = 10, 62, 64  # OpenSSL's X509_V_ERR_*
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")
_told: set[str] = set()


def connections(url: str, *, ca: Path | None, **options: Any) -> urllib3.PoolManager:
    """A pool for a URL. What answers at `https://` must be vouched for by `ca`, or by the system's authorities.

    Raises InvalidSettingError for a file that holds no certificate.
    """
    if ca is None or not url.startswith("https://"):
        return urllib3.PoolManager(**options)
    return urllib3.PoolManager(ssl_context=trusting(ca), **options)


def authorities(ca: Path) -> bytes:
    """The certificates in a file, as PEM. Raises InvalidSettingError if there are none."""
    trusting(ca)
    return ca.read_bytes()


def why_not(url: str, exc: BaseException) -> str | None:
    """What is wrong about TLS with a server that could not be spoken to, and what to do; None if it is something else."""
    fault = _ssl_fault(exc)
    place = redacted(url)
    if fault is None:
        return f"{place} speaks TLS: write https://" if _is_plain_to_tls(url, exc) else None
    if isinstance(fault, ssl.SSLCertVerificationError):
        return untrusted(place, fault.verify_message, code=fault.verify_code)
    if fault.reason in _NO_TLS:
        return f"{place} speaks no TLS: write http://, or start the service with --tls-cert and --tls-key"
    return f"TLS with {place} failed: {fault.reason or fault}"


def untrusted(place: str, why: str, *, code: int | None = None) -> str:
    """What to do about a certificate that was not accepted."""
    if code == _EXPIRED or "expired" in why:
        return f"the certificate of {place} has expired: renew it there"
    if code in (_WRONG_HOST, _WRONG_ADDRESS):
        return f"the certificate of {place} is for another name ({why}): use one that it has"
    return (
        f"the certificate of {place} is not trusted ({why}): "
        f"set FRAMEDB_TLS_CA to the certificate of the authority that signed it"
    )


def speaks_tls(host: str, port: int) -> bool:
    """Whether a server there would answer over TLS, whoever it is."""
    hello = ssl.MemoryBIO()
    greeting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(ssl.MemoryBIO(), hello, server_hostname=host)
    with suppress(ssl.SSLWantReadError):
        greeting.do_handshake()
    try:
        with socket.create_connection((host, port), timeout=_PROBE) as plain:
            plain.sendall(hello.read())
            return plain.recv(1) in _TLS_RECORDS
    except OSError:
        return False


def warn_of_readable_token(url: str, token: str | None) -> None:
    """Say, once for each host, that a token goes to another machine unencrypted."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not token or parts.scheme in ("https", "grpcs") or is_loopback(host) or host in _told:
        return
    _told.add(host)
    logger.warning("FRAMEDB_TOKEN goes to %s unencrypted, for everybody on the way to read: serve it over TLS", host)


def trusting(ca: Path | None) -> ssl.SSLContext:
    """Who is vouched for by the certificates in this file, or by the system's authorities.

    Raises InvalidSettingError for a file that holds none.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError as exc:
        raise InvalidSettingError(f"FRAMEDB_TLS_CA: {ca} holds no certificate as PEM") from exc
    except OSError as exc:
        raise InvalidSettingError(f"FRAMEDB_TLS_CA: cannot read {ca}: {exc.strerror}") from exc


def _ssl_fault(exc: BaseException) -> ssl.SSLError | None:
    """The fault inside of what urllib3 made of it."""
    inside: Any = exc
    for _ in range(4):
        if isinstance(inside, ssl.SSLError):
            return inside
        inside = getattr(inside, "reason", None) or next(iter(getattr(inside, "args", ())), None)
    return None


def _is_plain_to_tls(url: str, exc: BaseException) -> bool:
    parts = urlsplit(url)
    reason = getattr(exc, "reason", None) or exc
    return (
        parts.scheme == "http"
        and isinstance(reason, urllib3.exceptions.ProtocolError)
        and parts.hostname is not None
        and speaks_tls(parts.hostname, parts.port or 80)
    )
