"""Snapshots of a cluster's data: written, kept, and put back when somebody asks for it.

    <data-dir>/clusters/<cluster>/snapshots/20250131T120000.000000Z.rdb     taken on request, or left by a member that ended
    <data-dir>/clusters/<cluster>/<member>/dump.rdb                         written by the member itself on its interval

The six newest of the first kind are kept, until the cluster is removed.

Nothing loads them by itself: a member that starts anew follows the others, or is empty, since old data that comes back
unasked is as bad as none.
"""

import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from framedb.clusters.discovery import Discovery
from framedb.clusters.drivers.base import ClusterDriver
from framedb.clusters.registered import ClusterInfo
from framedb.clusters.service import ClusterService
from framedb.clusters.snapshot_reader import read_snapshot
from framedb.clusters.spec import ClusterSpec
from framedb.config import MiB
from framedb.errors import DeadlineExceededError, EngineError, NotFoundError, StoreError, StoreUnavailableError
from framedb.frame import from_microseconds
from framedb.resp import Endpoint, Redis, close_redis, open_redis, translated

logger = logging.getLogger(__name__)

KEPT = 6
"""Snapshots in the folder of a cluster; older ones go."""
SAVE_DEADLINE = 300.0
"""Seconds a snapshot may take: a gigabyte takes a few, on a slow disk a minute."""
_TIMEOUT = 60.0  # seconds for one step of a restore: emptying a full server is one of them
_POLL = 0.05
_EXPANDS = 4  # what is compressed in a snapshot takes so many times its size in memory; JPEGs take no more than that
_BATCH_BYTES = 16 * MiB  # of keys moved by one command, which the server gathers in memory
_BATCH_KEYS = 256
_BOOKKEEPING = b"fdb:"  # keys that say something about frames; the lists of streams among them hold payload
_PAYLOAD = b"fdb:q:"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file that holds what a cluster held at one moment."""

    path: Path
    taken_at: datetime
    """When it was finished, in UTC."""
    size: int
    """Bytes."""


class Backup:
    """Snapshots of the clusters of this machine."""

    def __init__(self, service: ClusterService, discovery: Discovery, driver: ClusterDriver) -> None:
        self._service = service
        self._discovery = discovery
        self._driver = driver

    def take(self, cluster: str) -> Snapshot:
        """A snapshot of what the master holds now, once it is on the disk.

        Raises NotFoundError, StoreUnavailableError without a master, EngineError if it cannot be written,
        DeadlineExceededError after five minutes.
        """
        master = self._discovery.master_endpoint(cluster)
        with _opened(master) as client:
            _save(client, cluster, deadline=time.monotonic() + SAVE_DEADLINE)
            written = _dump_file(client)
        if not written.is_file():
            raise EngineError(f"the snapshot of {cluster} lies on another machine, as {written}: copy it from there")
        with self._service.changing(cluster):  # or its folder may be removed meanwhile
            return _keep(written, written.parent.parent / "snapshots")

    def last(self, cluster: str) -> Snapshot | None:
        """The newest snapshot there is of the cluster, taken on request or on its interval; None: there is none."""
        return self._last(self._service.info(cluster))

    def restore(self, cluster: str) -> Snapshot:
        """Make the cluster hold what the last snapshot holds, and nothing else; the snapshot it was.

        The master is emptied and filled by ordinary writes, so replicas and sentinels follow as they always do. The
        bookkeeping of frames changes in one transaction, the frames follow; until they are all there, those still to come are
        missed, and if it fails in between the answer is to restore again. Frames whose time ran out since are not put back.
        Raises NotFoundError without a snapshot, InsufficientRoomError if it cannot be loaded beside what runs, EngineError,
        StoreError.
        """
        with self._service.changing(cluster) as info:
            snapshot = self._last(info)
            if snapshot is None:
                raise NotFoundError(f"Cluster {cluster} has no snapshot: take one first, or set an interval")
            most = min(_EXPANDS * snapshot.size, info.spec.maxmemory_bytes)
            reader = ClusterSpec("restore", maxmemory_bytes=max(most, 16 * MiB))
            self._driver.check_room([reader], [each.spec for each in self._service.own()])
            master = self._discovery.master_endpoint(cluster)
            logger.info("restoring a snapshot", extra={"cluster": cluster, "snapshot": str(snapshot.path)})
            with (
                self._without_intervals(info.spec),
                read_snapshot(snapshot.path) as source,
                _opened(source) as old,
                _opened(master) as new,
                translated(f"the master of {cluster}"),
            ):
                _replace_bookkeeping(old, new)
                _copy_frames(old, new, master)
            self._service.prepare(cluster, master)  # routes and policies are newer than the snapshot
        return snapshot

    @contextmanager
    def _without_intervals(self, spec: ClusterSpec) -> Iterator[None]:
        """No member writes a snapshot of its own: it would be the last one, and hold what was restored by half.

        If we die in between, the next control plane finds the cluster other than registered, and tells it.
        """
        if not spec.settings.get("save"):
            yield
            return
        self._driver.apply(replace(spec, settings={**spec.settings, "save": ""}))
        try:
            yield
        finally:
            self._driver.apply(spec)

    def _last(self, info: ClusterInfo) -> Snapshot | None:
        files: set[Path] = set()
        for member in info.members:
            try:
                with _opened(Endpoint(member.host, member.port, password=self._driver.password)) as client:
                    dump = _dump_file(client)
            except StoreUnavailableError:
                continue
            files |= set((dump.parent.parent / "snapshots").glob("*.rdb"))
            if info.spec.settings.get("save"):  # without an interval it is what replication left behind
                files.add(dump)
        found = [_snapshot(path) for path in files if path.is_file()]
        return max(found, key=lambda snapshot: snapshot.taken_at, default=None)


@contextmanager
def _opened(endpoint: Endpoint) -> Iterator[Redis]:
    client = open_redis(endpoint, timeout=_TIMEOUT, verify=False)
    try:
        yield client
    finally:
        close_redis(client)


def _save(client: Redis, cluster: str, *, deadline: float) -> None:
    """A snapshot that began after the call, written."""
    while not _begin(client, cluster):  # one that began before does not hold what was written since
        _wait(deadline, cluster)
    while True:
        with translated(f"the master of {cluster}"):
            state = client.info("persistence")
        if not state["rdb_bgsave_in_progress"]:
            break
        _wait(deadline, cluster)
    if state["rdb_last_bgsave_status"] != "ok":
        raise EngineError(
            f"the snapshot of {cluster} could not be written: is the disk full? The master's log says why"
        )


def _begin(client: Redis, cluster: str) -> bool:
    try:
        with translated(f"the master of {cluster}"):
            client.bgsave(schedule=False)
    except StoreError as exc:
        if "in progress" in str(exc) or "AOF" in str(exc):
            return False
        raise
    return True


def _wait(deadline: float, cluster: str) -> None:
    if time.monotonic() > deadline:
        raise DeadlineExceededError(f"the snapshot of {cluster} was not written within {SAVE_DEADLINE:g} s: try again")
    time.sleep(_POLL)


def _dump_file(client: Redis) -> Path:
    with translated("the member"):
        told = client.config_get("dir", "dbfilename")
    return Path(str(told["dir"])) / str(told["dbfilename"])


def _keep(written: Path, folder: Path) -> Snapshot:
    """A name of its own for the file: the next snapshot replaces the one it has."""
    folder.mkdir(mode=0o700, exist_ok=True)
    kept = folder / f"{_snapshot(written).taken_at:%Y%m%dT%H%M%S.%fZ}.rdb"
    try:
        kept.hardlink_to(written)
    except OSError:
        shutil.copy2(written, kept)
    for old in sorted(folder.glob("*.rdb"))[:-KEPT]:
        old.unlink()
    return _snapshot(kept)


def _snapshot(path: Path) -> Snapshot:
    status = path.stat()
    return Snapshot(path, from_microseconds(status.st_mtime_ns // 1000), status.st_size)


def _replace_bookkeeping(old: Redis, new: Redis) -> None:
    """Empty the server and put back what is said about frames, in one transaction: no writer comes in between."""
    keys = [key for key in old.scan_iter(match=_BOOKKEEPING + b"*", count=1000) if not key.startswith(_PAYLOAD)]
    with closing(new.pipeline(transaction=True)) as change:
        change.flushall()
        for batch in _batches(old, keys):
            with closing(old.pipeline(transaction=True)) as look:
                for key in batch:
                    look.pttl(key)
                    look.dump(key)
                answers = look.execute()
            for key, ttl, dump in zip(batch, answers[::2], answers[1::2], strict=True):
                if dump is not None:
                    change.restore(key, max(ttl, 0), dump, replace=True)
        change.execute()


def _copy_frames(old: Redis, new: Redis, master: Endpoint) -> None:
    """Everything else, from server to server, no faster than the replicas follow."""
    replicas = int(new.info("replication")["connected_slaves"])
    keys: list[bytes] = []
    for key in old.scan_iter(count=1000):
        if not key.startswith(_BOOKKEEPING) or key.startswith(_PAYLOAD):
            keys.append(key)
    for batch in _batches(old, keys):
        old.execute_command(
            "MIGRATE", master.host, master.port, "", 0, round(_TIMEOUT * 1000), "COPY", "REPLACE",
            "AUTH2", master.username or "default", master.password or "", "KEYS", *batch,
        )  # fmt: skip
        if replicas:
            new.wait(replicas, 10_000)


def _batches(client: Redis, keys: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The keys in groups of a bounded size in memory."""
    for start in range(0, len(keys), _BATCH_KEYS):
        some = keys[start : start + _BATCH_KEYS]
        with closing(client.pipeline(transaction=False)) as look:
            for key in some:
                look.memory_usage(key)
            sizes = look.execute()
        batch: list[bytes] = []
        size = 0
        for key, each in zip(some, sizes, strict=True):
            if batch and size + (each or 0) > _BATCH_BYTES:
                yield batch
                batch, size = [], 0
            batch.append(key)
            size += each or 0
        if batch:
            yield batch
