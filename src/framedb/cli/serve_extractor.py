"""`framedb serve extractor`: the video frame extraction service alone, as it is deployed."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from framedb.cli.output import failures
from framedb.cli.serving import DataDir, Host, Insecure, greet, private_folder, serve, stopped_by_signals, url_of
from framedb.cli.tls import Cert, Key, certificate_for, told
from framedb.loopback import is_loopback
from framedb.server.listening import bound, token_for

if TYPE_CHECKING:
    from framedb.node.extraction import ExtractionBackends
    from framedb.worker.celery_worker import JobRunner

EXAMPLE = "Example: framedb serve extractor --data-dir runtime --port 8000"

_TIDY = 60.0  # seconds between two looks for what cancelled jobs and cut-off uploads left


def extractor(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP port; 0: any free one.")] = 8000,
    data_dir: DataDir = Path("runtime"),
    workers: Annotated[bool, typer.Option(help="Whether to work on jobs here.")] = True,
    insecure: Insecure = False,
    tls_cert: Cert = None,
    tls_key: Key = None,
) -> None:
    """Serve video jobs, their frames and the page over HTTP, and work on them; a restart costs none."""
    with failures():
        _serve(host, port, data_dir, workers=workers, insecure=insecure, tls=(tls_cert, tls_key))


def _serve(
    host: str, port: int, data_dir: Path, *, workers: bool, insecure: bool, tls: tuple[Path | None, Path | None]
) -> None:
    from framedb.config import read_settings

    settings = read_settings()
    token = token_for(host, settings, insecure=insecure)
    certificate = certificate_for(*tls, settings)
    with bound(host, port) as listening, ExitStack() as opened:
        from framedb.logs import log_as_json
        from framedb.node.extraction import open_extraction
        from framedb.server.extractor.app import create_extractor_app
        from framedb.server.extractor.cache_opening import open_cache
        from framedb.server.extractor.parts import Extraction
        from framedb.worker.celery_worker import JobRunner

        private_folder(data_dir)
        log_as_json(data_dir / "logs" / "app.log")
        with stopped_by_signals():
            backends = open_extraction(settings, data_dir)
            opened.callback(backends.close)
            cache = open_cache(settings)
            opened.callback(cache.close)
            opened.enter_context(_tidied(backends))
            runner = JobRunner(data_dir.resolve())
            if workers:
                opened.enter_context(_running(runner))
            extraction = Extraction(
                settings=settings,
                registry=backends.plane.registry,
                jobs=backends.jobs,
                frames=backends.frames,
                objects=backends.objects,
                cache=cache,
                wake=runner.wake,
            )
            app = create_extractor_app(extraction, token=token, insecure=insecure)
            url = url_of(host, listening, certificate)
            rows = {"HTTP": url, "try it": f"{url}/docs", **told(certificate, beyond=not is_loopback(host))}
            greet("FrameDB's extraction service", **rows, data=str(data_dir.resolve()), stop="Ctrl-C; jobs wait")
            serve(app, listening, certificate)


@contextmanager
def _running(runner: "JobRunner") -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=runner.run, args=(stop,), name="jobs")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        runner.wake()
        thread.join()


@contextmanager
def _tidied(backends: "ExtractionBackends") -> Iterator[None]:
    """Meanwhile what was left behind is removed, now and then."""
    import logging

    from framedb.errors import FrameDBError
    from framedb.periodic import Periodic

    def tidy() -> None:
        try:
            backends.jobs.tidy()
            backends.plane.instances.store("local").sweep()
        except FrameDBError as exc:
            logging.getLogger(__name__).warning("could not tidy up: %s", exc)

    thread = Periodic("tidy", tidy, period=_TIDY)
    thread.start()
    try:
        yield
    finally:
        thread.stop()
