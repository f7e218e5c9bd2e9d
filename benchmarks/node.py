"""The node that benchmarks run on, started as a user would."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.acceptance.conftest import node_on

import framedb
from benchmarks.target import Target

MEMORY_BYTES = 2 * 2**30  # a source may hold an eighth: everything one side writes stays, so that nothing is evicted


@contextmanager
def running_target() -> Iterator[Target]:
    """A node of our own in a temporary folder, without workers."""
    maxmemory = {"FRAMEDB_FRAMES_MAXMEMORY_BYTES": str(MEMORY_BYTES)}
    with (
        TemporaryDirectory(prefix="framedb-bench-") as folder,
        node_on(Path(folder), "--no-workers", **maxmemory) as up,
    ):
        with framedb.connect(up.url) as db:
            master = db.connection().master
        assert master.uds is not None
        assert up.process is not None
        yield Target(
            url=up.url,
            grpc=up.told()["grpc"],
            pid=up.process.pid,
            host=master.host,
            port=master.port,
            uds=master.uds,
            username=master.username,
            password=master.password,
        )
