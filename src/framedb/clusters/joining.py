"""How a member that starts finds its place: whose replica it is, or that it is the master.

A master without persistence that comes back at once comes back empty, and its replicas would copy the emptiness. So it
stays away, and its port closed, until the sentinels have made another one master; one that answered as an empty replica would
keep them from it, for as long as they get answers (tried: never within a minute).
"""

import time
from dataclasses import dataclass

from framedb.clusters.peers import Standing, named_master, standings
from framedb.clusters.server_spec import Membership, Peer, ServerSpec
from framedb.errors import EngineError

PATIENCE = 60.0
"""Seconds a member stays away before it gives up. A failover takes 2 to 4, one that failed is tried again within 10."""
TURN = 2.0
"""Seconds the members wait for each with a lower ordinal when nobody knows of a master."""
ABSENT = 10.0
"""Seconds an absent master is waited for when nobody holds anything that could be lost."""
_POLL = 0.1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member starts."""

    master: tuple[str, int] | None
    """Whose replica it is; None: it is the master."""


def find_place(spec: ServerSpec, *, first: bool = False) -> Place:
    """The place of the member among the others as they are now.

    `first`: whoever starts it knows that no other member runs, and it need not wait its turn. Raises EngineError if it cannot
    be known within a minute.
    """
    membership = spec.membership
    if membership is None or not membership.peers:
        return Place(None)
    began = time.monotonic()
    while True:
        waited = time.monotonic() - began
        place, reason = _look(spec, membership, waited=waited, first=first)
        if place is not None:
            return place
        if waited > PATIENCE:
            raise EngineError(f"{spec.name} stayed away for {PATIENCE:g} s: {reason}")
        time.sleep(_POLL)


def _look(spec: ServerSpec, membership: Membership, *, waited: float, first: bool) -> tuple[Place | None, str]:
    """The place, or why there is none yet."""
    named = named_master(spec)
    others = standings(membership)
    masters = [peer.address for peer, is_what in others.items() if is_what is Standing.MASTER]
    addresses = [peer.address for peer in membership.peers]
    if named is not None and named.address in masters:
        return Place(named.address), ""
    if masters:
        return Place(masters[0]), ""
    holding, silent = _with(others, Standing.HOLDING), _with(others, Standing.SILENT)
    if (holding or silent) and named is not None and named.address in addresses:
        return Place(named.address), ""  # a replica without data waits with the others for what the sentinels do
    if holding:
        return None, (
            f"{_listed(holding)} holds data, and the sentinels have not made it master: see that most of them run"
        )
    if silent:
        return None, f"{_listed(silent)} does not answer, and may hold data: stop it, or wake it up"
    # Nobody holds anything: whoever begins, nothing is lost.
    if first or (named is not None and named.address == membership.me.address):
        return Place(None), ""
    turn = TURN * sum(peer.ordinal < membership.ordinal for peer in membership.peers)
    if named is not None and named.address in addresses:
        turn += ABSENT  # it goes first when it comes back
    return (Place(None), "") if waited >= turn else (None, "it waits its turn")


def _with(others: dict[Peer, Standing], wanted: Standing) -> list[Peer]:
    return [peer for peer, is_what in others.items() if is_what is wanted]


def _listed(peers: list[Peer]) -> str:
    return ", ".join(f"{peer.host}:{peer.port}" for peer in peers)
