"""Whether a server that is registered for a cluster is somebody else's by now."""

import socket
from contextlib import suppress

from framedb.clusters.drivers.base import Member
from framedb.errors import StoreError
from framedb.resp import Endpoint, close_redis, open_redis, translated

_TIMEOUT = 1.0  # seconds


def answers_to_others(member: Member, password: str) -> bool:
    """Whether a server with a password answers there, and it is not ours.

    A port is used again: what answers without a password, or to ours, is not the member of another installation.
    """
    return _wants_password(member.host, member.port) and not _answers(member, password)


def _wants_password(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=_TIMEOUT) as probe:
        probe.sendall(b"PING\r\n")
        return probe.recv(7) == b"-NOAUTH"
    return False


def _answers(member: Member, password: str) -> bool:
    client = open_redis(Endpoint(member.host, member.port, password=password), timeout=_TIMEOUT)
    try:
        with translated(member.name):
            client.ping()
        return True
    except StoreError:
        return False
    finally:
        close_redis(client)
