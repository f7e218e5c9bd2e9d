"""Where a server is, and how to be let in."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One Redis or Valkey server."""

    host: str
    port: int
    uds: str | None = None
    """Path of its Unix socket on its own machine."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    run_id: str | None = None
    """What `INFO server` of this very process says: proves that a socket found at `uds` is this server's."""

    def __str__(self) -> str:
        return self.uds if self.uds and not self.port else f"{self.host}:{self.port}"


NOWHERE = Endpoint("", 0)
"""The master of a source that no cluster holds."""


@dataclass(frozen=True, slots=True)
class ClusterConnection:
    """All that a client needs to reach the frames of a source: what `GET /v1/connection` answers."""

    cluster: str | None
    """None: the source is unassigned, because its cluster was removed and there was no other; its master is NOWHERE."""
    master: Endpoint
    sentinels: list[tuple[str, int]] = field(default_factory=list)
    epoch: int | None = 0
    """Version of the source's route: writers pass it on, and an older one is refused. None: there are no routes."""
    durable: bool = True
    """Whether keys of the source that are not in memory may be in the durable tier."""
    members: int = 1
    """Redis processes that are wanted of the cluster, the master included, dead or alive."""
    sockets: Mapping[str, str] = field(default_factory=dict)
    """`host:port` of members to the path of their Unix socket, for when another of them becomes master."""
    previous: tuple[tuple[str, datetime | None], ...] = ()
    """Clusters the source was moved away from, newest first, and when (UTC) its last frame there is gone; None: never."""
    backpressure: bool = False
    """Whether writers of the source are asked to hold back."""
    control: Endpoint | None = None
    """The control server: frame queue, channels, cache."""
    broker_url: str | None = field(default=None, repr=False)
    """`amqp://...` when the frame queue is on RabbitMQ."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON of the HTTP answer. It holds passwords: handing out a connection is its purpose."""
        control = None
        if self.control:
            control = {**_address(self.control), "username": self.control.username, "password": self.control.password}
        return {
            "cluster": self.cluster,
            "epoch": self.epoch,
            "durable": self.durable,
            "members": self.members,
            "sockets": dict(self.sockets),
            "previous": [
                {"cluster": cluster, "until": None if until is None else until.isoformat()}
                for cluster, until in self.previous
            ],
            "backpressure": self.backpressure,
            "run_id": self.master.run_id,
            "master": _address(self.master),
            "sentinels": [{"host": host, "port": port} for host, port in self.sentinels],
            "username": self.master.username,
            "password": self.master.password,
            "control": control,
            "broker_url": self.broker_url,
        }

    @classmethod
    def from_dict(cls, answer: dict[str, Any]) -> "ClusterConnection":
        """The connection an HTTP answer describes."""
        control = answer.get("control")
        return cls(
            cluster=answer["cluster"],
            epoch=answer["epoch"],
            durable=answer["durable"],
            members=answer["members"],
            sockets=answer.get("sockets", {}),
            previous=tuple(
                (place["cluster"], None if place["until"] is None else datetime.fromisoformat(place["until"]))
                for place in answer.get("previous", ())
            ),
            backpressure=answer.get("backpressure", False),
            master=Endpoint(
                **answer["master"],
                username=answer["username"],
                password=answer["password"],
                run_id=answer["run_id"],
            ),
            sentinels=[(sentinel["host"], sentinel["port"]) for sentinel in answer["sentinels"]],
            control=Endpoint(**control) if control else None,
            broker_url=answer["broker_url"],
        )


def _address(endpoint: Endpoint) -> dict[str, Any]:
    return {name: value for name, value in asdict(endpoint).items() if name in ("host", "port", "uds")}
