"""A client's cache spares bytes, and hides nobody's change."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3

from framedb import connect
from framedb.client import FrameDB
from framedb.client.http import NodeClient, quoted
from framedb.client.objects import HTTPStore
from tests.acceptance.conftest import UpNode

KEY = "cached/picture"
MiB = 2**20


@pytest.fixture
def cached(node: UpNode) -> Iterator[FrameDB]:
    """A client with a cache, which has read the object already."""
    with node.connect() as other:
        other.put(KEY, b"old", durable=True)
        with connect(node.url, cache_bytes=8 * MiB) as db:
            frame = db.get(KEY)
            assert frame is not None
            assert bytes(frame.view()) == b"old"
            yield db
        other.delete(KEY)


def test_an_object_that_is_still_the_same_is_not_sent_again(cached: FrameDB) -> None:
    before = cached.cache_info()
    first, second, buffer = cached.get(KEY), cached.get(KEY), bytearray(8)
    assert first == second
    assert cached.get_into(KEY, buffer) == 3
    assert buffer == b"old" + bytes(5)
    info = cached.cache_info()
    assert (info.hits - before.hits, info.misses, info.count) == (3, 1, 1)


def test_an_object_that_was_read_into_a_buffer_is_kept_too(cached: FrameDB) -> None:
    cached.put(KEY, b"new", durable=True)
    buffer = bytearray(3)
    assert cached.get_into(KEY, buffer) == 3
    buffer[:] = b"..."  # the caller's own, to write into
    frame = cached.get(KEY)
    assert frame is not None
    assert bytes(frame.view()) == b"new"
    assert cached.cache_info().hits == 1


def by_curl(node: UpNode, data: bytes, query: str = "") -> None:
    answer = urllib3.request("PUT", f"{node.url}/v1/objects/{quoted(KEY)}{query}", body=data)
    assert answer.status == 201


def by_another_client(node: UpNode, data: bytes, durable: bool = True) -> None:
    with node.connect() as db:
        assert db.put(KEY, data, durable=durable, ttl=60)


@pytest.mark.parametrize(
    "overwrite",
    [
        by_another_client,
        by_curl,
        lambda node, data: by_curl(node, data, "?type=in-memory&ttl=60"),
        lambda node, data: by_another_client(node, data, durable=False),
    ],
    ids=["sdk", "http", "http-into-memory", "memory-over-it"],
)
def test_whoever_overwrites_it_is_seen_by_the_next_read(
    node: UpNode, cached: FrameDB, overwrite: Callable[[UpNode, bytes], None]
) -> None:
    for data in (b"new", b"NEW"):  # of the same length, too
        overwrite(node, data)
        for _ in range(2):
            frame = cached.get(KEY)
            assert frame is not None
            assert bytes(frame.view()) == data


def test_an_object_that_was_deleted_is_gone_from_the_cache(node: UpNode, cached: FrameDB) -> None:
    with node.connect() as other:
        assert other.delete(KEY) == 1
    assert cached.get(KEY) is None
    assert cached.get_into(KEY, bytearray(3)) is None
    assert cached.cache_info().count == 0


def test_what_is_in_memory_is_never_kept_for_it_may_change_unseen(node: UpNode) -> None:
    by_curl(node, b"in memory", "?type=in-memory&ttl=60")
    client = NodeClient(node.url)
    store = HTTPStore(client, cache_bytes=MiB)
    assert store.get(KEY) == store.get(KEY)
    assert (store.cache_info().hits, store.cache_info().count) == (0, 0)
    client.close()


def test_readers_of_one_cache_never_see_less_than_what_was_acknowledged_before(node: UpNode) -> None:
    written = 0
    done = threading.Event()

    def read(db: FrameDB) -> int:
        reads = 0
        while not done.is_set():
            at_least = written
            frame = db.get("cached/counter")
            assert frame is not None
            number, _, rest = bytes(frame.view()).partition(b" ")
            assert int(number) >= at_least
            assert rest == number * 1000  # one version, not two
            reads += 1
        return reads

    with node.connect() as writer, connect(node.url, cache_bytes=MiB) as db, ThreadPoolExecutor(4) as pool:
        writer.put("cached/counter", b"0 " + b"0" * 1000, durable=True)
        readers = [pool.submit(read, db) for _ in range(4)]
        try:
            for number in range(1, 25):
                writer.put("cached/counter", b"%d " % number + b"%d" % number * 1000, durable=True)
                written = number
        finally:
            done.set()
        assert sum(reader.result() for reader in readers) > 0
        assert db.cache_info().bytes <= MiB
        writer.delete("cached/counter")
