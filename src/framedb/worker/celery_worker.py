"""`python -m framedb.worker.celery_worker DATA_DIR`: a node's own worker, which runs its cameras and its jobs.

It stops in order when its standard input closes: the node that started it is gone, or wants it to.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.platforms import SecurityWarning

from framedb.capture.runner import CameraRunner
from framedb.config import read_settings
from framedb.logs import log_as_json
from framedb.node import open_backends
from framedb.node.backends import tasks_url
from framedb.node.node import JOB_WORKER_MODULE
from framedb.queueing.tasks import RUN_CAMERAS, RUN_JOBS, celery_app

logger = logging.getLogger(__name__)

_LOOK = 1.0  # seconds between two looks at whether the job worker lives
_RESTART = 1.0  # seconds until a dead one is started again
_JOB_STOP = 8.0  # seconds it may take to give back what it has in hand


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
    jobs = JobRunner(data_dir)
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
    """Keeps a process running that works on extraction jobs (see `job_worker`), and tells it of new ones."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._wake = threading.Event()
        self._told = threading.Event()

    def wake(self) -> None:
        """There are jobs."""
        self._told.set()
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set, which `wake` is called after."""
        while not stop.is_set():
            # Not a fork of this process, which has threads; nor would a crash of FFmpeg's then be its own.
            with subprocess.Popen(
                [sys.executable, "-m", JOB_WORKER_MODULE, str(self._data_dir)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            ) as process:
                self._serve(process, stop)
            if not stop.is_set():
                logger.error("job worker died, starting another", extra={"returncode": process.returncode})
                stop.wait(_RESTART)

    def _serve(self, process: "subprocess.Popen[bytes]", stop: threading.Event) -> None:
        assert process.stdin is not None
        while not stop.is_set() and process.poll() is None:
            if self._told.is_set():
                self._told.clear()
                with suppress(OSError):
                    process.stdin.write(b"\n")
                    process.stdin.flush()
            self._wake.wait(_LOOK)
            self._wake.clear()
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_JOB_STOP)
        except subprocess.TimeoutExpired:
            logger.warning("job worker did not stop in time, killing it", extra={"pid": process.pid})
            process.kill()


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
