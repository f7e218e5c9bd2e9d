"""What is registered of clusters, and the driver that makes it run."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, insert, select, update

from framedb.clusters.drivers.local import LocalDriver, Member
from framedb.clusters.spec import ClusterSpec
from framedb.errors import NotFoundError
from framedb.frame import utc_now
from framedb.registry import reading, write
from framedb.registry.tables import clusters, members


@dataclass(frozen=True, slots=True)
class MemberAddress:
    """Where a member of a cluster is reached. Who is master only the sentinels know."""

    ordinal: int
    host: str
    port: int
    sentinel_port: int
    uds: str | None


class ClusterService:
    """Clusters by name: the registry says which there are, the driver makes them run."""

    def __init__(self, engine: Engine, driver: LocalDriver) -> None:
        self._engine = engine
        self._driver = driver

    def ensure(self, spec: ClusterSpec, *, site: str = "local") -> Member:
        """The cluster, registered and running: what is there already is adopted, what died is started again.

        Registered first and ready last, so that a crash in between leaves nothing running that nobody knows of.
        """
        self._register(spec, site)
        member = self._driver.start_member(spec)
        write(self._engine, lambda connection: _set_ready(connection, spec, member))
        return member

    def stop(self, spec: ClusterSpec) -> None:
        """Stop its processes; it stays registered, and `ensure` starts it again."""
        self._driver.stop_member(spec)

    def addresses(self, name: str) -> list[MemberAddress]:
        """Where the cluster's members are reached. Raises NotFoundError for a cluster nobody registered."""
        with reading(self._engine) as connection:
            known = connection.execute(select(clusters.c.name).where(clusters.c.name == name)).first()
            rows = connection.execute(
                select(members).where(members.c.cluster == name).order_by(members.c.ordinal)
            ).all()
        if known is None:
            raise NotFoundError(f"Cluster {name} does not exist")
        return [MemberAddress(row.ordinal, row.host, row.port, row.sentinel_port, row.uds) for row in rows]

    def names(self) -> list[str]:
        """Every registered cluster, sorted."""
        with reading(self._engine) as connection:
            return sorted(connection.scalars(select(clusters.c.name)))

    def _register(self, spec: ClusterSpec, site: str) -> None:
        wanted = {
            "node_tag": spec.node_tag,
            "site": site,
            "replicas": spec.replicas,
            "quorum": spec.quorum,
            "enable_metrics": spec.enable_metrics,
            "accepts_sources": True,
            "settings": {"maxmemory": str(spec.maxmemory_bytes)},
        }

        def register(connection: Connection) -> None:
            changed = connection.execute(update(clusters).where(clusters.c.name == spec.name).values(**wanted))
            if changed.rowcount == 0:
                now = utc_now()
                connection.execute(
                    insert(clusters).values(name=spec.name, state="creating", metadata={}, created_at=now, **wanted)
                )

        write(self._engine, register)


def _set_ready(connection: Connection, spec: ClusterSpec, member: Member) -> None:
    connection.execute(delete(members).where(members.c.cluster == spec.name))
    endpoint = member.valkey.endpoint
    connection.execute(
        insert(members).values(
            cluster=spec.name,
            ordinal=member.ordinal,
            host=endpoint.host,
            port=endpoint.port,
            sentinel_port=member.sentinel.spec.port,
            uds=endpoint.uds and str(Path(endpoint.uds)),
        )
    )
    connection.execute(update(clusters).where(clusters.c.name == spec.name).values(state="ready"))
