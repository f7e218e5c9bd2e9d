"""`framedb member`: one server of a cluster, started by hand or as the program of a container."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from framedb.cli.output import fail

EXAMPLE = "Example: framedb member runtime/clusters/demo/demo-redis-node-1"


def member(
    folder: Annotated[
        Path, typer.Argument(help="The folder of a member, or of the sentinel in it: there is a server.json")
    ],
) -> None:
    """Become the server of a folder, in the place it has among the others now.

    It takes over this process, until it is stopped. A member whose data lie elsewhere never starts as the master: it
    waits until the sentinels have chosen one, for up to a minute. The node, while it runs, does the same by itself.
    """
    path = folder.absolute()
    if not (path / "server.json").is_file():
        raise fail(f"{folder} is no server's folder: it has no server.json. `framedb cluster create` makes clusters")
    sys.stdout.flush()
    # The program is named as ever on its command line: that is how what runs here is found.
    command = [sys.executable, "-m", "framedb.clusters.member", str(path)]
    os.execv(sys.executable, command)  # noqa: S606  - no shell wanted
