"""`framedb serve objects`: the object service alone, as it is deployed."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from framedb.cli.output import failures
from framedb.cli.serving import GOES_ON, DataDir, Insecure, greet, grpc_url, private_folder, stopped_by_signals
from framedb.cli.tls import Cert, Key, certificate_for, told
from framedb.loopback import is_loopback
from framedb.server.listening import token_for

EXAMPLE = "Example: framedb serve objects --data-dir runtime --grpc-port 50051"


def objects(
    host: Annotated[
        str, typer.Option(help="Address to serve gRPC on; beyond loopback it needs FRAMEDB_TOKEN.")
    ] = "127.0.0.1",
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, help="gRPC port; 0: any free one.")] = 50051,
    data_dir: DataDir = Path("runtime"),
    insecure: Insecure = False,
    tls_cert: Cert = None,
    tls_key: Key = None,
) -> None:
    """Serve objects and streams over gRPC. It leaves clusters running when it stops."""
    with failures():
        from framedb.config import read_settings

        settings = read_settings()
        token = token_for(host, settings, insecure=insecure)
        certificate = certificate_for(tls_cert, tls_key, settings)
        from framedb.logs import log_as_json
        from framedb.node.control_plane import open_control_plane
        from framedb.node.objects import open_objects
        from framedb.server.grpc import ObjectServer

        private_folder(data_dir)
        log_as_json(data_dir / "logs" / "objects.log")
        with ExitStack() as opened, stopped_by_signals():
            plane = open_control_plane(settings, data_dir)
            opened.callback(plane.close)
            pem = certificate.pem if certificate else None
            server = ObjectServer(open_objects(plane), host=host, port=grpc_port, token=token, tls=pem)
            opened.callback(server.stop)
            server.start()
            rows = {"gRPC": grpc_url(host, server.port, certificate), **told(certificate, beyond=not is_loopback(host))}
            greet("FrameDB's object service", **rows, data=str(data_dir.resolve()), stop=GOES_ON)
            server.wait()
