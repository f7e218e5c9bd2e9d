"""One cluster of this machine, made what its specification says: `apply`, step by step."""

import logging
import subprocess
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from framedb.clusters import server
from framedb.clusters.aftercare import make_choosable
from framedb.clusters.conversation import Conversation, Refused
from framedb.clusters.drivers.base import Member
from framedb.clusters.drivers.folder import HOST, ClusterFolder, Record, Servers, sentinel_options
from framedb.clusters.drivers.view import View, look_at_member, look_at_sentinel, view
from framedb.clusters.member import ALREADY_RUNS
from framedb.clusters.peers import MASTER_NAME, ask_all
from framedb.clusters.sentinel_file import read_memory
from framedb.clusters.server_spec import ServerSpec, read_spec, write_spec
from framedb.clusters.spec import ClusterSpec
from framedb.config import MiB
from framedb.errors import EngineError
from framedb.resp import Endpoint

logger = logging.getLogger(__name__)

DEADLINE = 60.0
"""Seconds a change may take, beside the copying of data. A start takes 2, a failover that failed is tried again within 10."""
COPY_BYTES_PER_SECOND = 50 * MiB
"""What a replica loads at least, on a slow and busy machine."""
HANGING = 10.0
"""Seconds a server that lives may leave us without an answer before it is replaced: what it holds is lost then. The sentinels
have long made another one master; where there is no other, a machine that stalls must not cost the data."""
STUBBORN = 5.0
"""Seconds a sentinel may say something else than what is so: word goes round every second, and a failover ends in 3."""
SENTINEL_PORT = 26379
"""Where a node's first sentinel listens if it can: where people look for one."""
_POLL = 0.05
_NOT_TOLD = ("user", "masteruser", "masterauth")  # never change


class LocalCluster:
    """One change of one cluster, by whoever holds it alone."""

    def __init__(
        self,
        folder: ClusterFolder,
        spec: ClusterSpec,
        *,
        ports: range,
        taken: Callable[[], Collection[int]],
        before_clients: Callable[[Endpoint], None] | None,
    ) -> None:
        self._folder = folder
        self._spec = spec
        self._ports = ports
        self._taken = taken
        self._before_clients = before_clients
        self._deadline = time.monotonic() + DEADLINE + spec.maxmemory_bytes / COPY_BYTES_PER_SECOND
        self._record = folder.read() or Record(spec)
        self._record.spec = spec
        self._started: dict[str, tuple[ServerSpec, subprocess.Popen[bytes]]] = {}
        self._servers: dict[int, Servers] = {}
        self._unchoosable: dict[int, float] = {}  # since when

    def apply(self) -> list[Member]:
        """Make it so. Raises EngineError that names what did not happen."""
        for ordinal in range(self._spec.replicas):
            if ordinal not in self._record.ports:
                self._record.ports[ordinal] = (self._port(ordinal), self._sentinel_port(ordinal))
        self._write()
        self._start_missing()
        self._await_whole()
        self._settle()
        surplus = self._surplus()
        if surplus:
            self._hand_over(surplus)
            self._drop(surplus)
            self._await_whole()
        self._await_ends_of_programs()
        return [
            Member(ordinal, each.member.name, HOST, each.member.port, each.sentinel.port, each.member.uds)
            for ordinal, each in self._servers.items()
        ]

    def _surplus(self) -> list[int]:
        return [ordinal for ordinal in self._record.ordinals if ordinal >= self._spec.replicas]

    # Starting

    def _start_missing(self) -> None:
        """Start what does not run: all anew if no member does, else each into its place among the others."""
        alive = self._alive(each.member for each in self._servers.values())
        if not alive:
            self._begin_anew()
            return
        sentinels = self._alive(each.sentinel for each in self._servers.values())
        self._move_from_taken_ports(alive + sentinels)
        alive_folders = {spec.folder for spec in alive + sentinels}
        for each in self._servers.values():
            if each.member.folder not in alive_folders:
                self._launch(each.member)
            if each.sentinel.folder not in alive_folders:
                self._launch(each.sentinel)

    def _begin_anew(self) -> None:
        """No member runs, so none has data: one becomes the master, the others its replicas, and then come the sentinels."""
        surplus = self._surplus()
        if surplus:
            self._drop(surplus)
        server.stop(*(each.sentinel for each in self._servers.values()))
        self._move_from_taken_ports([])
        first = self._last_master()
        for each in self._servers.values():
            each.sentinel.config_path.unlink(missing_ok=True)  # whom it named is of no account any more
        self._start_all([self._servers[first].member], "--first")
        self._start_all(each.member for ordinal, each in self._servers.items() if ordinal != first)
        self._start_all(each.sentinel for each in self._servers.values())

    def _last_master(self) -> int:
        """Which member the sentinels named last: if anything was kept on disk, there it is newest."""
        memories = [read_memory(each.sentinel.config_path) for each in self._servers.values()]
        newest = max(memories, key=lambda memory: memory.config_epoch).address
        for ordinal, each in self._servers.items():
            if newest == (HOST, each.member.port):
                return ordinal
        return min(self._servers)

    def _alive(self, specs: Iterable[ServerSpec]) -> list[ServerSpec]:
        """Those that answer, or are just starting; those that hang, or cannot become what is wanted, are stopped."""
        wanted = list(specs)
        alive = [spec for spec, lives in zip(wanted, ask_all(_lives, wanted), strict=True) if lives]
        dead = [spec for spec in wanted if spec not in alive and Path(spec.folder, "server.json").exists()]
        if dead:
            server.stop(*dead, patience=1.0)  # what has not answered for so long will not now
        return alive

    def _launch(self, spec: ServerSpec, *options: str) -> None:
        if not spec.sentinel and self._before_clients is not None:
            options = (*options, "--private")
        logger.info("starting a server", extra={"server": spec.name, "port": spec.port})
        self._started[spec.folder] = (spec, server.launch(spec, *options))

    def _start_all(self, specs: Iterable[ServerSpec], *options: str) -> None:
        """Start these and wait until all answer."""
        waiting = list(specs)
        for spec in waiting:
            self._launch(spec, *options)
        while waiting:
            self._look_after_started()
            waiting = [spec for spec in waiting if not _answers(self._current(spec))]
            if waiting:
                self._check_time((waiting[0], "does not answer"))

    def _look_after_started(self) -> None:
        """Open masters that wait for it; notice programs that failed."""
        for spec, process in list(self._started.values()):
            self._open_if_private(spec)
            status = process.poll()
            if status is None or status == ALREADY_RUNS:
                continue
            if server.holder(spec) is not None:
                continue
            if server.is_free(spec.port):
                raise EngineError(f"{spec.name} stopped at once: {server.last_words(spec)}")
            self._move(spec)

    def _open_if_private(self, spec: ServerSpec) -> None:
        """Prepare a master that started empty, and let clients in."""
        private = None if spec.sentinel else Path(spec.private_uds)
        if private is None or not private.exists() or not _takes_commands(spec):
            return
        if self._before_clients is not None:
            self._before_clients(Endpoint(HOST, 0, uds=spec.private_uds, password=spec.password))
        try:
            with Conversation(spec.private_uds, password=spec.password, timeout=5.0) as master:
                least = dict(spec.config)["min-replicas-to-write"]
                master.ask("CONFIG", "SET", "min-replicas-to-write", least)
                master.ask("CONFIG", "SET", "port", str(spec.port))
        except (Refused, OSError) as exc:
            if server.is_free(spec.port):
                raise EngineError(f"{spec.name} could not be opened for clients: {exc}") from exc
            self._move(spec)  # somebody took its port meanwhile
        else:
            private.rename(str(spec.uds))

    # Ports

    def _port(self, ordinal: int) -> int:
        if ordinal == 0 and self._spec.preferred_port is not None:
            return server.free_port(self._spec.preferred_port)
        return self._any_port()

    def _sentinel_port(self, ordinal: int) -> int:
        if ordinal == 0 and self._spec.preferred_port is not None:
            return server.free_port(SENTINEL_PORT)
        return self._any_port()

    def _any_port(self) -> int:
        mine = {port for pair in self._record.ports.values() for port in pair}
        return server.any_free_port(self._ports, but={*self._taken(), *mine})

    def _move_from_taken_ports(self, alive: list[ServerSpec]) -> None:
        """Give a server that does not run another port if somebody else has taken its own."""
        folders = {spec.folder for spec in alive}
        for each in list(self._servers.values()):
            for spec in (each.member, each.sentinel):
                if spec.folder not in folders and not server.is_free(spec.port):
                    self._new_port(spec)
        self._write()

    def _move(self, spec: ServerSpec) -> None:
        """Start a server that found its port taken on another one."""
        self._new_port(spec)
        self._write()
        server.stop(spec)
        _, process = self._started[spec.folder]
        process.wait()
        options = process.args[4:] if isinstance(process.args, list) else ()
        current = self._current(spec)
        self._started[spec.folder] = (current, server.launch(current, *map(str, options)))

    def _new_port(self, spec: ServerSpec) -> None:
        ordinal = _ordinal(spec)
        member, sentinel = self._record.ports[ordinal]
        logger.warning("another program has taken a server's port", extra={"server": spec.name, "port": spec.port})
        self._record.ports[ordinal] = (member, self._any_port()) if spec.sentinel else (self._any_port(), sentinel)

    def _current(self, spec: ServerSpec) -> ServerSpec:
        """The specification of the same server as it is wanted now."""
        each = self._servers[_ordinal(spec)]
        return each.sentinel if spec.sentinel else each.member

    def _write(self) -> None:
        """Write down what is wanted, for whoever comes after us, and tell each server's folder who the others are."""
        self._folder.write(self._record)
        self._servers = self._folder.servers(self._record)
        for each in self._servers.values():
            for spec in (each.member, each.sentinel):
                known = read_spec(Path(spec.folder))
                # What a running server is told follows once it has been told; its place among the others holds at once.
                runs = known is not None and spec.same_process(known) and server.holder(spec) is not None
                write_spec(replace(spec, config=known.config) if known is not None and runs else spec)

    # Agreement

    def _await_whole(self) -> None:
        """Wait until all answer, replicas follow, and every sentinel knows all of it; help where they do not by themselves."""
        apart: dict[int, float] = {}
        resetting: int | None = None
        while True:
            self._look_after_started()
            seen = view(self._servers)
            wrong = seen.wrong()
            waiting = [ordinal for ordinal in seen.unchoosable() if ordinal < self._spec.replicas]
            if wrong is None and waiting:
                wrong = self._servers[waiting[0]].member, "has no whole copy yet"
            if wrong is None:
                return
            self._start_what_died(seen)
            if seen.master is not None:
                resetting = self._make_forget(seen, resetting)
            self._restart_stubborn(seen, apart)
            self._make_choosable(seen)
            self._check_time(wrong)

    def _start_what_died(self, seen: View) -> None:
        """Start a server that ran when we began and has died since. One that we started ourselves has its own error."""
        if not any(seen.members.values()):
            return  # the last of them went: begin anew, next time
        dead = [self._servers[ordinal].member for ordinal, each in seen.members.items() if each is None]
        dead += [self._servers[ordinal].sentinel for ordinal, each in seen.sentinels.items() if each is None]
        for spec in dead:
            if spec.folder not in self._started and server.holder(spec) is None:
                self._launch(spec)

    def _make_forget(self, seen: View, resetting: int | None) -> int | None:
        """Have one sentinel at a time forget members and sentinels that are gone, or that moved."""
        if resetting is not None:
            sentinel = seen.sentinels[resetting]
            if sentinel is None or len(sentinel.sentinels) < len(seen.servers) - 1:
                return resetting  # it has not found the others again yet: with two like that nobody could be elected
        for ordinal, sentinel in seen.sentinels.items():
            if sentinel is not None and sentinel.strangers(seen.addresses, seen.sentinel_addresses):
                if not seen.is_settled():
                    return None  # a sentinel that forgets in the middle of a failover forgets the failover
                spec = seen.servers[ordinal].sentinel
                with suppress(OSError, Refused), Conversation((HOST, spec.port), password=spec.password) as asked:
                    asked.ask("SENTINEL", "RESET", MASTER_NAME)
                return ordinal
        return None

    def _restart_stubborn(self, seen: View, apart: dict[int, float]) -> None:
        """Start a sentinel anew that goes on saying something else than what is so.

        If the new master dies while a sentinel still brings in the result of its own election, it can take the epoch of the
        next one for its own, and never hears of it (tried).
        """
        now = time.monotonic()
        wrong = seen.wrong()
        if seen.master is None or (wrong is not None and not wrong[0].sentinel):
            apart.clear()  # first there must be something to agree on
            return
        for ordinal in set(apart) - set(seen.apart()):
            del apart[ordinal]
        for ordinal in seen.apart():
            patience = STUBBORN / 2 if seen.is_behind(ordinal) else STUBBORN
            if now - apart.setdefault(ordinal, now) > patience:
                spec = seen.servers[ordinal].sentinel
                logger.warning(
                    "a sentinel does not come to know the others, starting it anew", extra={"server": spec.name}
                )
                server.stop(spec)
                self._launch(spec)
                del apart[ordinal]
                return  # one at a time: the others may have to elect

    def _make_choosable(self, seen: View) -> None:
        """What the program that started a replica left behind does, should it have been killed."""
        now = time.monotonic()
        for ordinal in seen.unchoosable():
            spec = self._servers[ordinal].member
            if ordinal < self._spec.replicas and now - self._unchoosable.setdefault(ordinal, now) > STUBBORN:
                make_choosable(spec)

    def _check_time(self, wrong: tuple[ServerSpec, str]) -> None:
        """Pause for a moment, unless time is up: then say what is still wrong."""
        if time.monotonic() > self._deadline:
            spec, what = wrong
            raise EngineError(
                f"{self._spec.name} is not what it should be in time: {spec.name} {what}. "
                f"Its log ends with: {server.last_words(spec)}"
            )
        time.sleep(_POLL)

    def _settle(self) -> None:
        """Tell running servers what has changed of their directives."""
        for each in self._servers.values():
            self._tell_member(each.member)
            self._tell_sentinel(each.sentinel)

    def _tell_member(self, spec: ServerSpec) -> None:
        known = read_spec(Path(spec.folder))
        told = dict(known.config) if known is not None else {}
        changed = {name: value for name, value in spec.config if told.get(name) != value and name not in _NOT_TOLD}
        if changed:
            with _Asking(spec) as asked:
                for name, value in changed.items():
                    asked.ask("CONFIG", "SET", name, "" if value == '""' else value)
        if known != spec:
            write_spec(spec)

    def _tell_sentinel(self, spec: ServerSpec) -> None:
        with _Asking(spec) as asked:
            options = {**sentinel_options(self._spec), "quorum": str(self._spec.quorum)}
            current = asked.fields("SENTINEL", "MASTER", MASTER_NAME)
            for name, value in options.items():
                if current.get(name) != value:
                    asked.ask("SENTINEL", "SET", MASTER_NAME, name, value)
        if read_spec(Path(spec.folder)) != spec:
            write_spec(spec)

    # Scaling down

    def _hand_over(self, surplus: list[int]) -> None:
        """If the master is one of those that go, make another one master first; nothing written is lost."""
        staying = [ordinal for ordinal in self._servers if ordinal not in surplus]
        for ordinal in surplus:
            with _Asking(self._servers[ordinal].member) as asked:
                asked.ask("CONFIG", "SET", "replica-priority", "0")
        while (seen := view(self._servers)).master not in staying or not seen.is_settled():
            if seen.master in surplus and self._nobody_else_can_be_chosen(seen, staying):
                self._fail_over(seen.master, staying)
            self._check_time(seen.wrong() or (self._servers[staying[0]].member, "did not become master"))

    def _nobody_else_can_be_chosen(self, seen: View, staying: list[int]) -> bool:
        """Whether the sentinels know by now that those that go must not be chosen."""
        stay = {seen.address(ordinal) for ordinal in staying}
        return all(
            sentinel is not None
            and all(
                address in stay or replica.get("slave-priority") == "0"
                for address, replica in sentinel.replicas.items()
            )
            for sentinel in seen.sentinels.values()
        )

    def _fail_over(self, master: int, staying: list[int]) -> None:
        """Ask a sentinel for a failover, while the master takes no writes and those that stay have all there were.

        The old one is made a replica at once: left to the sentinels, it would take writes for seconds that are lost with it.
        """
        sentinel = self._servers[staying[0]].sentinel
        with _Asking(self._servers[master].member) as old:
            old.ask("CLIENT", "PAUSE", "10000", "WRITE")
            try:
                if self._have_all(old, staying) and _begin_failover(sentinel):
                    promoted = self._await_promotion(sentinel, staying)
                    if promoted is not None:
                        old.ask("REPLICAOF", promoted[0], str(promoted[1]))
            finally:
                with suppress(EngineError):  # it closes its connections when it becomes a replica
                    old.ask("CLIENT", "UNPAUSE")

    def _have_all(self, old: "_Asking", staying: list[int]) -> bool:
        """Whether those that stay get all that was written within a moment."""
        target = int(old.fields("INFO", "replication")["master_repl_offset"])
        patience = time.monotonic() + 1.0
        while any(_offset(self._servers[ordinal].member) < target for ordinal in staying):
            if time.monotonic() > patience:
                return False
            time.sleep(_POLL / 5)
        return True

    def _await_promotion(self, sentinel: ServerSpec, staying: list[int]) -> tuple[str, int] | None:
        """Address of the new master, once it and the sentinel that makes it so say so; None if it takes too long."""
        members = {(HOST, self._servers[ordinal].member.port): self._servers[ordinal].member for ordinal in staying}
        patience = time.monotonic() + self._spec.sentinel.failover_timeout_ms / 1000
        while time.monotonic() < patience:
            asked = look_at_sentinel(sentinel)
            if asked is not None and asked.opinion.address in members:
                promoted = look_at_member(members[asked.opinion.address])
                if promoted is not None and promoted.master is None:
                    return asked.opinion.address
            time.sleep(_POLL)
        return None

    def _drop(self, surplus: list[int]) -> None:
        """Stop those that go, sentinels first, and delete what is left of them."""
        going = [self._servers[ordinal] for ordinal in surplus]
        server.stop(*(each.sentinel for each in going), patience=1.0)
        server.stop(*(each.member for each in going), patience=1.0)
        for each in going:
            self._started.pop(each.member.folder, None)
            self._started.pop(each.sentinel.folder, None)
        for ordinal in surplus:
            self._folder.delete_member(ordinal)
            del self._record.ports[ordinal]
        self._write()

    def _await_ends_of_programs(self) -> None:
        """Wait for what the starting programs left behind: it ends by itself in a moment."""
        while self._started and any(map(server.is_starting, server.processes(self._folder.path))):
            self._check_time((next(iter(self._servers.values())).member, "has a program that does not end"))


class _Asking(Conversation):
    """A conversation whose failures are FrameDB's."""

    def __init__(self, spec: ServerSpec) -> None:
        self._name = spec.name
        try:
            super().__init__((HOST, spec.port), password=spec.password, timeout=5.0)
        except (OSError, Refused) as exc:
            raise EngineError(f"{spec.name} does not answer: {exc}") from exc

    def ask(self, *command: str) -> object:
        """As ever; raises EngineError."""
        try:
            return super().ask(*command)
        except (OSError, Refused) as exc:
            raise EngineError(f"{self._name} refuses {' '.join(command[:3])}: {exc}") from exc


def _answers(spec: ServerSpec) -> bool:
    if spec.sentinel:
        return look_at_sentinel(spec) is not None
    member = look_at_member(spec)
    return member is not None and member.ready


def _lives(spec: ServerSpec) -> bool:
    """Whether it answers and can become what is wanted, or is just starting. One that hangs is given a while to come back."""
    known = read_spec(Path(spec.folder))
    if known is None or not spec.same_process(known):
        return False
    deadline = time.monotonic() + HANGING
    while not _finds_an_answer(spec):
        process = server.holder(spec)
        if process is None or (not spec.sentinel and Path(spec.private_uds).exists()):
            return False  # dead; or a master that whoever started it did not live to open
        if time.monotonic() > deadline:
            return server.is_starting(process)
        time.sleep(_POLL)
    return True


def _finds_an_answer(spec: ServerSpec) -> bool:
    if spec.sentinel:
        return look_at_sentinel(spec) is not None
    if look_at_member(spec) is None:
        return False
    with suppress(OSError):  # whoever opened it did not live to give its socket the name it is known by
        Path(spec.private_uds).rename(str(spec.uds))
    return True


def _takes_commands(spec: ServerSpec) -> bool:
    """Whether a master that has not been opened yet answers on its private socket."""
    with suppress(OSError, Refused), Conversation(spec.private_uds, password=spec.password) as master:
        return bool(master.ask("PING") == "PONG")
    return False


def _begin_failover(sentinel: ServerSpec) -> bool:
    """Whether it could be begun: it cannot while another is under way."""
    try:
        with Conversation((HOST, sentinel.port), password=sentinel.password) as asked:
            return bool(asked.ask("SENTINEL", "FAILOVER", MASTER_NAME) == "OK")
    except (OSError, Refused):
        return False


def _offset(spec: ServerSpec) -> int:
    member = look_at_member(spec)
    return member.offset if member is not None else -1


def _ordinal(spec: ServerSpec) -> int:
    assert spec.membership is not None, "members and sentinels have their place"
    return spec.membership.ordinal
