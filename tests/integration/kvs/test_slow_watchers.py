"""Watchers that read slowly, never, or come by the thousand: nobody waits for them."""

import asyncio
import json
import socket
import time

import pytest
from websockets.asyncio.client import ClientConnection, connect

from framedb.attributes.attribute import Attribute
from framedb.server.kvs import feed, running
from tests.integration.kvs.serving import Served, end_of, served
from tests.integration.kvs.wire import attribute, integer, part

UPGRADE = (
    b"GET /kvs/events/full HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
LARGE = attribute("large", "one", part(2, part(2, bytes(100_000))))


def deaf_watcher(kvs: Served) -> socket.socket:
    """A watcher that never reads, with little room for what it is sent."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", kvs.port))
    connection.sendall(UPGRADE)
    assert connection.recv(12) == b"HTTP/1.1 101"
    return connection


def is_left_alone(kvs: Served) -> bool:
    """Whether the last watcher is gone, within a while."""
    deadline = time.monotonic() + 30
    while kvs.metric("framedb_kvs_websockets") and time.monotonic() < deadline:
        time.sleep(0.02)
    return kvs.metric("framedb_kvs_websockets") == 0


def test_a_watcher_that_falls_behind_is_told_so_with_1013(kvs: Served) -> None:
    with kvs.watch() as watcher:
        # Its client reads ahead a little; then the system's buffers fill, then what is kept for it.
        for number in range(200 * feed.MAX_WAITING):
            kvs.store.set([Attribute.persistent("ns" * 200, f"{number}", [])])
            if number % 1000 == 0 and kvs.metric("framedb_kvs_websockets_behind_total"):
                break
        kvs.post("/kvs/delete/*/*")
        assert end_of(watcher) == feed.BEHIND


def test_a_watcher_that_never_reads_keeps_nobody_waiting(kvs: Served) -> None:
    with deaf_watcher(kvs), kvs.watch("/kvs/events/meta") as other:
        for number in range(200):
            kvs.post("/kvs/set", LARGE)
            kvs.post("/kvs/set", attribute("n", "n", integer(number)))
            assert [json.loads(other.recv(timeout=30))[0]["namespace"] for _ in range(2)] == ["large", "n"]
        assert kvs.get("/kvs/get/n/n") == attribute("n", "n", integer(199))


def test_what_waits_for_a_watcher_is_bounded_in_bytes(kvs: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_WAITING_BYTES", 1_000_000)
    with deaf_watcher(kvs) as watcher:
        for _ in range(300):
            kvs.post("/kvs/set", LARGE)
        got = watcher.makefile("rb").read()
    assert len(got) < 200 * len(LARGE)
    assert got.endswith(feed.BEHIND.why.encode())


def test_a_watcher_that_never_reads_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_DEAF_MS", 1000)
    with served() as kvs, deaf_watcher(kvs):
        for _ in range(200):
            kvs.post("/kvs/set", LARGE)
        assert is_left_alone(kvs)


def test_a_server_stops_though_a_watcher_never_reads() -> None:
    with served() as kvs:
        watcher = deaf_watcher(kvs)
        for _ in range(200):
            kvs.post("/kvs/set", LARGE)
    watcher.close()


def test_a_watcher_that_breaks_off_is_forgotten(kvs: Served) -> None:
    for _ in range(3):
        with deaf_watcher(kvs) as watcher:
            watcher.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # a reset
    with deaf_watcher(kvs) as watcher:
        watcher.shutdown(socket.SHUT_WR)
        assert is_left_alone(kvs)


def test_a_thousand_watchers_see_every_change(kvs: Served) -> None:
    async def watch() -> None:
        watchers = [await connected(kvs) for _ in range(1000)]
        assert kvs.store.stats.watchers == 1
        for number in range(3):
            await asyncio.to_thread(kvs.post, "/kvs/set", attribute("n", str(number), integer(number)))
        for watcher in watchers:
            names = [json.loads(await watcher.recv())[0]["name"] for _ in range(3)]
            assert names == ["0", "1", "2"]
        for watcher in watchers:
            watcher.transport.abort()

    asyncio.run(watch())
    assert is_left_alone(kvs)
    assert kvs.store.stats.watchers == 0


async def connected(kvs: Served) -> ClientConnection:
    return await connect(
        f"ws://127.0.0.1:{kvs.port}/kvs/events/meta", proxy=None, compression=None, ping_interval=None, open_timeout=60
    )
