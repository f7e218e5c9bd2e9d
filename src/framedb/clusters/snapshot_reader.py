"""A Valkey that only reads a snapshot, and lives no longer than the thread that reads through it.

`python -m framedb.clusters.snapshot_reader FOLDER` becomes that server. It is no member of anything: it listens on a Unix
socket in its folder alone, and writes nothing.
"""

import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from framedb.clusters.server_spec import valkey_binary, write_private
from framedb.config import MiB
from framedb.errors import DeadlineExceededError, EngineError, StoreError
from framedb.resp import Endpoint, close_redis, open_redis, translated

_PR_SET_PDEATHSIG = 1
_START = 30.0  # seconds to answer, and to load a small file
_LOADS_PER_SECOND = 20 * MiB  # bytes, on a slow disk; a usual one reads twenty times as many
_POLL = 0.05


@contextmanager
def read_snapshot(path: Path) -> Iterator[Endpoint]:
    """A server that holds what is in the file, for the length of the block.

    Raises EngineError for a file that cannot be loaded.
    """
    folder = Path(tempfile.mkdtemp(prefix="framedb-restore-"))  # its path is short enough for a socket
    try:
        (folder / "snapshot.rdb").symlink_to(path)
        password = secrets.token_urlsafe(24)
        write_private(folder / "valkey.conf", _configuration(folder, password))
        with (folder / "valkey.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "framedb.clusters.snapshot_reader", str(folder), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            endpoint = Endpoint("127.0.0.1", 0, uds=str(folder / "s"), password=password)
            _wait_until_loaded(endpoint, process, path, folder / "valkey.log")
            yield endpoint
        finally:
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(folder)


def become(folder: Path, parent: int) -> None:
    """Replace this process by the server; it is killed when the thread that started it ends, however that comes."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise EngineError(f"cannot be tied to its parent: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        return  # it died before it could be said
    binary = valkey_binary()
    os.execv(binary, [binary, str(folder / "valkey.conf")])  # noqa: S606  - no shell wanted


def _configuration(folder: Path, password: str) -> str:
    return "".join(
        f"{line}\n"
        for line in (
            "port 0",
            f'unixsocket "{folder / "s"}"',
            "unixsocketperm 700",
            f'dir "{folder}"',
            "dbfilename snapshot.rdb",
            'save ""',
            "appendonly no",
            "maxmemory 0",
            f"requirepass {password}",
        )
    )


def _wait_until_loaded(endpoint: Endpoint, process: "subprocess.Popen[bytes]", path: Path, log: Path) -> None:
    deadline = time.monotonic() + _START + path.stat().st_size / _LOADS_PER_SECOND
    client = open_redis(endpoint, verify=False)
    try:
        while True:
            try:
                with translated("the reader of the snapshot"):
                    client.ping()  # refused while it loads
                return
            except StoreError:
                if process.poll() is not None:
                    raise EngineError(f"the snapshot {path} cannot be loaded: {_last_line(log)}") from None
                if time.monotonic() > deadline:
                    raise DeadlineExceededError(f"the snapshot {path} takes too long to load: try again") from None
            time.sleep(_POLL)
    finally:
        close_redis(client)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1].strip() if lines else "the server said nothing"


if __name__ == "__main__":
    become(Path(sys.argv[1]), int(sys.argv[2]))
