"""Which addresses are this machine's own."""

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str | None) -> bool:
    """Whether only programs of this machine are reached by, or reach, a host name or address."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def host_of(authority: str) -> str | None:
    """The host of a `Host` header, without its port; None if there is none in it."""
    try:
        return urlsplit(f"//{authority}").hostname
    except ValueError:
        return None
