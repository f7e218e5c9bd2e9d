"""`framedb up`: the whole system in one process tree."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from framedb.cli.output import failures
from framedb.cli.serve_kvs import served
from framedb.cli.serving import (
    DataDir,
    Host,
    Insecure,
    greet,
    grpc_url,
    private_folder,
    serve,
    stopped_by_signals,
    url_of,
)
from framedb.cli.tls import Cert, Key, certificate_for, told
from framedb.loopback import is_loopback
from framedb.server.listening import bound, token_for

EXAMPLE = "Example: framedb up --data-dir runtime"


def up(
    data_dir: DataDir = Path("runtime"),
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP port; 0: any free one, see node.json.")] = 8000,
    grpc_port: Annotated[
        int, typer.Option(min=0, max=65535, help="gRPC port of objects and streams; 0: any free one, see node.json.")
    ] = 50051,
    kvs_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the key-value store; 0: any free one, see node.json.")
    ] = 8080,
    kvs_durable: Annotated[
        bool, typer.Option("--kvs-durable", help="Keep what is in the key-value store over a restart.")
    ] = False,
    redis_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the frames server, or the next free one.")
    ] = 6379,
    workers: Annotated[bool, typer.Option(help="Whether to run cameras and jobs here.")] = True,
    insecure: Insecure = False,
    tls_cert: Cert = None,
    tls_key: Key = None,
) -> None:
    """Start the engines, the workers, HTTP, gRPC and the key-value store; stop them in order on SIGTERM or Ctrl-C."""
    ports = Ports(port, grpc_port, kvs_port, redis_port)
    with failures():
        _serve(
            data_dir,
            host,
            ports,
            workers=workers,
            kvs_durable=kvs_durable,
            insecure=insecure,
            tls=(tls_cert, tls_key),
        )


class Ports(NamedTuple):
    """Where a node is to listen; 0: anywhere."""

    http: int
    grpc: int
    kvs: int
    redis: int


def _serve(
    data_dir: Path,
    host: str,
    ports: Ports,
    *,
    workers: bool,
    kvs_durable: bool,
    insecure: bool,
    tls: tuple[Path | None, Path | None],
) -> None:
    from framedb.config import read_settings

    settings = read_settings()
    token = token_for(host, settings, insecure=insecure)
    certificate = certificate_for(*tls, settings)
    with (
        bound(host, ports.http) as listening,
        bound(host, ports.kvs, other="another with --kvs-port") as kvs_listening,
        ExitStack() as opened,
    ):
        from framedb.logs import log_as_json
        from framedb.node import Node
        from framedb.server.app import create_app
        from framedb.server.grpc import ObjectServer

        private_folder(data_dir)
        log_as_json(data_dir / "logs" / "app.log")
        node = Node(settings, data_dir, redis_port=ports.redis, workers=workers)
        opened.callback(node.stop)
        with stopped_by_signals():
            node.start()
            pem = certificate.pem if certificate else None
            grpc = ObjectServer(node.backends.objects, host=host, port=ports.grpc, token=token, tls=pem)
            opened.callback(grpc.stop)
            grpc.start()
            addresses = {
                "url": url_of(host, listening, certificate),
                "grpc": grpc_url(host, grpc.port, certificate),
                "kvs": url_of(host, kvs_listening, certificate),
            }
            opened.enter_context(
                served(
                    kvs_listening,
                    settings,
                    data_dir=data_dir if kvs_durable else None,
                    token=token,
                    insecure=insecure,
                    certificate=certificate,
                )
            )
            node.announce(**addresses)
            frames = f"127.0.0.1:{node.frames.port}  {node.frames.uds}"
            rows = {"HTTP": addresses["url"], "gRPC": addresses["grpc"], "KVS": addresses["kvs"], "frames": frames}
            rows |= told(certificate, beyond=not is_loopback(host))
            greet("FrameDB", **rows, data=str(node.data_dir), stop="Ctrl-C")
            serve(create_app(node, token=token, insecure=insecure), listening, certificate)
