"""A cluster's folder: where its servers stand, and what each is started with.

<data-dir>/clusters/<cluster>/cluster.json         the specification, and the ports its members keep
<data-dir>/clusters/<cluster>/<member>/            valkey.conf, valkey.log, server.json
<data-dir>/clusters/<cluster>/<member>/sentinel/   sentinel.conf, sentinel.log, server.json
"""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from framedb.clusters.peers import MASTER_NAME
from framedb.clusters.server_spec import Membership, Peer, ServerSpec, write_private
from framedb.clusters.spec import ClusterSpec, SentinelSettings

HOST = "127.0.0.1"
"""Where members listen."""


@dataclass(slots=True)
class Record:
    """What `cluster.json` says: what is wanted, and which members there are. More than wanted while it is scaled down."""

    spec: ClusterSpec
    ports: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Of each member, by ordinal, and of the sentinel beside it."""

    @property
    def ordinals(self) -> list[int]:
        """Of all members there are."""
        return sorted(self.ports)


@dataclass(frozen=True, slots=True)
class Servers:
    """A member and its sentinel, as they are wanted."""

    member: ServerSpec
    sentinel: ServerSpec


class ClusterFolder:
    """One cluster's folder."""

    def __init__(
        self,
        path: Path,
        *,
        installation: str,
        password: str,
        acl_password: Callable[[], str],
        socket_path: Callable[[str], Path],
        binary: str | None,
    ) -> None:
        self.path = path
        self.name = path.name
        self._installation = installation
        self._password = password
        self._acl_password = acl_password
        self._socket_path = socket_path
        self._binary = binary

    def read(self) -> Record | None:
        """What stands in `cluster.json`; None if there is none that can be read."""
        try:
            fields = json.loads((self.path / "cluster.json").read_text())
            wanted = fields["spec"]
            wanted["sentinel"] = SentinelSettings(**wanted["sentinel"])
            ports = {int(ordinal): (int(port), int(sentinel)) for ordinal, (port, sentinel) in fields["ports"].items()}
            return Record(ClusterSpec(**wanted), ports)
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None

    def write(self, record: Record) -> None:
        """Replace `cluster.json`, whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        spec = asdict(record.spec) | {"settings": dict(record.spec.settings)}
        write_private(self.path / "cluster.json", json.dumps({"spec": spec, "ports": record.ports}, indent=2))

    def member_folder(self, ordinal: int) -> Path:
        """Of one member."""
        return self.path / f"{self.name}-redis-node-{ordinal}"

    def uds(self, ordinal: int) -> Path:
        """The Unix socket of one member. That of the node's own frames has a name people know."""
        name = self.member_folder(ordinal).name
        return self._socket_path("frames.sock" if (self.name, ordinal) == ("local", 0) else f"{name}.sock")

    def delete(self) -> None:
        """Delete all that is left of the cluster."""
        member = re.compile(re.escape(self.name) + r"-redis-node-(\d+)\.sock(\.new)?")
        for path in self._socket_path("x.sock").parent.glob(f"{self.name}-redis-node-*.sock*"):
            if member.fullmatch(path.name):
                path.unlink(missing_ok=True)
        self._delete_sockets(0)
        _delete_tree(self.path)

    def delete_member(self, ordinal: int) -> None:
        """Delete what is left of one member."""
        self._delete_sockets(ordinal)
        _delete_tree(self.member_folder(ordinal))

    def _delete_sockets(self, ordinal: int) -> None:
        uds = self.uds(ordinal)
        uds.unlink(missing_ok=True)
        uds.with_name(f"{uds.name}.new").unlink(missing_ok=True)

    def servers(self, record: Record) -> dict[int, Servers]:
        """What each member and its sentinel is started with, by ordinal."""
        acl_password = self._acl_password()
        members = [Peer(ordinal, HOST, *record.ports[ordinal]) for ordinal in record.ordinals]
        quorum = record.spec.quorum
        found = {}
        for peer in members:
            place = Membership(self.name, self._installation, peer.ordinal, members, acl_password, quorum)
            folder = self.member_folder(peer.ordinal)
            member = ServerSpec(
                name=folder.name,
                folder=str(folder),
                port=peer.port,
                uds=str(self.uds(peer.ordinal)),
                password=self._password,
                config=member_config(record.spec, acl_password),
                membership=place,
                binary=self._binary,
            )
            sentinel = ServerSpec(
                name=f"the sentinel of {folder.name}",
                folder=str(folder / "sentinel"),
                port=peer.sentinel_port,
                uds=None,
                password=self._password,
                config=sentinel_config(record.spec),
                sentinel=True,
                membership=place,
                binary=self._binary,
            )
            found[peer.ordinal] = Servers(member, sentinel)
        return found


def _delete_tree(path: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(path)


def member_config(spec: ClusterSpec, acl_password: str) -> list[tuple[str, str]]:
    """The directives of every member of the cluster."""
    config = {
        "maxmemory": str(spec.maxmemory_bytes),
        "maxmemory-policy": "noeviction",  # a frame goes by its source's policy, counted, or not at all
        "save": '""',
        "appendonly": "no",
        # Replication and sentinels come as a user of this cluster alone: with one password for all, a sentinel of another
        # cluster that finds us on a port it once knew could make us its replica, and wipe us.
        "user": f"{spec.name} on >{acl_password} ~* &* +@all",
        "masteruser": spec.name,
        "masterauth": acl_password,
        # A master cut off from its replicas takes nothing that would be lost with it. With two members it would take
        # nothing at all whenever one is away.
        "min-replicas-to-write": "1" if spec.replicas >= 3 else "0",
        "min-replicas-max-lag": "5",  # seconds: replicas report every second; longer, and more is lost; shorter, and a
        # replica that is busy for a moment stops all writers
        "repl-diskless-sync": "yes",
        "repl-diskless-sync-delay": "0",
        "repl-diskless-load": "on-empty-db",  # a member that starts has nothing to lose, and frames need not see a disk
        "rdb-del-sync-files": "yes",
        "shutdown-timeout": "3",  # seconds a master that stops in order waits for its replicas
    }
    if spec.replicas > 1:
        buffer = spec.replica_buffer_bytes
        config["repl-backlog-size"] = str(spec.backlog_bytes)
        config["client-output-buffer-limit"] = f"replica {buffer} {buffer // 2} 60"
    config |= {name: value or '""' for name, value in spec.settings.items()}
    return list(config.items())


def sentinel_config(spec: ClusterSpec) -> list[tuple[str, str]]:
    """The directives of every sentinel of the cluster, beyond whom it watches."""
    return [("sentinel", f"{name} {MASTER_NAME} {value}") for name, value in sentinel_options(spec).items()]


def sentinel_options(spec: ClusterSpec) -> dict[str, str]:
    """What sentinels are told, by name."""
    return {
        "down-after-milliseconds": str(spec.sentinel.down_after_ms),
        "failover-timeout": str(spec.sentinel.failover_timeout_ms),
        "parallel-syncs": str(spec.sentinel.parallel_syncs),
    }
