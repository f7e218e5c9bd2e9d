"""`--tls-cert` and `--tls-key`: the certificate a service shows, looked at before anything is started."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

import typer

from framedb.config import Settings
from framedb.errors import InvalidSettingError

Cert = Annotated[
    Path | None,
    typer.Option("--tls-cert", help="Certificate chain (PEM): serve over TLS. Default: FRAMEDB_TLS_CERT."),
]
Key = Annotated[
    Path | None, typer.Option("--tls-key", help="Private key of the certificate (PEM). Default: FRAMEDB_TLS_KEY.")
]

_NO_CHECK_TIME = 0x200000  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME: the times are told in our own words
_DNS, _IP = "DNS", "IP Address"


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A certificate that clients can use now, and its key."""

    cert_file: Path
    """The chain, the service's own certificate first: uvicorn's `ssl_certfile`, granian's `ssl_cert`."""
    key_file: Path
    """Its private key: uvicorn's `ssl_keyfile`, granian's `ssl_key`."""
    chain: bytes = field(repr=False)
    """What `cert_file` holds."""
    key: bytes = field(repr=False)
    """What `key_file` holds."""
    names: tuple[str, ...]
    """Host names and addresses it is valid for."""
    valid_until: datetime
    """When clients begin to refuse it, in UTC."""

    @property
    def pem(self) -> tuple[bytes, bytes]:
        """Chain and key, as grpcio takes them."""
        return self.chain, self.key


def certificate_for(cert: Path | None, key: Path | None, settings: Settings) -> ServerCertificate | None:
    """What to serve with: the options, else the settings; None for plain HTTP.

    Raises InvalidSettingError for one without the other, and for files no client could make use of: missing, unreadable,
    no PEM, with a password, not belonging together, not valid now.
    """
    cert, key = cert or settings.tls_cert, key or settings.tls_key
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        given, missing = ("key", "--tls-cert") if cert is None else ("certificate", "--tls-key")
        raise InvalidSettingError(f"a {given} alone is not enough for TLS: give {missing} too")
    chain = _pem(cert, "CERTIFICATE-----", "certificate")
    secret = _pem(key, "PRIVATE KEY-----", "private key")
    shown = _shown(_context(cert, key), chain.decode("ascii", errors="ignore"), cert)
    valid_until = _checked_times(shown, cert)
    names = tuple(_name(kind, name) for kind, name in shown.get("subjectAltName", ()) if kind in (_DNS, _IP))
    if not names:
        raise InvalidSettingError(
            f"certificate {cert} names no host (subjectAltName), so that no client accepts it: make one with "
            f"`openssl req -addext subjectAltName=DNS:HOST`"
        )
    return ServerCertificate(cert, key, chain, secret, names, valid_until)


def told(certificate: ServerCertificate | None, *, beyond: bool) -> dict[str, str]:
    """What whoever starts a service sees of its TLS; `beyond`: other machines reach it."""
    if certificate is not None:
        return {"TLS": f"for {', '.join(certificate.names)}, until {certificate.valid_until:%Y-%m-%d}"}
    if beyond:
        return {"TLS": "none: tokens and frames can be read on the way, so give --tls-cert and --tls-key"}
    return {}


def _name(kind: str, name: str) -> str:
    return str(ip_address(name.strip())) if kind == _IP else name  # OpenSSL writes every digit of an IPv6 address


def _pem(path: Path, marker: str, what: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise InvalidSettingError(f"cannot read the {what} {path}: {exc.strerror}") from exc
    if marker.encode() not in content:
        raise InvalidSettingError(f"{path} holds no {what} as PEM: it would have a line `-----BEGIN ... {marker}`")
    return content


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def has_a_password() -> str:  # asked for on the terminal otherwise
        raise InvalidSettingError(
            f"key {key} is encrypted, and a service cannot ask for its password: "
            f"decrypt it with `openssl pkey -in {key} -out PLAIN.pem`, readable to you alone"
        )

    try:
        context.load_cert_chain(cert, key, has_a_password)
    except ssl.SSLError as exc:
        if exc.reason == "KEY_VALUES_MISMATCH":
            raise InvalidSettingError(
                f"key {key} does not belong to the first certificate of {cert}: give the two that were made together, "
                f"and in a chain the service's own certificate first"
            ) from exc
        raise InvalidSettingError(f"certificate {cert} and key {key} cannot be used: {_reason(exc)}") from exc
    return context


def _shown(context: ssl.SSLContext, chain: str, cert: Path) -> dict[str, Any]:
    """The certificate as a client sees it, that trusts it: by a handshake in memory, without a socket."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    try:
        client.load_verify_locations(cadata=chain)
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        asking = client.wrap_bio(to_client, to_server)
        answering = context.wrap_bio(to_server, to_client, server_side=True)
        for side in _turns(asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
        return asking.getpeercert() or {}
    except ssl.SSLError as exc:
        raise InvalidSettingError(f"certificate {cert} cannot be used by a server: {_reason(exc)}") from exc


def _turns(asking: ssl.SSLObject, answering: ssl.SSLObject) -> Iterator[ssl.SSLObject]:
    # Hello; hello and certificate; finished; finished.
    yield from (asking, answering, asking, answering)


def _checked_times(shown: dict[str, Any], cert: Path) -> datetime:
    begins, ends = (
        datetime.fromtimestamp(ssl.cert_time_to_seconds(shown[field]), UTC) for field in ("notBefore", "notAfter")
    )
    now = datetime.now(UTC)
    if ends <= now:
        raise InvalidSettingError(f"certificate {cert} expired at {ends:%Y-%m-%d %H:%M} UTC: renew it")
    if begins > now:
        raise InvalidSettingError(
            f"certificate {cert} is valid only from {begins:%Y-%m-%d %H:%M} UTC: wait, or set the clock"
        )
    return ends


def _reason(error: ssl.SSLError) -> str:
    """OpenSSL's reason as words. What is damaged inside of its lines has none."""
    message = getattr(error, "verify_message", None) or error.reason
    return str(message).replace("_", " ").lower() if message else "one of them is damaged"
