"""`framedb serve kvs`: the key-value store alone, over HTTP and WebSocket."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from framedb.cli.output import failures
from framedb.cli.serving import Insecure, allow_many_connections, greet, private_folder, stopped_by_signals, url_of
from framedb.cli.tls import Cert, Key, ServerCertificate, certificate_for, told
from framedb.loopback import is_loopback
from framedb.server.listening import bound, token_for

if TYPE_CHECKING:
    from framedb.config import Settings

EXAMPLE = "Example: framedb serve kvs --port 8080 --data-dir runtime"

JOURNAL = Path("db", "attributes.db")
"""Where a data folder keeps attributes that survive a restart."""


def kvs(
    host: Annotated[
        str, typer.Option(help="Address to serve on; beyond loopback it needs FRAMEDB_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = 8080,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where attributes are kept. Default: in memory alone.", show_default=False)
    ] = None,
    max_entries: Annotated[
        int | None, typer.Option(min=1, help="Attributes it may hold. Default: a million.", show_default=False)
    ] = None,
    max_bytes: Annotated[
        int | None, typer.Option(min=1, help="About the memory they may take. Default: 512 MiB.", show_default=False)
    ] = None,
    max_body_bytes: Annotated[
        int | None, typer.Option(min=1, help="Largest body of a request. Default: 16 MiB.", show_default=False)
    ] = None,
    insecure: Insecure = False,
    tls_cert: Cert = None,
    tls_key: Key = None,
) -> None:
    """Serve a key-value store over HTTP and WebSocket, as Savant's clients speak to it."""
    with failures():
        from framedb.config import read_settings

        settings = read_settings(
            FRAMEDB_KVS_MAX_ENTRIES=max_entries,
            FRAMEDB_KVS_MAX_BYTES=max_bytes,
            FRAMEDB_KVS_MAX_BODY_BYTES=max_body_bytes,
        )
        token = token_for(host, settings, insecure=insecure)
        certificate = certificate_for(tls_cert, tls_key, settings)
        with bound(host, port) as listening, stopped_by_signals():
            from framedb.logs import log_as_json

            log_as_json()
            if data_dir is not None:
                private_folder(data_dir)
            url = url_of(host, listening, certificate)
            with served(
                listening, settings, data_dir=data_dir, token=token, insecure=insecure, certificate=certificate
            ):
                rows = {"HTTP": url, **told(certificate, beyond=not is_loopback(host))}
                kept = str(data_dir.resolve()) if data_dir is not None else "in memory: it ends with this program"
                greet("FrameDB's key-value store", **rows, data=kept, stop="Ctrl-C")
                threading.Event().wait()


@contextmanager
def served(
    listening: socket.socket,
    settings: "Settings",
    *,
    data_dir: Path | None,
    token: str | None,
    insecure: bool,
    certificate: ServerCertificate | None,
) -> Iterator[None]:
    """A store that is served for the length of the block; with a `data_dir` it has what it had there before."""
    from framedb.attributes.store import AttributeStore
    from framedb.server.kvs.app import KvsApp
    from framedb.server.kvs.running import KvsServer
    from framedb.stores.attribute_journal import SQLiteJournal

    allow_many_connections()
    if data_dir is not None:
        (data_dir / JOURNAL).parent.mkdir(parents=True, exist_ok=True)
    journal = SQLiteJournal(data_dir / JOURNAL) if data_dir is not None else None
    files = (certificate.cert_file, certificate.key_file) if certificate else None
    with AttributeStore(
        max_entries=settings.kvs_max_entries, max_bytes=settings.kvs_max_bytes, journal=journal
    ) as store:
        app = KvsApp(
            store,
            token=token,
            insecure=insecure,
            durable=journal is not None,
            max_body_bytes=settings.kvs_max_body_bytes,
        )
        with KvsServer(app, listening, certificate=files):
            yield
