"""An object server in a process of its own: `python -m ... FOLDER HOST PORT PASSWORD`. It stops when its input ends."""

import sys
from pathlib import Path

from framedb.resp import Endpoint
from framedb.server.grpc import ObjectServer
from tests.integration.object_service.instances import opened_objects


def main() -> None:
    """Serve until nobody holds the other end of the input."""
    folder, host, port, password = sys.argv[1:]
    with (
        opened_objects(Path(folder), {"local": Endpoint(host, int(port), password=password)}) as (objects, _, _),
        ObjectServer(objects, port=0) as server,
    ):
        print(server.address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
