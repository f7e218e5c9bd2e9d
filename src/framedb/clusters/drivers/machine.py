"""The machine that the local driver runs clusters on: what it is, how it is labelled, and how much it may hold."""

import json
import os
import platform
import socket
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import psutil

from framedb.clusters import server
from framedb.clusters.drivers.base import NodeInfo
from framedb.clusters.server_spec import write_private
from framedb.clusters.spec import ClusterSpec
from framedb.config import MiB
from framedb.errors import InsufficientRoomError, NotFoundError

_SHARE = 0.8  # of the machine's memory: the rest is for those who work with the frames
LABEL = "framedb"
"""The label that names a machine for placement."""


class Machine:
    """This machine. Its labels are kept in a file."""

    def __init__(self, labels: Path, *, memory_bytes: int | None, ports: range) -> None:
        self._labels = labels
        self._memory_bytes = memory_bytes
        self._ports = ports

    @property
    def info(self) -> NodeInfo:
        """What it is."""
        hostname = socket.gethostname()
        known = {
            "operating_system": platform.system().lower(),
            "kernel_version": platform.release(),
            "architecture": platform.machine(),
            "cpus": str(os.cpu_count() or 1),
            "memory_bytes": str(psutil.virtual_memory().total),
        }
        return NodeInfo(hostname, hostname, _address(), self._read(), known)

    def label(self, node: str, value: str) -> NodeInfo:
        """Give it the label. Raises NotFoundError for the name of another machine."""
        self._check(node)
        write_private(self._labels, json.dumps({**self._read(), LABEL: value}))
        return self.info

    def unlabel(self, node: str, value: str) -> NodeInfo:
        """Take the label away. Raises NotFoundError for another machine or value."""
        self._check(node)
        labels = self._read()
        if labels.get(LABEL) != value:
            raise NotFoundError(f"node {node} has no label {LABEL}={value}")
        del labels[LABEL]
        write_private(self._labels, json.dumps(labels))
        return self.info

    def check_room(self, wanted: Sequence[ClusterSpec], running: Sequence[ClusterSpec]) -> None:
        """Raise InsufficientRoomError if the wanted clusters do not fit beside the running ones."""
        budget = self._memory_bytes or int(psutil.virtual_memory().total * _SHARE)
        needed, taken = _bytes_of(wanted), _bytes_of(running)
        if needed + taken > budget:
            members = sum(spec.replicas for spec in wanted)
            raise InsufficientRoomError(
                f"{members} more members need {_mib(needed)} MiB, and {_mib(max(0, budget - taken))} of the "
                f"{_mib(budget)} MiB that clusters may take are left: remove some, ask for fewer replicas or less "
                "maxmemory, or set FRAMEDB_MACHINE_MEMORY_BYTES"
            )
        ports = 2 * sum(spec.replicas for spec in wanted)
        free = sum(1 for _ in islice(filter(server.is_free, self._ports), ports))
        if free < ports:
            raise InsufficientRoomError(
                f"{ports} ports are needed, and {free} from {self._ports.start} to {self._ports.stop - 1} are free: "
                "stop what listens there, or ask for less"
            )

    def _check(self, node: str) -> None:
        if node != socket.gethostname():
            raise NotFoundError(f"there is no node {node}: this machine is {socket.gethostname()}")

    def _read(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._labels.read_text()))
        except FileNotFoundError:
            return {}


def _bytes_of(specs: Sequence[ClusterSpec]) -> int:
    return sum(spec.replicas * spec.member_bytes for spec in specs)


def _mib(size: int) -> str:
    return f"{-(-size // MiB):,}"


def _address() -> str:
    """The first address that others may reach it at."""
    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            if address.family == socket.AF_INET and not address.address.startswith("127."):
                return address.address
    return "127.0.0.1"
