"""`python -m framedb.worker.job_worker DATA_DIR`: works on extraction jobs, in a process of its own.

A video that makes FFmpeg crash takes this process with it, and nothing else. A line on standard input says that there is
work; when it closes, whoever started this is gone, or wants it to stop.
"""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
from typing_extensions import Buffer

from framedb.config import Settings, read_settings
from framedb.errors import FrameDBError
from framedb.extraction.claims import HOLD, Claim, Claims
from framedb.extraction.contents import FrameContents
from framedb.extraction.jobs import Jobs
from framedb.extraction.notices import Notices
from framedb.extraction.relay import ReadObject, Relay
from framedb.extraction.work import Extractor
from framedb.logs import log_as_json
from framedb.node import Backends
from framedb.node.extraction import ExtractionBackends, open_extraction
from framedb.periodic import Periodic

logger = logging.getLogger(__name__)

_LOOK = 0.3  # seconds between two looks at whether a claim is still ours: cancelling is to take less than one
_RENEW = round(HOLD / 6 / _LOOK)  # looks


class JobWorker:
    """Threads that work on segments, as many at once as there are cores. FFmpeg lets go of the interpreter while it works."""

    def __init__(
        self,
        claims: Claims,
        jobs: Jobs,
        frames: FrameContents,
        relay: Relay,
        notices: Notices,
        *,
        threads: int | None = None,
        period: float = 2.0,
    ) -> None:
        """`threads` work on segments; None: one for each core. `period`: seconds between looks for jobs nobody told of."""
        self._claims = claims
        self._period = period
        self._jobs = jobs
        self._notices = notices
        self._extractor = Extractor(claims, frames, relay)
        self._holder = holder_of(os.getpid())
        self._stop = threading.Event()
        self._wake = threading.Condition()
        self._called = 0
        self._working: dict[tuple[str, int, int], threading.Event] = {}
        self._lock = threading.Lock()
        self._looks = 0
        self._watch = Periodic("claims", self._look, period=_LOOK)
        number = threads or os.cpu_count() or 1
        self._threads = [threading.Thread(target=self._run, name=f"segments-{n}") for n in range(number)]
        self._threads.append(threading.Thread(target=self._tell, name="webhooks"))
        self._streams: list[threading.Thread] = []

    def start(self) -> None:
        """Begin; what dead processes of this machine had in hand is taken up at once."""
        self._claims.free(is_dead)
        self._watch.start()
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for work now."""
        with self._wake:
            self._called += 1
            self._wake.notify_all()

    def stop(self) -> None:
        """Give back what is in hand, and end."""
        self._stop.set()
        with self._lock:
            for given_up in self._working.values():
                given_up.set()
        self.wake()
        for thread in self._threads:
            thread.join()
        for thread in self._streams:  # which those began
            thread.join()
        self._watch.stop()

    def _run(self) -> None:
        while not self._stop.is_set():
            called = self._called
            try:
                claim = self._claims.claim(self._holder)
                if claim is not None and claim.segment is not None and claim.segment.live:
                    self._follow(claim)
                    continue
                if claim is not None:
                    self._work_on(claim)
                    continue
            except FrameDBError as exc:
                logger.warning("could not look for jobs: %s", exc)
            self._pause(called)

    def _follow(self, claim: Claim) -> None:
        """A stream takes as long as it likes, and mostly waits: others are worked on meanwhile."""
        thread = threading.Thread(target=self._work_on, args=(claim,), name=f"stream-{claim.job_id}")
        with self._lock:
            self._streams = [each for each in self._streams if each.is_alive()] + [thread]
            thread.start()

    def _work_on(self, claim: Claim) -> None:
        given_up = threading.Event()
        with self._lock:
            self._working[claim.identity] = given_up
            if self._stop.is_set():
                given_up.set()
        try:
            self._extractor.work_on(claim, given_up.is_set)
        except FrameDBError as exc:  # it could not even be given back: its hold runs out
            logger.warning("segment not given back: %s", exc, extra={"job_id": claim.job_id})
        finally:
            with self._lock:
                del self._working[claim.identity]
        self.wake()  # a plan is work for others, and the last segment lets another job begin

    def _tell(self) -> None:
        while not self._stop.is_set():
            called = self._called
            try:
                if self._notices.deliver_one():
                    continue
            except FrameDBError as exc:
                logger.warning("could not look for webhooks: %s", exc)
            self._pause(called)

    def _pause(self, called: int) -> None:
        with self._wake:
            self._wake.wait_for(lambda: self._called != called or self._stop.is_set(), self._period)

    def _look(self) -> None:
        """Stop what was cancelled or went to others; hold on to the rest."""
        with self._lock:
            working = dict(self._working)
        if not working:
            return
        self._looks += 1
        try:
            held = self._claims.held(self._holder)
            if self._looks % _RENEW == 0:
                self._claims.renew(self._holder)
        except FrameDBError as exc:
            logger.warning("could not look at claims: %s", exc)
            return
        for identity, given_up in working.items():
            if identity not in held:
                given_up.set()


def holder_of(pid: int) -> str:
    """The name a process of this machine claims under."""
    return f"{socket.gethostname()}:{pid}:{psutil.Process(pid).create_time():.2f}"


def is_dead(holder: str) -> bool:
    """Whether it was a process of this machine, and is no more. Of other machines nobody can tell."""
    host, _, rest = holder.rpartition(":")[0].rpartition(":")
    if host != socket.gethostname() or not rest.isdigit():
        return False
    try:  # one that nobody waits for stays as a zombie, in a container whose first process is no init
        return holder_of(int(rest)) != holder or psutil.Process(int(rest)).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def job_worker(backends: Backends | ExtractionBackends, settings: Settings, relay: Relay) -> JobWorker:
    """One over a node's backends."""
    claims = Claims(backends.plane.registry, max_concurrent=settings.max_concurrent_jobs)
    notices = Notices(backends.plane.registry, backends.jobs, allow_private=settings.allow_private_hosts)
    return JobWorker(claims, backends.jobs, backends.frames, relay, notices)


def objects_of(backends: Backends | ExtractionBackends) -> ReadObject:
    """How a relay reads objects."""

    def read(key: str, offset: int, length: int | None) -> tuple[int, Iterator[Buffer]] | None:
        found = backends.objects.read(key, offset=offset, length=length)
        return None if found is None else (found.stored.size, found)

    return read


def main(data_dir: Path) -> None:
    """Work until standard input closes, or SIGTERM."""
    log_as_json(data_dir / "logs" / "jobs.log")
    settings = read_settings()
    backends = open_extraction(settings, data_dir)  # no Redis: the extraction service needs none
    try:
        with Relay(
            objects_of(backends), hosts=settings.video_host_names, allow_private=settings.allow_private_hosts
        ) as relay:
            worker = job_worker(backends, settings, relay)
            worker.start()
            try:
                _listen(worker)
            finally:
                worker.stop()
    finally:
        backends.close()


def _listen(worker: JobWorker) -> None:
    """Until standard input closes."""
    signal.signal(signal.SIGTERM, lambda *_: os.close(sys.stdin.fileno()))
    try:
        while os.read(sys.stdin.fileno(), 4096):
            worker.wake()
    except OSError:  # closed by SIGTERM
        return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
