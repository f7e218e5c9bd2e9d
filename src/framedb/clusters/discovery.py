"""`Discovery`: where the master and the replicas of a cluster are at this moment, by its living sentinels."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framedb.clusters.drivers.base import Member
from framedb.clusters.service import ClusterService
from framedb.errors import NotFoundError, StoreError, StoreUnavailableError
from framedb.resp import Endpoint, close_redis, find_master, open_redis, translated
from framedb.resp.sentinel import sentinel_replicas

_TIMEOUT = 1.0  # seconds for an answer: a living server of a cluster answers within milliseconds


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """One member as it is now."""

    name: str
    """Its framedb_id."""
    role: str
    """`master`, `replica`, or `unknown` while it does not answer."""
    host: str
    port: int
    state: str
    """`online`, `loading` its data, `syncing` with the master, or `down`."""
    used_memory_bytes: int = 0
    maxmemory_bytes: int = 0
    keys: int = 0
    """Keys, its indexes included."""
    link: str = "-"
    """A replica's connection to its master: `up` or `down`; `-` for a master."""
    offset: int = 0
    """How far it is in the stream of replication, in bytes."""


class Discovery:
    """Asks the live sentinels of a cluster, never a stored row. Where the sentinels are stands in the registry."""

    def __init__(self, service: ClusterService, password: str) -> None:
        self._service = service
        self._password = password

    def master(self, framedb_id: str) -> tuple[str, int]:
        """Host and port of the living master.

        Raises NotFoundError for an id nobody registered, StoreUnavailableError if there is no master at this moment.
        """
        endpoint = self.master_endpoint(framedb_id)
        return endpoint.host, endpoint.port

    def master_endpoint(self, framedb_id: str) -> Endpoint:
        """The living master, as `master`, with what it takes to be let in."""
        cluster = self._cluster(framedb_id)
        sentinels = [(each.host, each.sentinel_port) for each in self._members(cluster)]
        found = find_master(sentinels, cluster=cluster, password=self._password, timeout=_TIMEOUT)
        if found is None:
            raise StoreUnavailableError(
                f"cluster {cluster} has no master at this moment: its sentinels choose one in a few seconds, try again"
            )
        return found

    def replicas(self, framedb_id: str) -> list[tuple[str, int]]:
        """Host and port of every living replica, as one sentinel sees them.

        Raises NotFoundError for an id nobody registered, StoreUnavailableError if no sentinel answers.
        """
        cluster = self._cluster(framedb_id)
        for member in self._members(cluster):
            try:
                known = sentinel_replicas(member.host, member.sentinel_port, self._password)
            except StoreError:
                continue
            return sorted((host, port) for host, port, flags in known if not _is_down(flags))
        raise StoreUnavailableError(
            f"Failed to get sentinel connection for {framedb_id}: none of the cluster's sentinels answers, try again"
        )

    def living_sentinels(self, cluster: str) -> list[tuple[str, int]]:
        """Host and port of every sentinel of the cluster that answers. Raises NotFoundError."""
        sentinels = [(each.host, each.sentinel_port) for each in self._members(self._cluster(cluster))]
        with ThreadPoolExecutor(max(1, len(sentinels)), thread_name_prefix="look") as pool:
            answered = list(pool.map(lambda where: self._answers(*where), sentinels))
        return [where for where, answers in zip(sentinels, answered, strict=True) if answers]

    def members(self, cluster: str) -> list[MemberStatus]:
        """Every registered member as it is now, dead ones too, by ordinal. Raises NotFoundError."""
        return [_status(member, info) for member, info in self.infos(cluster)]

    def infos(self, cluster: str) -> list[tuple[Member, dict[str, Any] | None]]:
        """What `INFO` says of each registered member; None for one that does not answer. Raises NotFoundError."""
        members = self._members(self._cluster(cluster))
        with ThreadPoolExecutor(max(1, len(members)), thread_name_prefix="look") as pool:
            return list(zip(members, pool.map(self._info, members), strict=True))

    def _cluster(self, framedb_id: str) -> str:
        try:
            return self._service.resolve(framedb_id)[0]
        except NotFoundError as exc:
            raise NotFoundError(f"Failed to get sentinel connection for {framedb_id}") from exc

    def _members(self, cluster: str) -> list[Member]:
        return self._service.addresses(cluster)

    def _info(self, member: Member) -> dict[str, Any] | None:
        client = open_redis(Endpoint(member.host, member.port, password=self._password), timeout=_TIMEOUT)
        try:
            with translated(member.name):
                info = dict(client.info())
            return None if _is_another(info, member) else info
        except StoreError:
            return None
        finally:
            close_redis(client)

    def _answers(self, host: str, port: int) -> bool:
        client = open_redis(Endpoint(host, port, password=self._password), timeout=_TIMEOUT)
        try:
            with translated(f"the sentinel at {host}:{port}"):
                return bool(client.ping())
        except StoreError:
            return False
        finally:
            close_redis(client)


def keys_of(info: dict[str, Any]) -> int:
    """Keys in all databases of a server, by its `INFO`."""
    return sum(int(value["keys"]) for name, value in info.items() if name.startswith("db") and isinstance(value, dict))


def state_of(info: dict[str, Any]) -> str:
    """`online`, `loading` or `syncing`, by a server's `INFO`."""
    if info.get("loading"):
        return "loading"
    if info.get("role") == "slave" and info.get("master_link_status") != "up":
        return "syncing"
    return "online"


def role_of(info: dict[str, Any]) -> str:
    """`master` or `replica`, by a server's `INFO`."""
    return "replica" if info.get("role") == "slave" else "master"


def offset_of(info: dict[str, Any]) -> int:
    """How far the server is in the stream of replication, in bytes."""
    return int(info.get("slave_repl_offset", info.get("master_repl_offset", 0)))


def _status(member: Member, info: dict[str, Any] | None) -> MemberStatus:
    if info is None:
        return MemberStatus(member.name, "unknown", member.host, member.port, "down")
    return MemberStatus(
        member.name,
        role_of(info),
        member.host,
        member.port,
        state_of(info),
        used_memory_bytes=int(info.get("used_memory", 0)),
        maxmemory_bytes=int(info.get("maxmemory", 0)),
        keys=keys_of(info),
        link=str(info.get("master_link_status", "-")),
        offset=offset_of(info),
    )


def _is_another(info: dict[str, Any], member: Member) -> bool:
    """Whether the server is a member of a cluster, but not this one: ports are used again."""
    folder = Path(str(info.get("config_file", ""))).parent.name
    return "-redis-node-" in folder and folder != member.name


def _is_down(flags: str) -> bool:
    return bool({"s_down", "o_down", "disconnected"} & set(flags.split(",")))
