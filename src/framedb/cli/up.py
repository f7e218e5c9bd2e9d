"""`framedb up`: the whole system in one process tree."""

import ipaddress
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from framedb.cli.output import console, failures
from framedb.errors import InvalidSettingError, PortInUseError

EXAMPLE = "Example: framedb up --data-dir runtime"


def up(
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("runtime"),
    host: Annotated[
        str, typer.Option(help="Address to serve HTTP on; beyond loopback it needs FRAMEDB_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP port; 0: any free one, see node.json.")] = 8000,
    redis_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the frames server, or the next free one.")
    ] = 6379,
    workers: Annotated[bool, typer.Option(help="Whether to run cameras and jobs here.")] = True,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Serve beyond loopback without a token: for everybody.")
    ] = False,
) -> None:
    """Start the engines, the workers and the HTTP server; stop them all in order on SIGTERM or Ctrl-C."""
    with failures():
        _serve(data_dir, host, port, redis_port, workers=workers, insecure=insecure)


def _serve(data_dir: Path, host: str, port: int, redis_port: int, *, workers: bool, insecure: bool) -> None:
    import uvicorn

    from framedb.config import read_settings
    from framedb.node import Node
    from framedb.node.logs import log_as_json
    from framedb.server.app import create_app

    settings = read_settings()
    token = settings.token.get_secret_value() if settings.token else None
    if not _is_loopback(host) and token is None and not insecure:
        raise InvalidSettingError(
            f"serving on {host} lets others in: set FRAMEDB_TOKEN, or say --insecure if everyone may read and write"
        )
    with _bound(host, port) as listening:
        data_dir.mkdir(parents=True, exist_ok=True)
        log_as_json(data_dir / "logs" / "app.log")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _exit)
        node = Node(settings, data_dir, redis_port=redis_port, workers=workers)
        try:
            node.start()
            url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{listening.getsockname()[1]}"  # noqa: S104
            node.announce(url=url)
            _greet(url, node)
            config = uvicorn.Config(
                create_app(node, token=token, insecure=insecure),
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=5,
            )
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            node.stop()


def _exit(number: int, frame: object) -> None:
    sys.exit(0)


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortInUseError before anything was started."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as exc:
        raise PortInUseError(f"cannot listen on {host}:{port} ({exc.strerror}): choose another with --port") from exc


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _greet(url: str, node: "Node") -> None:  # type: ignore[name-defined]  # noqa: F821  (the client installs without it)
    spec = node.member.valkey.spec
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("HTTP", url)
    table.add_row("frames", f"127.0.0.1:{spec.port}  {spec.uds}")
    table.add_row("data", str(node.data_dir))
    table.add_row("stop", "Ctrl-C")
    console.print("[bold green]FrameDB is up[/]")
    console.print(table)
