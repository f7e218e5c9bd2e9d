"""Which machines we may be made to call by somebody who gives us a URL."""

import ipaddress
import socket
from collections.abc import Sequence

from framedb.errors import InvalidInputError, MediaUnavailableError

_METADATA = ipaddress.ip_network("169.254.0.0/16")


def addresses_of(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses to connect to: those that were looked at, and no name that may mean another machine a moment later.

    Raises InvalidInputError when one of them is of this machine or a private network and that is not allowed, and
    MediaUnavailableError when the name means nothing. Link-local addresses, where clouds keep credentials, never are.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise MediaUnavailableError(f"{host[:100]!r} is no machine that is known here; check the URL") from exc
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    for address in addresses:
        _check(host, address, allow_private=allow_private)
    return addresses


def is_listed(host: str, hosts: Sequence[str]) -> bool:
    """Whether a host is one of these names, or below one that begins with `*.`."""
    host = host.lower().rstrip(".")
    return any(host == each or (each.startswith("*.") and host.endswith(each[1:])) for each in hosts)


def _check(host: str, address: str, *, allow_private: bool) -> None:
    parsed: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed.sixtofour or parsed
    never = parsed.is_multicast or parsed.is_unspecified or parsed.is_link_local or parsed in _METADATA
    if never or not (parsed.is_global or allow_private):
        raise InvalidInputError(
            f"{host[:100]} is on this machine or a private network ({parsed}), and that is not allowed here: "
            "set ALLOW_PRIVATE_HOSTS=1 where the node runs, if you trust all who may submit jobs"
        )
