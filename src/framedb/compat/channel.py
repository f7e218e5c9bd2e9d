"""The gRPC connection of `ObjectsAPI`: forms of its address, TLS, and why it failed."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import grpc

from framedb.client.tls import authorities, speaks_tls, untrusted, warn_of_readable_token
from framedb.config import MiB, Settings
from framedb.errors import InvalidSettingError
from framedb.redaction import redacted

LARGEST_MESSAGE_BYTES = 64 * MiB
"""Of data in one message; larger objects are sent in pieces."""

_IN_THE_CLEAR = ("", "grpc", "http")
_OVER_TLS = ("grpcs", "https")
_OPTIONS = [
    ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES + MiB),
    ("grpc.keepalive_time_ms", 60_000),
]
_NOT_TRUSTED = "CERTIFICATE_VERIFY_FAILED"
_OTHER_NAME = ("Hostname Verification Check failed", "not in peer certificate")  # of grpcio now, and before 1.80
_NO_TLS = "WRONG_VERSION_NUMBER"


@dataclass(frozen=True, slots=True)
class Address:
    """Where an object service is."""

    target: str
    """`host:port`."""
    tls: bool
    """Whether it is spoken to over TLS."""

    def __str__(self) -> str:
        return f"grpcs://{self.target}" if self.tls else self.target

    @classmethod
    def parse(cls, text: str) -> "Address":
        """`host:port` and `grpc://host:port` mean in the clear, `grpcs://host:port` over TLS; `http` and `https` do as well.

        Raises InvalidSettingError for any other scheme.
        """
        scheme, _, target = str(text).rpartition("://")
        if scheme not in (*_IN_THE_CLEAR, *_OVER_TLS):
            raise InvalidSettingError(f"{redacted(text)} is no address of an object service: give host:port")
        return cls(target.rstrip("/"), scheme in _OVER_TLS)


def open_channel(address: Address, settings: Settings) -> grpc.Channel:
    """A channel that connects with the first call. Raises InvalidSettingError for a FRAMEDB_TLS_CA that cannot be used."""
    if not address.tls:
        warn_of_readable_token(
            f"grpc://{address.target}", settings.token.get_secret_value() if settings.token else None
        )
        return grpc.insecure_channel(address.target, options=_OPTIONS)
    # grpcio has authorities of its own, and does not ask the system's.
    roots = authorities(settings.tls_ca) if settings.tls_ca else None
    return grpc.secure_channel(address.target, grpc.ssl_channel_credentials(roots), options=_OPTIONS)


def is_for_good(address: Address, error: grpc.RpcError) -> bool:
    """Whether asking again cannot help: a certificate that is not trusted, or only one of the two speaks TLS."""
    return code_of(error) is grpc.StatusCode.UNAVAILABLE and _about_tls(address, details_of(error)) is not None


def told(address: Address, error: grpc.RpcError) -> str:
    """What a call failed with, and what to do."""
    code, details = code_of(error), details_of(error)
    if code is not grpc.StatusCode.UNAVAILABLE:
        return f"{code.name if code is not None else 'UNKNOWN'}: {details}"
    return _about_tls(address, details) or f"no object service answers at {address}: {details}"


def code_of(error: grpc.RpcError) -> grpc.StatusCode | None:
    """The status; what a call raises is a call, too."""
    code = getattr(error, "code", None)
    return code() if code is not None else None


def details_of(error: grpc.RpcError) -> str:
    """What was told beside the status."""
    details = getattr(error, "details", None)
    return redacted(str(details() if details is not None else error))


def _about_tls(address: Address, details: str) -> str | None:
    if _NOT_TRUSTED in details:
        return untrusted(str(address), details.partition(f"{_NOT_TRUSTED}: ")[2].partition(":")[0] or "not verified")
    if any(text in details for text in _OTHER_NAME):
        return f"the certificate of {address} is for another name: use one that it has"
    if _NO_TLS in details:
        return f"{address} speaks no TLS: write {address.target}, or start the service with --tls-cert and --tls-key"
    parts = urlsplit(f"//{address.target}")
    if not address.tls and parts.hostname and parts.port and speaks_tls(parts.hostname, parts.port):
        return f"{address} speaks TLS: write grpcs://{address.target}"
    return None
