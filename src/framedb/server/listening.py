"""Before anything is served: a port that is bound, and no other machines without a token."""

import os
import socket

from framedb.config import Settings
from framedb.errors import InvalidSettingError, PortInUseError
from framedb.loopback import is_loopback


def token_for(host: str, settings: Settings, *, insecure: bool, option: str = "--insecure") -> str | None:
    """The token that requests must carry. Raises InvalidSettingError for an address beyond loopback without one.

    `option` is how whoever is told may let everybody in.
    """
    token = settings.token.get_secret_value() if settings.token else None
    if not is_loopback(host) and token is None and not insecure:
        raise InvalidSettingError(
            f"serving on {host} lets others in: set FRAMEDB_TOKEN, or say {option} if everyone may read and write"
        )
    return token


def bound(host: str, port: int, *, other: str = "another with --port") -> socket.socket:
    """A listening socket. Raises PortInUseError, which says to choose `other`, before anything was started."""
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as exc:
        why = exc.strerror or os.strerror(exc.errno or 0)
        raise PortInUseError(f"cannot listen on {host}:{port} ({why}): choose {other}") from exc
    # Its connections inherit it. asyncio sets it for sockets it makes itself alone; without it the second piece of a reply,
    # its body, waits 40 ms for the client to acknowledge the first.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def address_of(host: str, port: int) -> str:
    """`host:port` as it stands in a URL; an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
