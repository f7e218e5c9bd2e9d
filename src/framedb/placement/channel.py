"""The control channel: readers of a source are told when its route changes.

On `<source>__routing_updates` of the control server, JSON `{"command", "payload"}`:

| command | when | payload |
|---|---|---|
| `add` | a mapping was made, on one node | the entry |
| `update` | its cluster changed (null: it has none), or its master shall be looked up again | the entry |
| `remove` | it was removed | sourceId, nodeTag |
| `meta_update` | its metadata changed | the entry |
| `bp_source_on`, `bp_source_off` | the source's writers shall hold back, or go on | sourceId |
| `bp_on`, `bp_off` | the same, asked for by naming one node | sourceId, nodeTag |

The entry is sourceId, nodeTag, cluster_name, epoch, durable, metadata, previous [{cluster_name, until}]. Who missed a
message asks for the mapping again: nothing is repeated, and a control server that is away holds nobody up for long.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal

from framedb.errors import FrameDBError
from framedb.resp import Redis, close_redis, translated
from framedb.routing import Route

logger = logging.getLogger(__name__)

Command = Literal[
    "add", "update", "remove", "meta_update", "bp_on", "bp_off", "bp_source_on", "bp_source_off"
]  # fmt: skip


class ControlChannel:
    """Publishes changes of routes, at best effort."""

    def __init__(self, open: Callable[[], Redis]) -> None:  # noqa: A002
        """`open` gives a client of the control server; it is called again after a failure."""
        self._open = open
        self._lock = threading.Lock()
        self._client: Redis | None = None

    def publish(self, source: str, command: Command, payload: Mapping[str, Any]) -> None:
        """Tell the source's readers. It never fails: at worst they find out by asking."""
        message = json.dumps({"command": command, "payload": payload}, ensure_ascii=False)
        try:
            with translated("the control server"):
                self._connected().publish(f"{source}__routing_updates", message)
        except FrameDBError as exc:
            logger.warning("readers were not told of a change: %s", exc, extra={"source": source, "command": command})
            self.close()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            close_redis(client)

    def _connected(self) -> Redis:
        with self._lock:
            if self._client is None:
                self._client = self._open()
            return self._client


def entry(route: Route) -> dict[str, Any]:
    """What is published of a route."""
    return {
        "sourceId": route.source,
        "nodeTag": route.node_tag,
        "cluster_name": route.cluster,
        "epoch": route.epoch,
        "durable": route.durable,
        "metadata": dict(route.metadata),
        "previous": [
            {"cluster_name": place.cluster, "until": None if place.until is None else place.until.isoformat()}
            for place in route.previous
        ],
    }
