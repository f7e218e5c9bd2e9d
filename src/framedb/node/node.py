"""`Node`: a whole FrameDB on one machine."""

import json
import logging
import os
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from framedb.capture.sweeper import Sweeper
from framedb.clusters import server
from framedb.clusters.drivers.base import Member
from framedb.clusters.registered import READY
from framedb.clusters.server import Running
from framedb.clusters.server_spec import write_private
from framedb.clusters.spec import ClusterSpec
from framedb.config import Settings
from framedb.errors import AlreadyRunningError, ConflictError, FrameDBError
from framedb.locks import Locks
from framedb.node.backends import Backends, open_backends
from framedb.node.control_plane import Reconciling, open_driver
from framedb.node.supervisor import Supervised, Supervisor
from framedb.periodic import Periodic
from framedb.placement.placement import FIRST
from framedb.resp import close_redis, open_redis

logger = logging.getLogger(__name__)

WORKER_MODULE = "framedb.worker.celery_worker"
"""The program of a node's own workers: cameras and jobs."""
JOB_WORKER_MODULE = "framedb.worker.job_worker"
"""The program that those start in turn, for jobs."""
_WORKER_STOP = 15.0  # seconds a worker may take to finish what it has in hand
_TIDY = 60.0  # seconds between two sweeps of the durable store
_LOCK = "node"
_LOCK_WAIT = 2.0  # seconds: a node that is just being killed still holds its folder for a moment


class Node:
    """The embedded engines and everything over them, in one data folder. Use it in a `with`.

    Servers outlive a node that is killed: the next one on the same folder adopts them, with what they hold. A node that
    is stopped in order stops them too.
    """

    def __init__(self, settings: Settings, data_dir: Path, *, redis_port: int = 6379, workers: bool = True) -> None:
        self.settings = settings
        self.data_dir = data_dir.resolve()
        self._spec = ClusterSpec(
            FIRST,
            node_tag=settings.node_tag,
            maxmemory_bytes=settings.frames_maxmemory_bytes,
            preferred_port=redis_port,
        )
        self._with_workers = workers
        self._lock: ExitStack | None = None
        self._control: Running | None = None
        self._worker: subprocess.Popen[bytes] | None = None
        self._backends: Backends | None = None
        self._reconciling: Reconciling | None = None
        self._supervisor: Supervisor | None = None
        self._sweeper: Sweeper | None = None
        self._tidying: Periodic | None = None

    @property
    def backends(self) -> Backends:
        """Everything the node works with, while it runs."""
        assert self._backends is not None, "the node is not running"
        return self._backends

    @property
    def frames(self) -> Member:
        """The first member of the cluster `local`."""
        return self.backends.plane.clusters.addresses(FIRST)[0]

    def start(self) -> None:
        """Start every part in order, adopting what still runs from before.

        Raises AlreadyRunningError if another node holds the folder, EngineError if a server will not start. What was
        started until then is stopped again.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.data_dir)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        self._stop_leftover_workers()
        if self.settings.redis_url is None:
            self._start_control()
        self._backends = backends = open_backends(self.settings, self.data_dir)
        clusters = backends.plane.clusters
        clusters.ensure(self._spec, site=self.settings.cluster_id)
        logger.info("cluster local runs", extra={"port": self.frames.port})
        self._link_socket()
        self._reconciling = Reconciling(backends.plane)
        self._reconciling.start()
        if self.settings.tidb_url is None:
            backends.durable.sweep(older_than=0.0)  # the file is ours alone: what is unfinished will never be finished
        self._sweeper = Sweeper(
            backends.plane.own_clusters_with_frames,
            backends.plane.connections.memory,
            backends.open_queue,
            backends.leases,
            holder=f"node-{os.getpid()}",
        )
        self._sweeper.start()
        if self._with_workers:
            self._start_worker()
        self._supervisor = Supervisor(self._supervised())
        self._supervisor.start()
        self._tidying = Periodic("tidy", self._tidy, period=_TIDY)
        self._tidying.start()

    def stop(self) -> None:
        """Stop every part in reverse order; a second call does nothing."""
        if self._supervisor is not None:
            self._supervisor.stop()
        if self._tidying is not None:
            self._tidying.stop()
        self._stop_worker()
        if self._sweeper is not None:
            self._sweeper.stop()
        if self._reconciling is not None:
            self._reconciling.stop()
        if self._lock is not None:
            if self._backends is not None:
                self._backends.plane.clusters.stop_all()
            open_driver(self.settings, self.data_dir).stop_control()
            (self.data_dir / "node.json").unlink(missing_ok=True)
        if self._backends is not None:
            self._backends.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def announce(self, **addresses: Any) -> None:
        """Write `node.json`: where this node is reached, for whoever looks into the folder."""
        known = {"pid": os.getpid(), "redis_port": self.frames.port, "redis_uds": self.frames.uds, **addresses}
        write_private(self.data_dir / "node.json", json.dumps(known, indent=2) + "\n")

    def readiness(self) -> dict[str, str]:
        """Each part, and `ready` or why it is not."""
        parts = {
            "frames": lambda: bool(self.backends.plane.connections.to(FIRST)),
            "control": self._control_ready,
            "registry": lambda: bool(self.backends.plane.clusters.names()),
            "durable": lambda: self.backends.durable.stat("-") is None or True,
            "workers": self._worker_ready,
        }
        return {name: _state(check) for name, check in parts.items()}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # Parts

    def _start_control(self) -> None:
        driver = open_driver(self.settings, self.data_dir)
        self._control, adopted = driver.start_control(maxmemory_bytes=self.settings.control_maxmemory_bytes)
        logger.info("control server runs", extra={"adopted": adopted, "port": self._control.spec.port})

    def _link_socket(self) -> None:
        """`<data-dir>/<nodeTag>.sock` is where older readers look for the frames of a node."""
        link = self.data_dir / f"{self.settings.node_tag}.sock"
        link.unlink(missing_ok=True)
        if self.frames.uds is not None:
            link.symlink_to(self.frames.uds)

    def _start_worker(self) -> None:
        # It watches its standard input: when this process dies, however it dies, the pipe closes and it stops.
        self._worker = subprocess.Popen(
            [sys.executable, "-m", WORKER_MODULE, str(self.data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _restart_worker(self) -> None:
        self._stop_worker()
        self._start_worker()

    def _stop_worker(self) -> None:
        worker = self._worker
        if worker is None:
            return
        assert worker.stdin is not None
        with suppress(OSError):
            worker.stdin.close()
        try:
            worker.wait(_WORKER_STOP)
        except subprocess.TimeoutExpired:
            logger.warning("worker did not stop in time, killing it", extra={"pid": worker.pid})
            worker.kill()
            worker.wait()
        self._worker = None

    def _stop_leftover_workers(self) -> None:
        """Workers of a node that was killed on this folder stop by themselves; make sure of it before others start."""
        programs = [[module, str(self.data_dir)] for module in (WORKER_MODULE, JOB_WORKER_MODULE)]
        leftovers = [
            process for process in psutil.process_iter(["cmdline"]) if (process.info["cmdline"] or [])[2:4] in programs
        ]
        _, alive = psutil.wait_procs(leftovers, timeout=3.0)
        for process in alive:
            logger.warning("killing a worker of an earlier node", extra={"pid": process.pid})
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=5.0)

    def _supervised(self) -> list[Supervised]:
        things = []
        if self._control is not None:
            things.append(Supervised("control server", self._control_ready, self._start_control))
        if self._with_workers:
            things.append(Supervised("workers", self._worker_ready, self._restart_worker, patience=1))
        return things

    def _control_ready(self) -> bool:
        if self._control is not None:
            return server.answering(self._control.spec) is not None
        client = open_redis(self.backends.control, timeout=2.0)
        try:
            return bool(client.ping())
        finally:
            close_redis(client)

    def _worker_ready(self) -> bool:
        return not self._with_workers or (self._worker is not None and self._worker.poll() is None)

    def _sweep(self, framedb_id: str) -> None:
        swept = self.backends.plane.instances.store(framedb_id).sweep()
        if swept.expired or swept.unfinished:
            logger.info("durable store swept", extra={"framedb_id": framedb_id, **asdict(swept)})

    def _tidy(self) -> None:
        """Sweep the durable stores, and count expired frames of sources that were written no more."""
        plane = self.backends.plane
        try:
            for instance in plane.instances.list():
                if instance.state == READY:
                    self._sweep(instance.framedb_id)
            self.backends.objects.sweep()
            self.backends.jobs.tidy()
            for cluster in plane.own_clusters_with_frames():
                memory = plane.connections.memory(cluster)
                for source in memory.sources():
                    memory.expire(source)
        except FrameDBError as exc:
            logger.warning("could not tidy up: %s", exc)


def _locked(folder: Path) -> ExitStack:
    """The folder, held until this is closed or the process dies; its lock file says by whom. Raises AlreadyRunningError."""
    file = folder / f"{_LOCK}.lock"
    with ExitStack() as held:
        try:
            held.enter_context(Locks(folder, conflict="{}").exclusively(_LOCK, _LOCK_WAIT))
        except ConflictError:
            pid = file.read_text().strip() or "unknown"
            raise AlreadyRunningError(
                f"another node (pid {pid}) runs on {folder}: stop it, or choose another --data-dir"
            ) from None
        file.write_text(f"{os.getpid()}\n")
        return held.pop_all()


def _state(check: Any) -> str:
    try:
        return "ready" if check() else "not running"
    except (FrameDBError, OSError) as exc:
        return str(exc)
