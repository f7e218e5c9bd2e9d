"""The fast path: values go out and come in uncopied, and nothing on the line can mix up answers."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from redis.exceptions import ConnectionError as LineError
from redis.exceptions import ExecAbortError, ResponseError

from framedb.errors import BufferTooSmallError
from framedb.resp import Endpoint, Redis, close_redis, execute_many, get_into, open_redis, transaction
from tests.integration.resp.conftest import MortalValkey, line_to

HUGE = 48 * 2**20  # bytes: a hundred times what a socket's buffers take at once


@pytest.fixture(params=["unix socket", "tcp"])
def client(request: pytest.FixtureRequest, valkey: Endpoint, redis: Redis) -> Iterator[Redis]:
    """A client of an empty server, each way there is."""
    client = open_redis(valkey if request.param == "unix socket" else replace(valkey, uds=None))
    yield client
    close_redis(client)


def test_a_value_far_larger_than_the_sockets_buffers_arrives_whole(client: Redis) -> None:
    value = os.urandom(HUGE)
    assert execute_many(client, [("SET", "k", memoryview(value))]) == [b"OK"]

    buffer = bytearray(HUGE)
    assert get_into(client, "k", buffer) == HUGE
    assert buffer == value


def test_many_values_of_every_size_go_out_in_one_send(client: Redis) -> None:
    values = {f"k{size}": os.urandom(size) for size in [*range(0, 20_000, 97), 65_536, 1_000_000]}
    replies = execute_many(client, [("SET", key, memoryview(value)) for key, value in values.items()])
    assert all(replies)
    assert execute_many(client, [("GET", key) for key in values]) == list(values.values())


def test_an_array_is_read_in_its_own_memory(client: Redis) -> None:
    array = np.arange(1080 * 1920 * 3, dtype=np.uint8).reshape(1080, 1920, 3)
    execute_many(client, [("SET", "k", memoryview(array.data).cast("B"))])
    into = np.zeros_like(array)
    assert get_into(client, "k", into.data) == array.nbytes
    assert np.array_equal(into, array)


def test_a_value_may_be_smaller_than_its_buffer_and_leaves_the_rest_alone(client: Redis) -> None:
    client.set("k", b"1234")
    buffer = bytearray(b"........")
    assert get_into(client, "k", buffer) == 4
    assert buffer == b"1234...."


def test_an_empty_value_is_not_an_absent_one(client: Redis) -> None:
    client.set("k", b"")
    assert get_into(client, "k", bytearray(1)) == 0
    assert get_into(client, "nothing", bytearray(1)) is None


def test_a_value_that_does_not_fit_is_refused_and_the_next_answer_is_its_own(client: Redis) -> None:
    client.set("large", b"x" * 1_000_000)
    client.set("small", b"yes")
    buffer = bytearray(1000)
    for _ in range(20):
        with pytest.raises(BufferTooSmallError, match="1000000 bytes and the buffer 1000"):
            get_into(client, "large", buffer)
        assert get_into(client, "small", buffer) == 3
        assert buffer[:3] == b"yes"
    assert len(client.client_list(_type="normal")) <= 3, "connections that were given up are closed"


def test_a_key_that_holds_no_string_is_the_servers_error_and_the_next_answer_is_its_own(client: Redis) -> None:
    client.rpush("list", "a")
    client.set("k", b"yes")
    buffer = bytearray(3)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        get_into(client, "list", buffer)
    assert get_into(client, "k", buffer) == 3


def test_one_refused_command_of_many_leaves_the_others_answers_in_their_places(client: Redis) -> None:
    client.rpush("list", "a")
    replies = execute_many(client, [("SET", "k", b"1"), ("INCR", "list"), ("INCRBY", "k", 41), ("GET", "k")])
    assert isinstance(replies[1], ResponseError)
    assert [replies[0], *replies[2:]] == [b"OK", 42, b"42"]


def test_a_transaction_with_a_command_the_server_does_not_know_runs_nothing(client: Redis) -> None:
    with pytest.raises(ResponseError, match="unknown command") as refused:
        transaction(client, [("SET", "k", b"1"), ("NONSENSE", "k")])
    assert not isinstance(refused.value, ExecAbortError), "the reason, not that there was one"
    assert client.get("k") is None


def test_threads_that_share_a_client_get_their_own_answers(client: Redis) -> None:
    def work(number: int) -> None:
        size = 1000 * 7**number % 400_000
        for turn in range(25):
            value = bytes([number, turn]) * size
            execute_many(client, [("SET", f"k{number}", memoryview(value)), ("INCR", f"n{number}")])
            buffer = bytearray(len(value))
            assert get_into(client, f"k{number}", buffer) == len(value)
            assert buffer == value
            assert get_into(client, f"absent{number}", buffer) is None
        assert client.get(f"n{number}") == b"25"

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))


def test_a_connection_the_server_closed_while_it_was_idle_is_not_used_again(client: Redis, redis: Redis) -> None:
    client.set("k", b"yes")
    for _ in range(3):
        redis.execute_command("CLIENT KILL TYPE normal SKIPME yes")
        assert get_into(client, "k", bytearray(3)) == 3
        redis.execute_command("CLIENT KILL TYPE normal SKIPME yes")
        assert execute_many(client, [("GET", "k")]) == [b"yes"]


@pytest.mark.parametrize("piece", [1, 3, 11, 12, 13])
def test_answers_that_come_a_few_bytes_at_a_time_are_understood(valkey: Endpoint, redis: Redis, piece: int) -> None:
    redis.set("k", bytes(range(256)) * 4)
    with line_to(valkey, piece=piece) as endpoint:
        client = open_redis(endpoint)
        buffer = bytearray(1024)
        for _ in range(5):
            assert get_into(client, "k", buffer) == 1024
            assert buffer == bytes(range(256)) * 4
            assert get_into(client, "nothing", buffer) is None
        close_redis(client)


def test_a_server_killed_in_the_middle_of_a_value_is_an_error_and_not_half_a_frame(mortal_valkey: MortalValkey) -> None:
    with line_to(mortal_valkey.endpoint, breaks_after=1_000_000, then=mortal_valkey.kill) as endpoint:
        client = open_redis(endpoint)
        execute_many(client, [("SET", "k", memoryview(bytes(8_000_000)))])
        with pytest.raises(LineError, match="in the middle of a value"):
            get_into(client, "k", bytearray(8_000_000))
        close_redis(client)


def test_a_line_that_breaks_in_the_middle_of_a_value_does_not_spoil_the_next_answer(
    valkey: Endpoint, redis: Redis
) -> None:
    redis.set("k", b"x" * 100_000)
    with line_to(valkey, breaks_after=50_000) as endpoint:
        client = open_redis(endpoint)
        redis.set("small", b"yes")
        for _ in range(3):
            with pytest.raises(LineError):
                get_into(client, "k", bytearray(100_000))
            assert client.get("small") == b"yes"
        close_redis(client)
