"""The configuration file of a sentinel: what we want, and what it must not forget.

A sentinel writes into its own file. What it voted for must outlive it, or it votes twice in one election; everything else
is known better from the specification, and from the sentinels that live.
"""

from dataclasses import dataclass
from pathlib import Path

from framedb.clusters.peers import MASTER_NAME, Standing, ask_all, named_master, standing
from framedb.clusters.server_spec import Membership, ServerSpec


@dataclass(frozen=True, slots=True)
class Memory:
    """What a sentinel wrote into its file."""

    address: tuple[str, int] | None = None
    """The master it knew last."""
    config_epoch: int = 0
    leader_epoch: int = 0
    current_epoch: int = 0


def read_memory(path: Path) -> Memory:
    """What the file says; nothing if there is none."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return Memory()
    known = {line[1]: line[2:] for line in lines if len(line) > 2 and line[0] == "sentinel"}
    try:
        monitored = known.get("monitor", [])
        address = (monitored[1], int(monitored[2])) if len(monitored) > 2 else None
        config_epoch, leader_epoch = (int(known.get(name, ["", "0"])[1]) for name in ("config-epoch", "leader-epoch"))
        return Memory(address, config_epoch, leader_epoch, int(known.get("current-epoch", ["0"])[0]))
    except (ValueError, IndexError):
        return Memory()  # cut off in the middle of a line


def sentinel_directives(spec: ServerSpec, membership: Membership) -> list[tuple[str, str]]:
    """Directives beyond those of the specification: whom to watch, and what all sentinels of a cluster know.

    All members and sentinels are named, so that they agree at once instead of after finding each other.
    """
    memory = read_memory(spec.config_path)
    (host, port), config_epoch = _watched(spec, membership, memory)
    lines = [
        f"myid {membership.sentinel_id(membership.ordinal)}",
        f"monitor {MASTER_NAME} {host} {port} {membership.quorum}",
        f"config-epoch {MASTER_NAME} {config_epoch}",
        f"leader-epoch {MASTER_NAME} {memory.leader_epoch}",
        f"current-epoch {max(memory.current_epoch, config_epoch)}",
        f"auth-user {MASTER_NAME} {membership.cluster}",
        f"auth-pass {MASTER_NAME} {membership.acl_password}",
    ]
    for peer in membership.members:
        if peer.address != (host, port):
            lines.append(f"known-replica {MASTER_NAME} {peer.host} {peer.port}")
    for peer in membership.peers:
        identity = membership.sentinel_id(peer.ordinal)
        lines.append(f"known-sentinel {MASTER_NAME} {peer.host} {peer.sentinel_port} {identity}")
    return [("sentinel", line) for line in lines]


def _watched(spec: ServerSpec, membership: Membership, memory: Memory) -> tuple[tuple[str, int], int]:
    """The master, and the version of the configuration that says so.

    Whom the living sentinels name; else the only member that says it is one; else whom this sentinel knew last.
    """
    addresses = [peer.address for peer in membership.members]
    named = named_master(spec, but=membership.ordinal)
    if named is not None and named.address in addresses:
        return named.address, named.epoch
    found = ask_all(lambda peer: standing(membership, peer), membership.members)
    masters = [address for address, is_what in zip(addresses, found, strict=True) if is_what is Standing.MASTER]
    if len(masters) == 1:
        return masters[0], memory.config_epoch
    if memory.address is not None and memory.address in addresses:
        return memory.address, memory.config_epoch
    return addresses[0], memory.config_epoch
