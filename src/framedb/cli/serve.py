"""`framedb serve`: one service of the control plane alone, as it is deployed."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import typer

from framedb.cli.output import failures
from framedb.cli.serve_extractor import EXAMPLE as EXTRACTOR_EXAMPLE
from framedb.cli.serve_extractor import extractor
from framedb.cli.serve_kvs import EXAMPLE as KVS_EXAMPLE
from framedb.cli.serve_kvs import kvs
from framedb.cli.serve_objects import EXAMPLE as OBJECTS_EXAMPLE
from framedb.cli.serve_objects import objects
from framedb.cli.serving import (
    GOES_ON,
    DataDir,
    Host,
    Insecure,
    greet,
    private_folder,
    serve,
    stopped_by_signals,
    url_of,
)
from framedb.cli.tls import Cert, Key, certificate_for, told
from framedb.loopback import is_loopback
from framedb.server.listening import bound, token_for

app = typer.Typer(help="One service alone.", no_args_is_help=True)

Port = Annotated[int, typer.Option(min=0, max=65535, help="HTTP port; 0: any free one.")]


@app.command("config", epilog="Example: framedb serve config --data-dir runtime --port 5000")
def config(
    host: Host = "127.0.0.1",
    port: Port = 5000,
    data_dir: DataDir = Path("runtime"),
    insecure: Insecure = False,
    tls_cert: Cert = None,
    tls_key: Key = None,
) -> None:
    """Serve clusters, their settings and instances. It leaves clusters running when it stops."""
    with failures():
        _serve("config", host, port, data_dir, insecure=insecure, tls=(tls_cert, tls_key))


@app.command("routing", epilog="Example: framedb serve routing --data-dir runtime --port 5000")
def routing(
    host: Host = "127.0.0.1",
    port: Port = 5000,
    data_dir: DataDir = Path("runtime"),
    insecure: Insecure = False,
    tls_cert: Cert = None,
    tls_key: Key = None,
) -> None:
    """Serve which cluster a source's frames go to, and which instance holds an object."""
    with failures():
        _serve("routing", host, port, data_dir, insecure=insecure, tls=(tls_cert, tls_key))


app.command("objects", epilog=OBJECTS_EXAMPLE)(objects)
app.command("kvs", epilog=KVS_EXAMPLE)(kvs)
app.command("extractor", epilog=EXTRACTOR_EXAMPLE)(extractor)


def _serve(
    name: Literal["config", "routing"],
    host: str,
    port: int,
    data_dir: Path,
    *,
    insecure: bool,
    tls: tuple[Path | None, Path | None],
) -> None:
    from framedb.config import read_settings

    settings = read_settings()
    token = token_for(host, settings, insecure=insecure)
    certificate = certificate_for(*tls, settings)
    with bound(host, port) as listening, ExitStack() as opened:
        from framedb.logs import log_as_json
        from framedb.node.control_plane import Reconciling, open_control_plane
        from framedb.server.services import create_config_app, create_routing_app

        private_folder(data_dir)
        log_as_json(data_dir / "logs" / f"{name}.log")
        with stopped_by_signals():
            plane = open_control_plane(settings, data_dir)
            opened.callback(plane.close)
            if name == "config":  # the one that has the right to make clusters
                reconciling = Reconciling(plane)
                opened.callback(reconciling.stop)
                reconciling.start()
            create = create_config_app if name == "config" else create_routing_app
            url = url_of(host, listening, certificate)
            rows = {"HTTP": url, "try it": f"{url}/docs", **told(certificate, beyond=not is_loopback(host))}
            greet(f"FrameDB's {name} service", **rows, data=str(data_dir.resolve()), stop=GOES_ON)
            serve(create(plane, token=token, insecure=insecure), listening, certificate)
