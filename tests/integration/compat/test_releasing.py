"""`decr_batch_keys` on a real server: in a thread, until it has succeeded, and once."""

import os
import random
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing

import pytest

from framedb.resp import Endpoint, MasterClient, Redis
from framedb.stores.memory import MemoryStore
from framedb_api.framedb import FrameDB
from tests.engines.cluster import eventually
from tests.integration.compat.conftest import MakeReader, reader_of
from tests.integration.compat.test_reader import connection_of
from tests.integration.resp.conftest import MortalValkey, mortal_valkey  # noqa: F401

SOURCE = "cam"
P = "cam?0?0__7"
SIZES = ["416x416", "80x60"]


def push(framedb: FrameDB, prefix: str = P, *, consumers: int) -> None:
    outputs = {f"{prefix}__{size}": b"x" for size in SIZES} | {f"ref__{prefix}": consumers}
    assert framedb.push_sync(connection_of(framedb, SOURCE), outputs) == (True, "Wrote keys to FrameDB")


def left(redis: Redis, prefix: str = P) -> int:
    return int(redis.exists(f"ref__{prefix}", *(f"{prefix}__{size}" for size in SIZES)))


def test_the_last_release_takes_the_frame_away(framedb: FrameDB, redis: Redis) -> None:
    push(framedb, consumers=2)
    channel = framedb.register_frame_delete_channel(SOURCE)
    assert channel == (True, f"Registered delete channel for source {SOURCE}")
    assert framedb.decr_batch_keys(SOURCE, {f"ref__{P}": (1, SIZES)})[0]
    eventually(lambda: redis.get(f"ref__{P}") == b"1", "the count to go down")
    assert left(redis) == 3
    framedb.decr_batch_keys(SOURCE, {f"ref__{P}": (1, SIZES)})
    eventually(lambda: left(redis) == 0, "the frame to go")


@pytest.mark.parametrize(
    "keys", [{"P": (1, ["80x60"])}, {"ref__P": 1}, {"ref__P": (-1, [])}, {"ref__P": (1, "80x60")}, [], {"ref__P": (1,)}]
)
def test_a_release_that_is_none_is_refused(framedb: FrameDB, keys: object) -> None:
    released, why = framedb.decr_batch_keys(SOURCE, keys)  # type: ignore[arg-type]
    assert not released
    assert why


def test_a_release_waits_for_a_server_that_hangs_and_counts_once(
    mortal_valkey: MortalValkey,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(reader_of(mortal_valkey.endpoint, monkeypatch)) as framedb:
        push(framedb, consumers=2)
        connection = connection_of(framedb, SOURCE)
        mortal_valkey.pause()
        framedb.decr_batch_keys(SOURCE, {f"ref__{P}": (1, SIZES)})
        time.sleep(1.5)  # longer than a reply is waited for: what was sent is in the server's buffers, twice
        mortal_valkey.go_on()
        eventually(lambda: connection.get(f"ref__{P}") == b"1", "the count to go down")
        framedb.decr_batch_keys(SOURCE, {"ref__another": (1, [])})
        framedb.close()
        with closing(reader_of(mortal_valkey.endpoint, monkeypatch)) as other:
            assert connection_of(other).get(f"ref__{P}") == b"1"


def test_what_waits_is_released_before_the_end(make_reader: MakeReader, redis: Redis) -> None:
    framedb = make_reader()
    for number in range(300):
        push(framedb, f"cam?0?0__{number}", consumers=1)
    for number in range(300):
        framedb.decr_batch_keys(SOURCE, {f"ref__cam?0?0__{number}": (1, SIZES)})
    framedb.close()
    assert sum(left(redis, f"cam?0?0__{number}") for number in range(300)) == 0


def test_a_program_that_ends_without_closing_has_released_what_it_said(
    valkey: Endpoint, framedb: FrameDB, redis: Redis
) -> None:
    push(framedb, consumers=1)
    program = (
        "from framedb_api.framedb import FrameDB; from framedb_api.env import Env\n"
        f"FrameDB({{}}, Env(mode='test', test_password={valkey.password!r})).decr_batch_keys("
        f"{SOURCE!r}, {{{f'ref__{P}'!r}: (1, {SIZES!r})}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], timeout=30, capture_output=True, text=True, env=_with(valkey)
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert left(redis) == 0


def test_released_frames_are_queued_and_unlinked_where_that_is_asked_for(
    make_reader: MakeReader, redis: Redis, valkey: Endpoint
) -> None:
    framedb = make_reader(use_del_svc=True)
    push(framedb, consumers=1)
    framedb.decr_batch_keys(SOURCE, {f"ref__{P}": (1, SIZES)})
    eventually(lambda: left(redis) == 0, "the frame to go")
    fifth = type(redis)(unix_socket_path=valkey.uds, password=valkey.password, db=5)
    eventually(lambda: fifth.llen("del_queue") == 0, "the queue to be empty")
    fifth.close()


def test_threads_of_one_reader_release_each_frame_once(framedb: FrameDB, redis: Redis, valkey: Endpoint) -> None:
    prefixes = [f"cam?0?0__{number}" for number in range(50)]
    for prefix in prefixes:
        push(framedb, prefix, consumers=8)

    def consume() -> None:
        for prefix in random.sample(prefixes, len(prefixes)):
            framedb.decr_batch_keys(SOURCE, {f"ref__{prefix}": (1, SIZES)})

    threads = [threading.Thread(target=consume) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    framedb.close()
    assert sum(left(redis, prefix) for prefix in prefixes) == 0
    with closing(MasterClient.fixed(valkey)) as master:
        stats = MemoryStore(master).stats(SOURCE)
    assert (stats.count, stats.drops) == (0, {})


CONSUMERS = """
import random, sys
from concurrent.futures import ThreadPoolExecutor
from framedb_api.env import Env
from framedb_api.framedb import FrameDB

first, number, prefixes, sizes = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(","), sys.argv[4].split(",")

def consume(seed):
    with FrameDB({}, Env(mode="test", test_password=sys.argv[5])) as framedb:
        for prefix in random.Random(seed).sample(prefixes, len(prefixes)):
            found, frames = framedb.get_frames_from("cam", [f"{prefix}__{size}" for size in sizes])
            assert found, frames
            # Nobody may find a frame gone that he has not released himself.
            print("early\\n" if None in frames else "there\\n", end="", flush=True)
            assert framedb.decr_batch_keys("cam", {f"ref__{prefix}": (1, sizes)})[0]

with ThreadPoolExecutor(number) as pool:
    list(pool.map(consume, range(first, first + number)))
"""
"""Consumers in one process: of which number, how many, and what they read and release."""


def test_a_frame_goes_when_its_count_says_so_and_killed_consumers_leak_none_past_its_time(
    make_reader: MakeReader, redis: Redis, valkey: Endpoint, soak: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes, killed, each = (20, 4, 50) if soak else (3, 1, 4)
    monkeypatch.setenv("FRAMEDB_FRAME_TTL", "600")
    framedb = make_reader()
    shared, orphaned = [f"cam?0?0__{n}" for n in range(10)], [f"cam?0?1__{n}" for n in range(10)]
    for prefix in shared:
        push(framedb, prefix, consumers=(processes - killed) * each)
    for prefix in orphaned:
        push(framedb, prefix, consumers=processes * each)

    def start(number: int) -> "subprocess.Popen[str]":
        prefixes = orphaned if number < killed else [*shared, *orphaned]
        arguments = [str(number * each), str(each), ",".join(prefixes), ",".join(SIZES), str(valkey.password)]
        command = [sys.executable, "-c", CONSUMERS, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_with(valkey))

    for first in range(0, processes, 5):
        with ExitStack() as stack:
            running = [start(number) for number in range(first, min(first + 5, processes))]
            for process in running:
                stack.enter_context(process)
                stack.callback(process.kill)
            for number, process in enumerate(running, start=first):
                assert process.stdout is not None
                if number < killed:
                    process.stdout.readline()
                    process.kill()
                else:
                    assert process.stdout.read().split() == ["there"] * each * len([*shared, *orphaned])
                    assert process.wait() == 0
    assert sum(left(redis, prefix) for prefix in shared) == 0
    for prefix in orphaned:
        assert left(redis, prefix) == 3
        for key in (f"ref__{prefix}", *(f"{prefix}__{size}" for size in SIZES)):
            assert 0 < redis.pttl(key) <= 600_000


def _with(valkey: Endpoint) -> dict[str, str]:
    return {**os.environ, "FRAMES_REDIS_URL": f"redis://{valkey.host}:{valkey.port}"}
