"""The local driver: clusters as processes of this machine.

    <data-dir>/clusters/<cluster>/<member>/            valkey.conf, valkey.log, server.json
    <data-dir>/clusters/<cluster>/<member>/sentinel/   sentinel.conf, sentinel.log, server.json
    <data-dir>/control/                                the control server: no cluster, append-only file

One machine answers to every node tag.
"""

import hashlib
import os
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from framedb.clusters import server
from framedb.clusters.server import Running
from framedb.clusters.server_spec import ServerSpec, read_spec, write_private
from framedb.clusters.spec import ClusterSpec
from framedb.errors import EngineError, InvalidInputError
from framedb.resp import Endpoint
from framedb.resp.sentinel import MASTER_NAME

_LONGEST_SOCKET_PATH = 100  # bytes; the kernel's own limit is 107, and Valkey refuses to start beyond it
_SENTINEL_PORT = 26379
_PORTS_TRIED = 5  # by one server: others may start at the same moment, and find the same port free
DOWN_AFTER_MS = 1000
"""Milliseconds of silence after which a sentinel calls a master down."""


@dataclass(frozen=True, slots=True)
class Member:
    """A running member of a cluster, and its sentinel."""

    ordinal: int
    valkey: Running
    sentinel: Running
    adopted: bool
    """Both ran already."""


class LocalDriver:
    """Starts, finds and stops the servers of one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self.password = self._secret("client")

    def start_member(self, spec: ClusterSpec, ordinal: int = 0) -> Member:
        """The member, running: adopted if it runs already and is what is wanted, else started.

        Raises EngineError if it will not start. Memory that outlived a crash is kept when it can be.
        """
        if spec.replicas != 1:
            raise InvalidInputError("clusters of more than one member are not supported yet: use replicas 1")
        folder = self.data_dir / "clusters" / spec.name / spec.member_name(ordinal)
        uds = self.socket_path("frames.sock" if spec.name == "local" else f"{spec.member_name(ordinal)}.sock")
        acl_password = self._secret(f"cluster-{spec.name}")

        def valkey_spec(port: int) -> ServerSpec:
            return ServerSpec(
                name=spec.member_name(ordinal),
                folder=str(folder),
                port=port,
                uds=str(uds),
                password=self.password,
                config=_member_config(spec, acl_password),
            )

        valkey, valkey_adopted = self._ensure(folder, spec.preferred_port, valkey_spec)

        def sentinel_spec(port: int) -> ServerSpec:
            return ServerSpec(
                name=f"sentinel of {spec.member_name(ordinal)}",
                folder=str(folder / "sentinel"),
                port=port,
                uds=None,
                password=self.password,
                config=_sentinel_config(spec, valkey.spec.port, acl_password),
                sentinel=True,
            )

        sentinel, sentinel_adopted = self._ensure(folder / "sentinel", _SENTINEL_PORT, sentinel_spec)
        return Member(ordinal, valkey, sentinel, valkey_adopted and sentinel_adopted)

    def stop_member(self, spec: ClusterSpec, ordinal: int = 0) -> None:
        """Stop the sentinel, then the member: the other way round it would report a death."""
        folder = self.data_dir / "clusters" / spec.name / spec.member_name(ordinal)
        for each in (folder / "sentinel", folder):
            wanted = read_spec(each)
            if wanted is not None:
                server.stop(wanted)

    def start_control(self, *, maxmemory_bytes: int) -> tuple[Running, bool]:
        """The control server, running; and whether it did already. What it was told a second ago survives its death."""
        folder = self.data_dir / "control"
        config = [
            ("maxmemory", str(maxmemory_bytes)),
            ("maxmemory-policy", "volatile-lru"),  # only what carries a TTL may go: cache entries, results, counts
            ("appendonly", "yes"),
            ("appendfsync", "everysec"),
            ("save", '""'),
        ]

        def wanted(port: int) -> ServerSpec:
            return ServerSpec(
                "control", str(folder), port, str(self.socket_path("control.sock")), self.password, config
            )

        return self._ensure(folder, None, wanted)

    def control_endpoint(self) -> Endpoint:
        """Where the control server of this data folder was started. Raises EngineError if it never was."""
        spec = read_spec(self.data_dir / "control")
        if spec is None:
            raise EngineError(f"{self.data_dir} has no control server: start the node with `framedb up` first")
        return server.endpoint_of(spec)

    def stop_control(self) -> None:
        """Stop the control server; its append-only file is flushed first."""
        spec = read_spec(self.data_dir / "control")
        if spec is not None:
            server.stop(spec)

    def socket_path(self, name: str) -> Path:
        """Where a Unix socket of this data folder lies: in it, or in the temporary folder if its path is too long."""
        path = self.data_dir / name
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
            return path
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"framedb-{os.getuid()}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise InvalidInputError(
                f"{folder} belongs to another user: choose a shorter data folder than {self.data_dir}"
            )
        return folder / name

    def _ensure(
        self, folder: Path, preferred_port: int | None, wanted: Callable[[int], ServerSpec]
    ) -> tuple[Running, bool]:
        """Adopt the folder's server if it answers and is what is wanted; else replace it."""
        known = read_spec(folder)
        if known is not None:
            if known == wanted(known.port):
                running = server.answering(known)
                if running is not None:
                    return running, True
            server.stop(known)
            preferred_port = known.port
        for _ in range(_PORTS_TRIED):
            port = server.free_port(preferred_port)
            try:
                return server.start(wanted(port)), False
            except EngineError:
                if server.free_port(port) == port:
                    raise  # it was not for the port: nobody else has taken it meanwhile
        raise EngineError(f"every port from {preferred_port} on is taken the moment it is found free: try again")

    def _secret(self, name: str) -> str:
        path = self.data_dir / "secrets" / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(path, secrets.token_urlsafe(24))
        return path.read_text()


def _member_config(spec: ClusterSpec, acl_password: str) -> list[tuple[str, str]]:
    return [
        ("maxmemory", str(spec.maxmemory_bytes)),
        ("maxmemory-policy", "noeviction"),  # a frame goes by its source's policy, counted, or not at all
        ("save", '""'),
        ("appendonly", "no"),
        # Replication and sentinels come as a user of this cluster alone: with one password for all, a sentinel of another
        # cluster that finds us on a port it once knew could make us its replica, and wipe us.
        ("user", f"{spec.name} on >{acl_password} ~* &* +@all"),
        ("masteruser", spec.name),
        ("masterauth", acl_password),
    ]


def _sentinel_config(spec: ClusterSpec, master_port: int, acl_password: str) -> list[tuple[str, str]]:
    return [
        ("sentinel", f"monitor {MASTER_NAME} 127.0.0.1 {master_port} {spec.quorum}"),
        ("sentinel", f"auth-user {MASTER_NAME} {spec.name}"),
        ("sentinel", f"auth-pass {MASTER_NAME} {acl_password}"),
        ("sentinel", f"down-after-milliseconds {MASTER_NAME} {DOWN_AFTER_MS}"),
    ]
