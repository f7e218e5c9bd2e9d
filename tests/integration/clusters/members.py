"""A cluster of several members that runs, and what a test does to it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from framedb.clusters import server
from framedb.clusters.drivers.base import Member
from framedb.clusters.drivers.local import LocalDriver
from framedb.clusters.server_spec import read_spec
from framedb.clusters.spec import ClusterSpec
from framedb.config import MiB
from framedb.errors import StoreError
from framedb.resp import Endpoint, Redis, close_redis, open_redis, translated
from tests.contracts.frame_store import until
from tests.engines.sentinels import ask_sentinels

ONE = ClusterSpec("demo", maxmemory_bytes=32 * MiB)
THREE = ClusterSpec("demo", replicas=3, quorum=2, maxmemory_bytes=32 * MiB)


class Cluster:
    """A cluster that runs, and what a test does to it."""

    def __init__(self, driver: LocalDriver, spec: ClusterSpec) -> None:
        self.driver = driver
        self.spec = spec
        self.members: list[Member] = []

    def apply(self, spec: ClusterSpec | None = None) -> list[Member]:
        self.spec = spec or self.spec
        self.members = self.driver.apply(self.spec)
        return self.members

    @property
    def sentinels(self) -> list[tuple[str, int]]:
        return [(member.host, member.sentinel_port) for member in self.members]

    @property
    def master(self) -> int:
        """Ordinal of the member that most of the sentinels name."""
        address = ask_sentinels(self.sentinels, password=self.driver.password)
        return next(each.ordinal for each in self.members if (each.host, each.port) == address)

    @contextmanager
    def opened(self, ordinal: int) -> Iterator[Redis]:
        member = self.members[ordinal]
        client = open_redis(Endpoint(member.host, member.port, password=self.driver.password), timeout=2.0)
        try:
            with translated(member.name):
                yield client
        finally:
            close_redis(client)

    def folder(self, ordinal: int, *, sentinel: bool = False) -> Path:
        folder = self.driver.data_dir / "clusters" / self.spec.name / self.spec.member_name(ordinal)
        return folder / "sentinel" if sentinel else folder

    def process(self, ordinal: int, *, sentinel: bool = False) -> psutil.Process:
        spec = read_spec(self.folder(ordinal, sentinel=sentinel))
        assert spec is not None
        process = server.holder(spec)
        assert process is not None
        return process

    def kill(self, ordinal: int, *, sentinel: bool = False) -> None:
        process = self.process(ordinal, sentinel=sentinel)
        process.kill()
        until(lambda: not _lives(process), "it to be dead")

    def put(self, keys: list[str], *, copies: int) -> list[str]:
        """Those of the keys whose write was acknowledged by so many replicas."""
        with self.opened(self.master) as client:
            client.mset(dict.fromkeys(keys, "x"))
            return keys if client.wait(copies, 2000) >= copies else []

    def missing(self, keys: list[str], ordinal: int) -> list[str]:
        with self.opened(ordinal) as client:
            return [key for key, value in zip(keys, client.mget(keys), strict=True) if value is None]

    def role(self, ordinal: int) -> str:
        with suppress(StoreError), self.opened(ordinal) as client:
            return str(client.execute_command("ROLE")[0].decode())
        return "no answer"


class Writer(threading.Thread):
    """Writes one key after another to whoever is master, each acknowledged by a replica."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(name="writer")
        self.acknowledged: list[str] = []
        self.stopped = threading.Event()
        self._cluster = cluster

    def run(self) -> None:
        number = 0
        while not self.stopped.is_set():
            with suppress(StoreError, StopIteration), self._cluster.opened(self._cluster.master) as client:
                while not self.stopped.is_set():
                    number += 1
                    key = f"key-{number}"
                    if _replicated(client, key):
                        self.acknowledged.append(key)
            self.stopped.wait(0.02)


@contextmanager
def writing(cluster: Cluster) -> Iterator[Writer]:
    writer = Writer(cluster)
    writer.start()
    try:
        yield writer
    finally:
        writer.stopped.set()
        writer.join()


def _replicated(client: Redis, key: str) -> bool:
    """As DESIGN has it: by every attached replica, and by at least half of the members."""
    with client.pipeline() as transaction:
        transaction.set(key, "x")
        transaction.execute_command("ROLE")
        *_, role = transaction.execute()
    return bool(int(client.execute_command("WAIT", max(len(role[2]), 1), 2000)) >= max(len(role[2]), 1))


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
