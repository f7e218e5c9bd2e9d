"""Real engines for tests: each starts on a free port in a temporary folder, and stops with its test session."""

import random
import socket

_PORTS = range(10_000, 20_000)
"""Neither clusters take these, nor outgoing connections: one of those would be in the way of a server that comes back."""


def free_port() -> int:
    """A TCP port nobody listens on at this moment."""
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = random.choice(_PORTS)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
