"""A client that stays with the master: through pauses, deaths and moves."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from framedb.errors import StoreError, StoreFullError, StoreUnavailableError
from framedb.resp import ClusterConnection, MasterClient, Redis, close_redis, execute_many, get_into, open_redis
from tests.engines.valkey import running_valkey
from tests.integration.resp.conftest import MortalValkey

LARGE = 16 * 2**20  # bytes: more than the buffers between client and server take


@pytest.fixture
def master(mortal_valkey: MortalValkey) -> Iterator[MasterClient]:
    """A client that gives up soon."""
    client = MasterClient.fixed(mortal_valkey.endpoint, timeout=0.3, wait=0.5)
    yield client
    client.close()


def read(redis: Redis) -> bytes | None:
    """What is under `k`."""
    buffer = bytearray(LARGE)
    size = get_into(redis, "k", buffer)
    return None if size is None else bytes(buffer[:size])


def write(value: bytes) -> Callable[[Redis], list[bytes]]:
    """Writes the value under `k`."""
    return lambda redis: execute_many(redis, [("SET", "k", memoryview(value))])


def test_a_server_that_hangs_is_unavailable_after_a_bounded_wait_and_back_when_it_goes_on(
    mortal_valkey: MortalValkey, master: MasterClient
) -> None:
    master.run(write(b"before"))
    mortal_valkey.pause()
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        master.run(read)
    mortal_valkey.go_on()
    assert master.run(read) == b"before"


def test_a_client_that_looks_once_waits_for_the_reply_all_the_same(mortal_valkey: MortalValkey) -> None:
    once = MasterClient.fixed(mortal_valkey.endpoint, timeout=10.0, wait=0.0)
    assert once.run(lambda redis: redis.execute_command("BLPOP", "nothing", 0.2)) is None
    once.close()


def test_a_server_that_hangs_while_a_large_value_is_sent_is_unavailable_and_takes_it_later(
    mortal_valkey: MortalValkey, master: MasterClient
) -> None:
    master.run(write(b"before"))
    mortal_valkey.pause()
    with pytest.raises(StoreUnavailableError):
        master.run(write(bytes(LARGE)))
    mortal_valkey.go_on()
    assert master.run(read) == b"before", "half a command is none"
    master.run(write(b"x" * LARGE), wait=15)
    assert master.run(read, wait=15) == b"x" * LARGE


def test_a_server_that_is_restarted_is_found_by_those_who_wait_for_it(mortal_valkey: MortalValkey) -> None:
    master = MasterClient.fixed(mortal_valkey.endpoint, timeout=1.0, wait=30.0)
    master.run(write(b"before"))
    mortal_valkey.kill()
    waiting = threading.Barrier(5)

    def work(number: int) -> None:
        waiting.wait()
        master.run(lambda redis: execute_many(redis, [("SET", f"k{number}", b"after")]))

    with ThreadPoolExecutor(4) as threads:
        results = [threads.submit(work, number) for number in range(4)]
        waiting.wait()
        mortal_valkey.restart()
        for result in results:
            result.result(30)
    assert master.run(read) is None
    assert master.run(lambda redis: redis.mget([f"k{number}" for number in range(4)])) == [b"after"] * 4
    master.close()


def test_a_thread_that_loses_its_line_does_not_cut_the_lines_of_others(mortal_valkey: MortalValkey) -> None:
    master = MasterClient.fixed(mortal_valkey.endpoint, timeout=30.0, wait=30.0)
    tries: list[str] = []

    def wait_for(name: str) -> list[Any]:
        def operation(redis: Redis) -> list[Any]:
            tries.append(name)
            return execute_many(redis, [("BLPOP", name, 20)])

        return master.run(operation)

    other = open_redis(mortal_valkey.endpoint)
    with ThreadPoolExecutor(2) as threads:
        results = [threads.submit(wait_for, name) for name in ("a", "b")]
        while other.info("clients")["blocked_clients"] < 2:
            time.sleep(0.01)
        cut = next(client["id"] for client in other.client_list() if client["cmd"] == "blpop")
        other.client_kill_filter(_id=cut)
        while len(tries) < 3 or other.info("clients")["blocked_clients"] < 2:
            time.sleep(0.01)
        other.rpush("a", "1")
        other.rpush("b", "2")
        assert [result.result(20) for result in results] == [[[b"a", b"1"]], [[b"b", b"2"]]]
    assert len(tries) == 3, "only the one that was cut tried again"
    close_redis(other)
    master.close()


def test_a_master_that_dies_is_looked_up_again(mortal_valkey: MortalValkey, tmp_path: Path) -> None:
    folder = tmp_path / "another"
    folder.mkdir()
    with running_valkey(folder) as another:
        places = iter([mortal_valkey.endpoint, another])
        master = MasterClient(lambda: ClusterConnection("local", next(places)), timeout=1.0, wait=10.0)
        master.run(write(b"before"))
        mortal_valkey.kill()
        assert master.run(read) is None
        assert master.connection.master == another
        master.close()


def test_an_error_the_server_answers_is_told_and_not_waited_out(
    mortal_valkey: MortalValkey, master: MasterClient
) -> None:
    master.run(lambda redis: redis.rpush("k", "a"))
    with pytest.raises(StoreError, match="WRONGTYPE") as wrong:
        master.run(read, wait=600)
    assert not isinstance(wrong.value, StoreUnavailableError)
    master.run(lambda redis: redis.config_set("maxmemory", "1mb"))
    with pytest.raises(StoreFullError, match="maxmemory"):
        master.run(lambda redis: redis.set("full", bytes(2_000_000)), wait=600)
    assert "test-password" not in str(wrong.value)
