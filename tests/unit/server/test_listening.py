"""A port that is bound before anything is served."""

import socket

import pytest

from framedb.errors import PortInUseError
from framedb.server.listening import bound


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_replies_in_two_pieces_do_not_wait_for_the_client_to_acknowledge_the_first(host: str) -> None:
    with bound(host, 0) as listening, socket.create_connection(listening.getsockname()[:2]):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with bound("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"cannot listen on 127.0.0.1:{port} .*: choose another with --port"):
            bound("127.0.0.1", port)
