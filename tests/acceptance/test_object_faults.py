"""Objects on a node as a user starts it: cut off at any point, written by two at once, and larger than its memory."""

import hashlib
import json
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psutil
import pytest
import urllib3

from framedb.config import MiB
from framedb.resp import close_redis, open_redis, parse_redis_url
from tests.acceptance.conftest import UpNode, node_on, object_service, until
from tests.acceptance.upload_program import block
from tests.integration.object_service.peak import Peak

EARLIER = b"the earlier one"
ROOMY = {"FRAMEDB_FRAMES_MAXMEMORY_BYTES": str(1200 * MiB)}
GONE = -2
"""What PTTL says of a key that went away meanwhile."""
MOST = 80 * MiB
"""Of memory above idle, at either end of a transfer."""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpNode]:
    """A node with room for objects in memory."""
    with node_on(tmp_path_factory.mktemp("objects"), "--no-workers", **ROOMY) as node:
        yield node


@pytest.fixture
def pool() -> Iterator[urllib3.PoolManager]:
    """Plain HTTP."""
    with urllib3.PoolManager(maxsize=4, retries=False, timeout=urllib3.Timeout(connect=5, read=600)) as manager:
        yield manager


def url_of(up: UpNode, key: str, query: str = "") -> str:
    return f"{up.url}/v1/objects/{key}{query}"


def chunks_of(up: UpNode) -> tuple[int, int]:
    """Chunks on disk, and versions that nothing leads to."""
    path = up.data_dir / "persistent" / "local.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        count = database.execute(
            "SELECT (SELECT COUNT(*) FROM frame_chunks), (SELECT COUNT(*) FROM frame_loose_versions)"
        )
        found: tuple[int, int] = count.fetchone()
        return found


def drop_parts(up: UpNode) -> list[int]:
    """Remove the parts of objects in memory, as time would; milliseconds they had left to live, -1 for those that stay."""
    connection = json.loads(urllib3.request("GET", f"{up.url}/v1/connection?framedb_id=local").data)
    url = f"redis://:{connection['password']}@{connection['master']['host']}:{connection['master']['port']}"
    client = open_redis(parse_redis_url(url))
    try:
        keys = list(client.scan_iter("fdb:part:*"))
        lives = [int(client.pttl(key)) for key in keys]
        for key in keys:
            client.unlink(key)
        return [left for left in lives if left != GONE]
    finally:
        close_redis(client)


def start_upload(up: UpNode, face: str, key: str, kind: str, *sizes: int) -> "subprocess.Popen[str]":
    where = up.url if face == "http" else str(up.told()["grpc"])
    program = [sys.executable, "-m", "tests.acceptance.upload_program", face, where, key, kind, *map(str, sizes)]
    return subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def test_an_upload_that_is_cut_off_anywhere_is_never_seen_and_leaves_nothing(
    up: UpNode, pool: urllib3.PoolManager, soak: int
) -> None:
    chance = random.Random(soak)
    for turn in range(soak or 3):
        kind = ("storage", "in-memory")[turn % 2]
        face = ("grpc", "http")[turn // 2 % 2]
        mebibytes = 1024 if soak else 72
        put = pool.request("PUT", url_of(up, "cut", f"?type={kind}"), body=EARLIER)
        assert put.status == 201, put.data
        before = chunks_of(up)
        with start_upload(up, face, "cut", kind, mebibytes, chance.randrange(1, mebibytes)) as uploading:
            assert uploading.stdout is not None
            try:
                assert uploading.stdout.readline() == "so far\n"
                if turn < max(1, soak // 2):  # here it is the server that dies, later on the sender
                    up.kill()
                    up.start("--no-workers")
                else:
                    assert pool.request("GET", url_of(up, "cut")).data == EARLIER
            finally:
                uploading.kill()
        assert pool.request("GET", url_of(up, "cut")).data == EARLIER
        until(lambda before=before: chunks_of(up) == before, "the chunks to be gone")  # type: ignore[misc]
        # What a server that was killed has left in memory goes by itself.
        lives = drop_parts(up)
        assert all(0 < left <= 900_000 for left in lives), lives
        whole = b"".join(map(block, range(70)))
        assert pool.request("PUT", url_of(up, "cut", f"?type={kind}"), body=whole).status == 201
        assert pool.request("GET", url_of(up, "cut")).data == whole
        assert pool.request("DELETE", url_of(up, "cut")).json() == {"deleted": 1}


@pytest.mark.parametrize("kind", ["storage", "in-memory"])
def test_a_large_object_goes_in_and_out_over_http_in_little_memory(
    up: UpNode, pool: urllib3.PoolManager, kind: str, soak: int
) -> None:
    mebibytes = 1024 if soak else 72
    assert up.process is not None
    node, mine = psutil.Process(up.process.pid), psutil.Process()
    headers = {"Content-Length": str(mebibytes * MiB)}
    for _ in range(2):  # code and pools are loaded: from here on it is idle
        pool.request("PUT", url_of(up, "warm", f"?type={kind}"), body=b"x")
        pool.request("GET", url_of(up, "warm"))
    with Peak(node) as server, Peak(mine) as client:
        put = pool.request(
            "PUT", url_of(up, "large", f"?type={kind}"), body=map(block, range(mebibytes)), headers=headers
        )
        assert put.status == 201, put.data
        answer = pool.request("GET", url_of(up, "large"), preload_content=False)
        digest = hashlib.sha256()
        for piece in answer.stream(MiB):
            digest.update(piece)
        answer.release_conn()
    wanted = hashlib.sha256()
    for number in range(mebibytes):
        wanted.update(block(number))
    assert digest.digest() == wanted.digest()
    print(f"{kind}, {mebibytes} MiB: server +{server.grown / MiB:.1f} MiB, client +{client.grown / MiB:.1f} MiB")
    assert server.grown < MOST
    assert client.grown < MOST
    assert pool.request("DELETE", url_of(up, "large")).json() == {"deleted": 1}


@pytest.fixture(scope="module")
def second(up: UpNode) -> Iterator[str]:
    """The object service of another process on the same data."""
    with object_service(up) as address:
        yield address


def test_writers_of_one_key_in_two_processes_leave_one_whole_object_in_one_place(
    up: UpNode, second: str, pool: urllib3.PoolManager, soak: int
) -> None:
    from framedb_writer_client import ObjectsAPI

    key, sizes = "contended", (100, 3 * MiB, 9 * MiB + 7)
    turns = (soak or 2) * 6
    written = threading.Event()

    def over_http() -> None:
        for turn in range(turns):
            kind, data = ("storage", "in-memory")[turn % 2], b"H" * sizes[turn % 3]
            answer = pool.request("PUT", url_of(up, key, f"?type={kind}"), body=data)
            assert answer.status == 201, answer.data

    def over_grpc() -> None:
        with ObjectsAPI(second) as api:
            for turn in range(turns):
                write = (api.write_to_memory, api.write_to_persistent)[turn % 2]
                answer = write("local", b"G" * sizes[turn % 3], key=key)
                assert answer.success, answer.message

    def read() -> int:
        reads = 0
        while not written.is_set() or not reads:
            answer = pool.request("GET", url_of(up, key))
            assert answer.status == 200, answer.data
            assert len(answer.data) in sizes
            assert len(set(answer.data)) == 1
            reads += 1
        return reads

    before = chunks_of(up)[0]
    pool.request("PUT", url_of(up, key), body=b"H" * 100)
    with ThreadPoolExecutor(3) as threads:
        reader = threads.submit(read)
        try:
            for writer in [threads.submit(over_http), threads.submit(over_grpc)]:
                writer.result()
        finally:
            written.set()
        assert reader.result()
    found = [pool.request("GET", url_of(up, key, "?framedb_id=local")).headers["X-FrameDB-Type"]]
    assert found == [pool.request("GET", url_of(up, key)).headers["X-FrameDB-Type"]]
    assert pool.request("DELETE", url_of(up, key)).json() == {"deleted": 1}
    assert pool.request("GET", url_of(up, key)).status == 404
    until(lambda: chunks_of(up) == (before, 0), "no chunk of it to be left")
    lives = drop_parts(up)
    assert all(left > 0 for left in lives), lives


def test_what_cannot_be_a_key_or_an_object_is_refused_in_one_line_that_names_it(
    up: UpNode, pool: urllib3.PoolManager
) -> None:
    wrong = [
        ("k" * 2000, "", {}, 400, "the key has 2000 bytes; at most 1024 are legal"),
        ("%ff%fe", "", {}, 400, "is not valid UTF-8"),
        ("fdb:q", "", {}, 400, "'fdb:q': keys that begin with 'fdb:' are FrameDB's own"),
        ("one", "", {"X-FrameDB-Metadata": "[1]"}, 400, "must hold a JSON object (key=one)"),
        ("one", "?type=tape", {}, 400, "Unsupported type: tape"),
        ("one", "?type=stream", {}, 400, "push them"),
        ("one", "?framedb_id=nowhere", {}, 404, "FrameDB instance not found: nowhere"),
        ("one", "?framedb_id=nowhere&type=in-memory", {}, 404, "FrameDB instance not found: nowhere"),
        ("one", "?ttl=0", {}, 400, "give more than 0"),
    ]
    for key, query, headers, status, said in wrong:
        answer = pool.request("PUT", url_of(up, key, query), body=b"data", headers=headers)
        error = answer.json()["error"]
        assert (answer.status, said in error) == (status, True), error
        assert "\n" not in error
        assert key != "one" or "one" in error
        if key != "%ff%fe":
            assert pool.request("GET", url_of(up, key)).status == 404
    for spelled in ("%ff%fe", "%fe%ff", "a/%c3"):  # U+FFFD in their place would make one key of all
        for method in ("GET", "HEAD", "DELETE"):
            assert pool.request(method, url_of(up, spelled)).status == 400
    assert pool.request("GET", url_of(up, "%EF%BF%BD")).status == 404
