"""Which cluster a source is put on: the one of its node that has least to carry, by name among equals.

Whoever chooses holds the rows of the node's clusters until the choice is committed (in SQLite every writer is alone anyway):
two who choose at once see each other, and a cluster that is being removed is chosen by nobody.
"""

from typing import Any

from sqlalchemy import Connection, Row, func, select

from framedb.errors import ConflictError, InvalidInputError, NotFoundError
from framedb.registry.tables import clusters, routes


def least_loaded(connection: Connection, node_tag: str, *, besides: str | None = None, hold: bool = True) -> str | None:
    """The cluster of the node with the fewest sources, other than `besides`; None if none takes any."""
    names = [row.name for row in _of_node(connection, node_tag, hold) if _takes_sources(row) and row.name != besides]
    counts = dict.fromkeys(names, 0)
    counting = select(routes.c.cluster, func.count()).where(routes.c.cluster.in_(names)).group_by(routes.c.cluster)
    for name, count in connection.execute(counting):
        counts[name] = count
    return min(names, key=lambda name: (counts[name], name), default=None)


def check_takes_sources(connection: Connection, cluster: str, node_tag: str, *, hold: bool = True) -> None:
    """Nothing, if sources of the node may be put on the cluster.

    Raises NotFoundError, InvalidInputError for a cluster of another node, ConflictError for one that takes none now.
    """
    for row in _of_node(connection, node_tag, hold):
        if row.name == cluster:
            if not _takes_sources(row):
                why = f"is {row.state}" if row.state != "ready" else "was created to take none"
                raise ConflictError(f"cluster {cluster} takes no sources: it {why}")
            return
    other = connection.scalar(select(clusters.c.node_tag).where(clusters.c.name == cluster))
    if other is None:
        raise NotFoundError(f"Cluster {cluster} does not exist")
    raise InvalidInputError(f"cluster {cluster} is on node {other}, not {node_tag}: give one of that node's own")


def fallback(connection: Connection, cluster: str | None) -> str | None:
    """`cluster`, whatever node it is on and whether or not it is ready, if it is registered to stay."""
    query = select(clusters.c.name).where(clusters.c.name == cluster, clusters.c.state != "removing")
    return connection.scalar(query.with_for_update())


def _of_node(connection: Connection, node_tag: str, hold: bool) -> list[Row[Any]]:
    """The node's clusters, by name; held, they stay as they are until the transaction ends."""
    query = select(clusters.c.name, clusters.c.state, clusters.c.accepts_sources).where(clusters.c.node_tag == node_tag)
    query = query.order_by(clusters.c.name)
    return list(connection.execute(query.with_for_update() if hold else query))


def _takes_sources(row: Row[Any]) -> bool:
    return bool(row.state == "ready" and row.accepts_sources)
