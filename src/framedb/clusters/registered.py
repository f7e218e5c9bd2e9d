"""Clusters as rows of the registry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from framedb.clusters.directives import parse_size
from framedb.clusters.drivers.base import Member
from framedb.clusters.spec import ClusterSpec, SentinelSettings
from framedb.errors import AlreadyExistsError, ConflictError
from framedb.frame import utc_now
from framedb.registry import reading, write
from framedb.registry.tables import clusters, members

CREATING, READY, REMOVING = "creating", "ready", "removing"

ALREADY_EXISTS = "Cluster already exists!"


@dataclass(frozen=True, slots=True)
class ClusterInfo:
    """What is registered of a cluster. Who is master only its sentinels know."""

    spec: ClusterSpec
    """What is wanted."""
    site: str
    """`cluster_id` on the wire: instances of the same site are reached by their local URL."""
    state: str
    """`creating`, `ready` or `removing`."""
    members: list[Member]
    """Where they are reached, by ordinal; empty until the cluster was ready once."""
    metadata: dict[str, Any]
    """The creator's own."""
    installation: str | None
    """Whose driver runs it; None: made by an earlier release."""
    metrics_port: int | None
    """Of its Prometheus endpoint on loopback, where it has one."""
    created_at: datetime

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.spec.name

    @property
    def warning(self) -> str | None:
        """What its owner should know about it; None: nothing."""
        if self.spec.replicas == 2:
            return "with 2 replicas no majority is left when one dies with its sentinel: use 3 for a failover"
        return None


class RegisteredClusters:
    """The rows of clusters and their members; each change is one transaction."""

    def __init__(self, engine: Engine, *, installation: str) -> None:
        self._engine = engine
        self._installation = installation

    def get(self, name: str) -> ClusterInfo | None:
        """What is registered of the cluster; None: nothing."""
        found = self.all(name)
        return found[0] if found else None

    def all(self, name: str | None = None, *, node_tag: str | None = None) -> list[ClusterInfo]:
        """Every cluster by name, those of other installations too."""
        if not f"{name}{node_tag}".isascii():
            return []  # no name is like that, and a MySQL server does not even compare it
        wanted = select(clusters).order_by(clusters.c.name)
        where = select(members).order_by(members.c.cluster, members.c.ordinal)
        if name is not None:
            wanted, where = wanted.where(clusters.c.name == name), where.where(members.c.cluster == name)
        if node_tag is not None:
            wanted = wanted.where(clusters.c.node_tag == node_tag)
        with reading(self._engine) as connection:
            rows = connection.execute(wanted).all()
            addresses = connection.execute(where).all()
        return [_info(row, [each for each in addresses if each.cluster == row.name]) for row in rows]

    def names(self) -> list[str]:
        """Every registered name, sorted."""
        with reading(self._engine) as connection:
            return sorted(connection.scalars(select(clusters.c.name)))

    def add(
        self, spec: ClusterSpec, *, site: str, state: str = CREATING, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """A cluster of this installation. Raises AlreadyExistsError for a name that is taken, by whomever."""

        def store(connection: Connection) -> None:
            if connection.scalar(select(clusters.c.name).where(clusters.c.name == spec.name)) is not None:
                raise AlreadyExistsError(ALREADY_EXISTS)
            connection.execute(
                insert(clusters).values(
                    name=spec.name,
                    site=site,
                    state=state,
                    metadata=dict(metadata or {}),
                    installation=self._installation,
                    created_at=utc_now(),
                    **_wanted(spec),
                )
            )

        write(self._engine, store)

    def set_wanted(self, spec: ClusterSpec, *, metadata: Mapping[str, Any] | None = None) -> None:
        """What is wanted of the cluster from now on."""
        values = _wanted(spec) | ({} if metadata is None else {"metadata": dict(metadata)})
        self._change(spec.name, values)

    def set_state(self, name: str, state: str) -> None:
        """creating, ready or removing."""
        self._change(name, {"state": state})

    def set_ready(self, name: str, running: Sequence[Member]) -> None:
        """The cluster is ready, and these are its members."""

        def store(connection: Connection) -> None:
            if not self._changed(connection, name, {"state": READY}):
                raise _gone(name)
            ports = {
                row.ordinal: row.metrics_port
                for row in connection.execute(select(members).where(members.c.cluster == name))
            }
            port = next((each for each in ports.values() if each is not None), None)
            connection.execute(delete(members).where(members.c.cluster == name))
            for each in running:
                connection.execute(
                    insert(members).values(
                        cluster=name,
                        ordinal=each.ordinal,
                        host=each.host,
                        port=each.port,
                        sentinel_port=each.sentinel_port,
                        uds=each.uds,
                        metrics_port=port,
                    )
                )

        write(self._engine, store)

    def set_metrics_port(self, name: str, port: int | None) -> None:
        """Where the cluster's metrics are served. Nothing happens for a cluster that is gone."""
        change = update(members).where(members.c.cluster == name).values(metrics_port=port)
        write(self._engine, lambda connection: connection.execute(change))

    def claim(self, name: str) -> None:
        """The cluster is this installation's from now on, and has no members yet."""

        def take(connection: Connection) -> None:
            connection.execute(update(clusters).where(clusters.c.name == name).values(installation=self._installation))
            connection.execute(delete(members).where(members.c.cluster == name))

        write(self._engine, take)

    def remove(self, name: str) -> None:
        """Forget the cluster, if it is this installation's; its members go with it."""
        forget = delete(clusters).where(clusters.c.name == name, clusters.c.installation == self._installation)
        write(self._engine, lambda connection: connection.execute(forget))

    def _change(self, name: str, values: Mapping[str, Any]) -> None:
        def store(connection: Connection) -> None:
            if not self._changed(connection, name, values):
                raise _gone(name)

        write(self._engine, store)

    def _changed(self, connection: Connection, name: str, values: Mapping[str, Any]) -> bool:
        # A MySQL server does not count a row that it leaves as it was, and so the row is looked for first.
        own = (clusters.c.name == name) & (clusters.c.installation == self._installation)
        if connection.scalar(select(clusters.c.name).where(own).with_for_update()) is None:
            return False
        connection.execute(update(clusters).where(own).values(**values))
        return True


def _gone(name: str) -> ConflictError:
    return ConflictError(f"Cluster {name} was removed, or taken over by another installation, meanwhile: look again")


def _wanted(spec: ClusterSpec) -> dict[str, Any]:
    return {
        "node_tag": spec.node_tag,
        "replicas": spec.replicas,
        "quorum": spec.quorum,
        "enable_metrics": spec.enable_metrics,
        "accepts_sources": spec.accepts_sources,
        "settings": {**spec.settings, "maxmemory": str(spec.maxmemory_bytes)},
        "sentinel_settings": {
            "down-after-milliseconds": spec.sentinel.down_after_ms,
            "failover-timeout": spec.sentinel.failover_timeout_ms,
            "parallel-syncs": spec.sentinel.parallel_syncs,
        },
    }


def _info(row: Row[Any], addresses: Sequence[Row[Any]]) -> ClusterInfo:
    spec = _spec(row)
    where = [
        Member(each.ordinal, spec.member_name(each.ordinal), each.host, each.port, each.sentinel_port, each.uds)
        for each in addresses
    ]
    if where:
        spec = replace(spec, preferred_port=where[0].port)
    port = next((each.metrics_port for each in addresses if each.metrics_port is not None), None)
    return ClusterInfo(
        spec, row.site, row.state, where, dict(row.metadata or {}), row.installation, port, row.created_at
    )


def _spec(row: Row[Any]) -> ClusterSpec:
    settings = {str(name): str(value) for name, value in (row.settings or {}).items()}
    maxmemory = parse_size(settings.pop("maxmemory", ""))
    told = row.sentinel_settings or {}
    default = SentinelSettings()
    return ClusterSpec(
        name=row.name,
        node_tag=row.node_tag,
        replicas=row.replicas,
        quorum=row.quorum,
        enable_metrics=bool(row.enable_metrics),
        accepts_sources=bool(row.accepts_sources),
        settings=settings,
        sentinel=SentinelSettings(
            down_after_ms=int(told.get("down-after-milliseconds", default.down_after_ms)),
            failover_timeout_ms=int(told.get("failover-timeout", default.failover_timeout_ms)),
            parallel_syncs=int(told.get("parallel-syncs", default.parallel_syncs)),
        ),
        **({} if maxmemory is None else {"maxmemory_bytes": maxmemory}),
    )
