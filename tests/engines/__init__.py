"""Real engines for tests: each starts on a free port in a temporary folder, and stops with its test session."""

import socket


def free_port() -> int:
    """A TCP port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
