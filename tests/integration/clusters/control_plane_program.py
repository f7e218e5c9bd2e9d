"""A control plane that makes one change, to be killed in the middle of it: DATA_DIR DATABASE_URL CHANGE NAME [REPLICAS].

It says `ready` when it could begin, and begins with the next line it is sent.
"""

import sys
from pathlib import Path

from framedb.clusters.drivers.local import LocalDriver
from framedb.clusters.reconcile import Reconciler
from framedb.clusters.service import ClusterService
from framedb.registry import open_engine

from .planes import small


def main(data_dir: str, url: str, change: str, name: str, replicas: str = "1") -> None:
    """One change."""
    service = ClusterService(open_engine(url), LocalDriver(Path(data_dir)))
    print("ready", flush=True)
    sys.stdin.readline()
    if change == "create":
        service.create(small(name, replicas=int(replicas)))
    elif change == "remove":
        service.remove(name)
    elif change == "scale":
        service.scale(name, int(replicas))
    else:
        reconciler = Reconciler(service)
        reconciler.once(wait_for=60)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
