"""`python -m framedb.worker.celery_worker DATA_DIR`: a node's own worker, which runs its cameras and its jobs.

It stops in order when its standard input closes: the node that started it is gone, or wants it to.
"""

import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.platforms import SecurityWarning

from framedb.capture.runner import CameraRunner
from framedb.config import read_settings
from framedb.errors import FrameDBError
from framedb.extraction.extract import work_on
from framedb.logs import log_as_json
from framedb.node import Backends, open_backends
from framedb.node.backends import tasks_url
from framedb.queueing.tasks import RUN_CAMERAS, RUN_JOBS, celery_app

logger = logging.getLogger(__name__)

_JOB_PERIOD = 2.0  # seconds between two looks for jobs nobody was told of


def main(data_dir: Path) -> None:
    """Work until standard input closes, or SIGTERM."""
    log_as_json(data_dir / "logs" / "worker.log")
    # Root is what containers run as; the warning is about pickled messages, and ours are JSON.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    backends = open_backends(read_settings(), data_dir)
    app = celery_app(tasks_url(backends.settings, backends.control))
    holder = f"{socket.gethostname()}:{os.getpid()}"
    cameras = CameraRunner(
        backends.cameras,
        backends.leases,
        backends.tiers,
        backends.plane.placement.cluster_of,
        backends.open_queue,
        holder=holder,
    )
    jobs = JobRunner(backends, holder)
    app.steps["worker"].add(_step("CameraStep", cameras.run, cameras.wake))
    app.steps["worker"].add(_step("JobStep", jobs.run, jobs.wake))
    app.task(name=RUN_CAMERAS)(cameras.wake)
    app.task(name=RUN_JOBS)(jobs.wake)
    threading.Thread(target=_stop_with_parent, name="parent", daemon=True).start()
    try:
        app.Worker(
            hostname=f"framedb-{os.getpid()}@{socket.gethostname()}",
            pool="threads",
            concurrency=2,
            loglevel="WARNING",
            without_gossip=True,
            without_mingle=True,
            quiet=True,
        ).start()
    finally:
        backends.close()


class JobRunner:
    """Works on extraction jobs, one segment at a time."""

    def __init__(self, backends: Backends, holder: str) -> None:
        self._backends = backends
        self._holder = holder
        self._wake = threading.Event()

    def wake(self) -> None:
        """Look for jobs now."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Claim and work until `stop` is set."""
        jobs = self._backends.jobs
        while not stop.is_set():
            try:
                claim = jobs.claim(self._holder)
                if claim is not None:
                    work_on(claim, jobs, self._backends.durable)
                    continue
            except FrameDBError as exc:
                logger.warning("could not look for jobs: %s", exc)
            self._wake.wait(_JOB_PERIOD)
            self._wake.clear()


def _step(name: str, run: Callable[[threading.Event], None], wake: Callable[[], None]) -> type[bootsteps.StartStopStep]:
    """A part of the Celery worker that runs in a thread of its own, from the worker's start to its stop."""
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(stop,), name=name, daemon=True)

    def begin(self: Any, parent: Any) -> None:
        thread.start()

    def end(self: Any, parent: Any) -> None:
        stop.set()
        wake()
        thread.join()

    return type(name, (bootsteps.StartStopStep,), {"start": begin, "stop": end, "shutdown": end})


def _stop_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
