"""What the members and sentinels of a cluster say of themselves, and whether that adds up to a cluster."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from framedb.clusters.conversation import Conversation, Refused
from framedb.clusters.drivers.folder import Servers
from framedb.clusters.peers import MASTER_NAME, Opinion, agreed, ask_all, opinion
from framedb.clusters.server_spec import ServerSpec

_TIMEOUT = 1.0  # seconds for an answer
_UNREACHED = {"s_down", "o_down", "disconnected"}  # flags of what a sentinel gets no answer from
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class MemberView:
    """What a member says of itself."""

    ready: bool
    """It takes commands, and does not load its data."""
    master: Address | None
    """Whose replica it is; None: it is a master."""
    link: bool = True
    """A replica follows its master."""
    choosable: bool = True
    """It may be chosen as a master."""
    offset: int = 0
    """How far it is in the stream of replication, in bytes."""


@dataclass(frozen=True, slots=True)
class SentinelView:
    """What a sentinel says."""

    opinion: Opinion
    flags: frozenset[str]
    """Of the master, as it sees it: `master` alone when all is well."""
    replicas: Mapping[Address, Mapping[str, str]]
    """All it knows of each, by address."""
    sentinels: Mapping[Address, frozenset[str]]
    """Flags of the others it knows, by address."""

    def knows(self, replicas: Collection[Address], sentinels: Collection[Address]) -> bool:
        """Whether it knows exactly these, and gets answers from all of them."""
        return (
            set(self.replicas) == set(replicas)
            and set(self.sentinels) == set(sentinels)
            and all(
                set(replica["flags"].split(",")) == {"slave"} and replica.get("master-link-status") == "ok"
                for replica in self.replicas.values()
            )
            and not any(flags & _UNREACHED for flags in self.sentinels.values())
        )

    def strangers(self, members: Collection[Address], sentinels: Collection[Address]) -> bool:
        """Whether it knows any that is not of these: one that is gone, or that has moved."""
        known = {self.opinion.address, *self.replicas}
        return not (known <= set(members) and set(self.sentinels) <= set(sentinels))


@dataclass(frozen=True, slots=True)
class View:
    """All of a cluster at one moment. Who does not answer is None."""

    servers: Mapping[int, Servers]
    members: Mapping[int, MemberView | None]
    sentinels: Mapping[int, SentinelView | None]
    named: Address | None = field(init=False)
    """Whom the sentinels name master."""

    def __post_init__(self) -> None:
        opinion = agreed(each.opinion for each in self.sentinels.values() if each is not None)
        object.__setattr__(self, "named", opinion and opinion.address)

    @property
    def master(self) -> int | None:
        """The ordinal of the master, if the sentinels name one that says so itself, and there is no other."""
        masters = [ordinal for ordinal, each in self.members.items() if each is not None and each.master is None]
        if len(masters) == 1 and self.address(masters[0]) == self.named:
            return masters[0]
        return None

    def address(self, ordinal: int) -> Address:
        """Of a member."""
        return "127.0.0.1", self.servers[ordinal].member.port

    @property
    def addresses(self) -> set[Address]:
        """Of all members."""
        return {self.address(ordinal) for ordinal in self.servers}

    @property
    def sentinel_addresses(self) -> set[Address]:
        """Of all sentinels."""
        return {("127.0.0.1", each.sentinel.port) for each in self.servers.values()}

    def unchoosable(self) -> list[int]:
        """Replicas that follow the master and may not take its place: they have no copy yet, or nobody has told them."""
        members = self.members.items()
        return [ordinal for ordinal, each in members if each is not None and each.link and not each.choosable]

    def is_settled(self) -> bool:
        """Whether all sentinels that answer name the same master, and none is in the middle of a failover."""
        return not any(
            each is not None and (each.opinion.address != self.named or "failover_in_progress" in each.flags)
            for each in self.sentinels.values()
        )

    def is_behind(self, ordinal: int) -> bool:
        """Whether its sentinel names another master than most, and is not just making it one."""
        each = self.sentinels[ordinal]
        return each is not None and each.opinion.address != self.named and "failover_in_progress" not in each.flags

    def answers(self) -> bool:
        """Whether all answer, and agree on a master that is one, with no failover under way."""
        return (
            all(each is not None and each.ready for each in self.members.values())
            and all(each is not None for each in self.sentinels.values())
            and self.is_settled()
            and self.master is not None
        )

    def wrong(self) -> tuple[ServerSpec, str] | None:
        """The first thing that is not as it should be: whose, and what. None: it is a whole cluster."""
        for ordinal, member in self.members.items():
            if member is None or not member.ready:
                return self.servers[ordinal].member, "does not answer" if member is None else "is still loading"
        for ordinal, sentinel in self.sentinels.items():
            if sentinel is None:
                return self.servers[ordinal].sentinel, "does not answer"
        master = self.master
        if master is None:
            return self._without_a_master()
        for ordinal, member in self.members.items():
            assert member is not None, "all answered"
            if ordinal != master and (member.master != self.named or not member.link):
                return self.servers[ordinal].member, "has no link to the master"
        apart = self.apart()
        if apart:
            return self.servers[apart[0]].sentinel, "names another master, or does not see all the others"
        return None

    def apart(self) -> list[int]:
        """Those whose sentinel says something else than what is so, in a cluster with a master."""
        found = []
        for ordinal, sentinel in self.sentinels.items():
            others = self.sentinel_addresses - {("127.0.0.1", self.servers[ordinal].sentinel.port)}
            replicas = self.addresses - {self.named}
            if sentinel is not None and not (
                sentinel.opinion.address == self.named
                and sentinel.flags == {"master"}
                and sentinel.knows(replicas, others)
            ):
                found.append(ordinal)
        return found

    def _without_a_master(self) -> tuple[ServerSpec, str]:
        for ordinal, servers in self.servers.items():
            if self.address(ordinal) == self.named:
                return servers.member, "is named master by the sentinels, and is not the only one, or not one"
        return next(iter(self.servers.values())).sentinel, "names a master that is not of this cluster"


def view(servers: Mapping[int, Servers]) -> View:
    """What all of them say now, asked at the same time."""
    ordinals = list(servers)
    members = [servers[ordinal].member for ordinal in ordinals]
    sentinels = [servers[ordinal].sentinel for ordinal in ordinals]
    answers = ask_all(_look, [*members, *sentinels])
    found_members = [each if isinstance(each, MemberView) else None for each in answers[: len(members)]]
    found_sentinels = [each if isinstance(each, SentinelView) else None for each in answers[len(members) :]]
    return View(
        servers,
        dict(zip(ordinals, found_members, strict=True)),
        dict(zip(ordinals, found_sentinels, strict=True)),
    )


def look_at_member(spec: ServerSpec) -> MemberView | None:
    """What the member says of itself; None if it does not answer."""
    assert spec.membership is not None, "members have their place"
    try:
        with Conversation(
            (spec.membership.me.host, spec.port),
            username=spec.membership.cluster,  # another cluster's server on this port lets us in by no other name
            password=spec.membership.acl_password,
            timeout=_TIMEOUT,
        ) as server:
            replication = server.fields("INFO", "replication")
            ready = _takes_commands(server)
            if replication["role"] == "master":
                return MemberView(ready, None, offset=int(replication["master_repl_offset"]))
            return MemberView(
                ready,
                (replication["master_host"], int(replication["master_port"])),
                link=replication["master_link_status"] == "up",
                choosable=replication["slave_priority"] != "0",
                offset=int(replication["slave_repl_offset"]),
            )
    except (OSError, Refused, KeyError, ValueError):
        return None


def look_at_sentinel(spec: ServerSpec) -> SentinelView | None:
    """What the sentinel says; None if it does not answer, or another's sentinel does."""
    assert spec.membership is not None, "sentinels have their place"
    said = opinion(spec.membership, spec.membership.me, spec.password)
    if said is None:
        return None
    try:
        with Conversation(spec.membership.me.sentinel_address, password=spec.password, timeout=_TIMEOUT) as sentinel:
            master = sentinel.fields("SENTINEL", "MASTER", MASTER_NAME)
            replicas = [_fields(each) for each in sentinel.ask("SENTINEL", "REPLICAS", MASTER_NAME)]
            sentinels = [_fields(each) for each in sentinel.ask("SENTINEL", "SENTINELS", MASTER_NAME)]
    except (OSError, Refused, KeyError, ValueError):
        return None
    return SentinelView(
        said,
        frozenset(master["flags"].split(",")),
        {(each["ip"], int(each["port"])): each for each in replicas},
        {(each["ip"], int(each["port"])): frozenset(each["flags"].split(",")) for each in sentinels},
    )


def _look(spec: ServerSpec) -> MemberView | SentinelView | None:
    return look_at_sentinel(spec) if spec.sentinel else look_at_member(spec)


def _takes_commands(server: Conversation) -> bool:
    try:
        server.ask("PING")
    except Refused as refused:
        return not str(refused).startswith("LOADING")  # without a link to its master it refuses too, and is well
    return True


def _fields(reply: list[Any]) -> dict[str, str]:
    return dict(zip(reply[::2], reply[1::2], strict=True))
