"""`framedb up`: the whole system in one process tree."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from framedb.cli.output import failures
from framedb.cli.serving import bound, greet, serve, stopped_by_signals, token_for, url_of

EXAMPLE = "Example: framedb up --data-dir runtime"


def up(
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("runtime"),
    host: Annotated[
        str, typer.Option(help="Address to serve HTTP on; beyond loopback it needs FRAMEDB_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP port; 0: any free one, see node.json.")] = 8000,
    grpc_port: Annotated[
        int, typer.Option(min=0, max=65535, help="gRPC port of objects and streams; 0: any free one, see node.json.")
    ] = 50051,
    redis_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the frames server, or the next free one.")
    ] = 6379,
    workers: Annotated[bool, typer.Option(help="Whether to run cameras and jobs here.")] = True,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Serve beyond loopback without a token: for everybody.")
    ] = False,
) -> None:
    """Start the engines, the workers, HTTP and gRPC; stop them all in order on SIGTERM or Ctrl-C."""
    with failures():
        _serve(data_dir, host, port, grpc_port, redis_port, workers=workers, insecure=insecure)


def _serve(
    data_dir: Path, host: str, port: int, grpc_port: int, redis_port: int, *, workers: bool, insecure: bool
) -> None:
    from framedb.config import read_settings
    from framedb.node import Node
    from framedb.node.logs import log_as_json
    from framedb.server.app import create_app
    from framedb.server.grpc import ObjectServer

    settings = read_settings()
    token = token_for(host, settings, insecure=insecure)
    with bound(host, port) as listening, ExitStack() as opened:
        data_dir.mkdir(parents=True, exist_ok=True)
        log_as_json(data_dir / "logs" / "app.log")
        node = Node(settings, data_dir, redis_port=redis_port, workers=workers)
        opened.callback(node.stop)
        with stopped_by_signals():
            node.start()
            grpc = ObjectServer(node.backends.objects, host=host, port=grpc_port, token=token)
            opened.callback(grpc.stop)
            grpc.start()
            url = url_of(host, listening)
            node.announce(url=url, grpc=grpc.address)
            frames = f"127.0.0.1:{node.frames.port}  {node.frames.uds}"
            greet("FrameDB", HTTP=url, gRPC=grpc.address, frames=frames, data=str(node.data_dir), stop="Ctrl-C")
            serve(create_app(node, token=token, insecure=insecure), listening)
