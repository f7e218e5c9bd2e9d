"""What is left to do once a process has become a server, when its program is no more: a child does it.

A replica begins as one that must never be chosen as master, and may be once it has a copy. A sentinel is told to look more
often than it does by itself.
"""

import os
import time

from framedb.clusters.conversation import Conversation, Refused
from framedb.clusters.peers import MASTER_NAME, has_copy
from framedb.clusters.server_spec import ServerSpec

PERIODS_MS = {
    "ping-period": 500,
    "info-period": 1000,
    "publish-period": 1000,
    "ask-period": 250,
    "tilt-period": 3000,
}
"""How often a sentinel asks. By itself it pings a server it has just met for the first time after a second, exactly when
`down-after-milliseconds 1000` has run out: it calls each new master down for a moment, and may depose it (tried). And it asks
only every ten seconds who replicates from whom, and how far. After four times the `publish-period` it makes a master it does
not know as one a replica: a second each is short for an old one that lives on, and long enough for a new one to be made known.
One that was held up for two seconds, as by a slow disk, does nothing for the `tilt-period`: by itself half a minute (tried),
where three rounds of questions tell it all."""
CHOOSABLE = "100"
"""`replica-priority` of a replica with a copy: what all servers have by default."""
_POLL = 0.1


def leave_behind(spec: ServerSpec) -> None:
    """Start the child that sees to this process once it is the server; it ends with its task, or with the server."""
    server = os.getpid()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    status = 1
    try:
        if os.fork() == 0:  # so it is nobody's child, and needs nobody to collect it
            _be_silent()
            see_to(spec, server)
        status = 0
    finally:
        os._exit(status)


def see_to(spec: ServerSpec, pid: int) -> None:
    """Do what is to be done for the server that process `pid` is, or is becoming; return when it is done, or gone."""
    while not (tell_periods(spec) if spec.sentinel else make_choosable(spec)):
        time.sleep(_POLL)
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return


def tell_periods(spec: ServerSpec) -> bool:
    """Have a sentinel look as often as it should; whether it could be told."""
    try:
        with Conversation(("127.0.0.1", spec.port), password=spec.password) as sentinel:
            for name, value in PERIODS_MS.items():
                sentinel.ask("SENTINEL", "DEBUG", name, str(value))
            return bool(sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME))
    except (OSError, Refused):
        return False


def make_choosable(spec: ServerSpec) -> bool:
    """Let the server be chosen as a master if it has a copy, or is one; whether that is so."""
    try:
        with Conversation(("127.0.0.1", spec.port), password=spec.password) as server:
            replication = server.fields("INFO", "replication")
            if replication["role"] == "slave":
                loading = server.fields("INFO", "persistence")["loading"] != "0"
                if loading or replication["master_sync_in_progress"] != "0" or not has_copy(server, replication):
                    return False
            server.ask("CONFIG", "SET", "replica-priority", CHOOSABLE)
            return True
    except (OSError, Refused, KeyError, ValueError):
        return False


def _be_silent() -> None:
    """Let go of what the server's starter gave it: somebody may wait for the end of that stream."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
