"""What the other members of a cluster, and its sentinels, say at this moment."""

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from framedb.clusters.conversation import Conversation, NotRedisError, Refused
from framedb.clusters.server_spec import Membership, Peer, ServerSpec

MASTER_NAME = "mymaster"
"""As in `resp.sentinel`, which would cost the import of the Redis client."""
T = TypeVar("T")
Whom = TypeVar("Whom")
_TIMEOUT = 1.0  # seconds for an answer: as long as a sentinel waits before it calls a server down


class Standing(enum.Enum):
    """What a member is, as far as the data are concerned."""

    GONE = "gone"
    """No process of this member listens: it holds nothing."""
    SILENT = "silent"
    """Something listens and does not answer: it may hold data."""
    EMPTY = "empty"
    """A replica that never had a copy."""
    HOLDING = "holding"
    """A replica with data, or one that is loading some."""
    MASTER = "master"


@dataclass(frozen=True, slots=True)
class Opinion:
    """Who is master, according to one sentinel."""

    epoch: int
    """Version of its configuration: one that was away, or restarted from an old file, has an older one."""
    address: tuple[str, int]


def standings(membership: Membership) -> dict[Peer, Standing]:
    """What each of the other members is, all asked at once."""
    peers = membership.peers
    return dict(zip(peers, ask_all(lambda peer: standing(membership, peer), peers), strict=True))


def standing(membership: Membership, peer: Peer) -> Standing:
    """What this member is. Only a member of the same cluster lets our user in; another's server on that port is not it."""
    try:
        with Conversation(
            peer.address, username=membership.cluster, password=membership.acl_password, timeout=_TIMEOUT
        ) as server:
            replication = server.fields("INFO", "replication")
            if replication["role"] == "master":
                return Standing.MASTER
            loading = server.fields("INFO", "persistence")["loading"] != "0"
            if loading or has_copy(server, replication):
                return Standing.HOLDING
            return Standing.EMPTY
    except Refused as refused:
        return Standing.HOLDING if str(refused).startswith(("LOADING", "BUSY")) else Standing.GONE
    except (ConnectionRefusedError, ConnectionResetError, NotRedisError):
        return Standing.GONE
    except (OSError, KeyError, ValueError):
        return Standing.SILENT


def has_copy(replica: Conversation, replication: Mapping[str, str]) -> bool:
    """Whether the replica ever had a copy, by `replication`, which it just told.

    The offset tells the replica of an empty master, which has functions and policies, from one that has nothing.
    """
    return int(replication["master_repl_offset"]) > 0 or int(replica.ask("DBSIZE")) > 0


def named_master(spec: ServerSpec, *, but: int | None = None) -> Opinion | None:
    """Whom the sentinels that answer name; None if none does. `but`: an ordinal whose sentinel is not asked.

    The newest configuration counts, and among equally new ones what most say: two masters that die within seconds of
    each other can leave one sentinel with the wrong address in the right epoch.
    """
    membership = spec.membership
    assert membership is not None, "a server that stands alone has no sentinels"
    asked = [peer for peer in membership.members if peer.ordinal != but]
    answers = ask_all(lambda peer: opinion(membership, peer, spec.password), asked)
    return agreed(each for each in answers if each is not None)


def agreed(opinions: Iterable[Opinion]) -> Opinion | None:
    """The newest of the opinions, and of equally new ones the most common."""
    counted = Counter(opinions)
    return max(counted, key=lambda each: (each.epoch, counted[each]), default=None)


def opinion(membership: Membership, peer: Peer, password: str) -> Opinion | None:
    """Whom this member's sentinel names; None if it does not answer, or is another's."""
    try:
        with Conversation(peer.sentinel_address, password=password, timeout=_TIMEOUT) as sentinel:
            if sentinel.ask("SENTINEL", "MYID") != membership.sentinel_id(peer.ordinal):
                return None
            master = sentinel.fields("SENTINEL", "MASTER", MASTER_NAME)
            host, port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME)
            address = (host, int(port))
            # In the middle of a failover it names the new master already, and the epoch of the old one still.
            promoted = address != (master["ip"], int(master["port"]))
            return Opinion(int(master["config-epoch"]) + promoted, address)
    except (OSError, Refused, KeyError, ValueError, TypeError):
        return None


def ask_all(ask: Callable[[Whom], T], peers: list[Whom]) -> list[T]:
    """The answer of each, all asked at the same time."""
    if len(peers) < 2:
        return [ask(peer) for peer in peers]
    with ThreadPoolExecutor(len(peers)) as pool:
        return list(pool.map(ask, peers))
