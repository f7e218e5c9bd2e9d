"""Serving: who starts a service is told where it is, and it ends in order."""

import errno
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from framedb.cli.output import console
from framedb.disk import is_full
from framedb.errors import InvalidInputError
from framedb.loopback import is_loopback
from framedb.server.listening import address_of

if TYPE_CHECKING:
    from fastapi import FastAPI

    from framedb.cli.tls import ServerCertificate

Host = Annotated[str, typer.Option(help="Address to serve HTTP on; beyond loopback it needs FRAMEDB_TOKEN.")]
DataDir = Annotated[Path, typer.Option(help="Where everything is kept.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Serve beyond loopback without a token: for everybody.")]

GOES_ON = "Ctrl-C; clusters go on running"
"""How to stop a service that is not the whole node."""
_ORDERLY = (signal.SIGTERM, signal.SIGINT)


def private_folder(data_dir: Path) -> None:
    """Make the data folder. It, and whatever this process and its children write from now on, is for their user alone.

    Raises InvalidInputError where nothing can be written to it.
    """
    os.umask(0o077)
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        if is_full(exc):
            raise
        raise _unusable(data_dir, exc.strerror) from exc
    if not os.access(data_dir, os.W_OK | os.X_OK, effective_ids=True):
        raise _unusable(data_dir, os.strerror(errno.EACCES))


def _unusable(data_dir: Path, why: str | None) -> InvalidInputError:
    return InvalidInputError(
        f"data folder {data_dir.resolve()} cannot be written to by user {os.geteuid()}: {why}; "
        f"give it to that user, or choose another --data-dir"
    )


def allow_many_connections() -> None:
    """As many open files as the system lets this user have: it starts programs with 1,024, which a thousand watchers are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def url_of(host: str, listening: socket.socket, certificate: "ServerCertificate | None" = None) -> str:
    """Where what listens there is reached from this machine; over TLS by a name that the certificate has."""
    scheme = "https" if certificate else "http"
    return f"{scheme}://{_address(host, listening.getsockname()[1], certificate)}"


def grpc_url(host: str, port: int, certificate: "ServerCertificate | None" = None) -> str:
    """Where gRPC is reached from this machine: `host:port`, which means in the clear, or `grpcs://host:port`."""
    address = _address(host, port, certificate)
    return f"grpcs://{address}" if certificate else address


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


def serve(app: "FastAPI", listening: socket.socket, certificate: "ServerCertificate | None" = None) -> None:
    """Answer requests until a signal."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        ssl_certfile=certificate.cert_file if certificate else None,
        ssl_keyfile=certificate.key_file if certificate else None,
    )

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            app.state.stopping.set()
            super().handle_exit(sig, frame)

    Server(config).run(sockets=[listening])


def _address(host: str, port: int, certificate: "ServerCertificate | None") -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    if certificate is not None:
        name = _named(name, certificate.names)
    return address_of(name, port)


def _named(host: str, names: tuple[str, ...]) -> str:
    """The host if the certificate is valid for it, else a name that it is valid for."""
    if host in names:
        return host
    here = is_loopback(host)
    plain = [name for name in names if not name.startswith("*") and (here or not is_loopback(name))]
    return min(plain, key=lambda name: not is_loopback(name), default=host)


def _exit(number: int, frame: object) -> None:
    sys.exit(0)
