"""Serving HTTP: a bound port before anything is started, no other machines without a token, an end in order."""

import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.table import Table

from framedb.cli.output import console
from framedb.config import Settings
from framedb.errors import InvalidSettingError, PortInUseError

if TYPE_CHECKING:
    from fastapi import FastAPI

GOES_ON = "Ctrl-C; clusters go on running"
"""How to stop a service that is not the whole node."""
_ORDERLY = (signal.SIGTERM, signal.SIGINT)


def token_for(host: str, settings: Settings, *, insecure: bool) -> str | None:
    """The token that requests must carry. Raises InvalidSettingError for an address beyond loopback without one."""
    token = settings.token.get_secret_value() if settings.token else None
    if not _is_loopback(host) and token is None and not insecure:
        raise InvalidSettingError(
            f"serving on {host} lets others in: set FRAMEDB_TOKEN, or say --insecure if everyone may read and write"
        )
    return token


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortInUseError before anything was started."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as exc:
        why = exc.strerror or os.strerror(exc.errno or 0)
        raise PortInUseError(f"cannot listen on {host}:{port} ({why}): choose another with --port") from exc


def url_of(host: str, listening: socket.socket) -> str:
    """Where what listens there is reached from this machine."""
    reachable = "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host  # noqa: S104
    return f"http://{reachable}:{listening.getsockname()[1]}"


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """SIGTERM and Ctrl-C end the block, however far it has come; what follows it is not disturbed by more of them."""
    for number in _ORDERLY:
        signal.signal(number, _exit)
    try:
        yield
    finally:
        for number in _ORDERLY:
            signal.signal(number, signal.SIG_IGN)


def greet(what: str, **rows: str) -> None:
    """Tell whoever started a service where it is."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in rows.items():
        table.add_row(name.replace("_", " "), value)
    console.print(f"[bold green]{what} is up[/]")
    console.print(table)


def serve(app: "FastAPI", listening: socket.socket) -> None:
    """Answer requests until a signal."""
    import uvicorn

    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=5)
    uvicorn.Server(config).run(sockets=[listening])


def _exit(number: int, frame: object) -> None:
    sys.exit(0)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
