"""Connections that are lent again and again: never one that is closed, in use, or another process's."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from framedb.resp import Endpoint, Redis, close_redis, execute_many, open_redis
from framedb.resp.connection import retire_redis
from framedb.resp.fast import checked_out
from tests.engines.cluster import eventually

CHILD = """
import os, sys
from framedb.resp import Endpoint, execute_many, open_redis

client = open_redis(Endpoint("127.0.0.1", int(sys.argv[1]), password=os.environ["PASSWORD"]))
[before] = execute_many(client, [("CLIENT", "ID")])
child = os.fork()
[mine] = execute_many(client, [("CLIENT", "ID")])
if child == 0:
    os._exit(0 if mine != before else 3)
_, status = os.waitpid(child, 0)
[after] = execute_many(client, [("CLIENT", "ID")])
sys.exit(os.waitstatus_to_exitcode(status) or (0 if before == mine == after else 4))
"""


@pytest.fixture
def client(valkey: Endpoint, redis: Redis) -> Iterator[Redis]:
    """A client of an empty server."""
    client = open_redis(valkey)
    yield client
    close_redis(client)


def connection_id(client: Redis) -> int:
    (number,) = execute_many(client, [("CLIENT", "ID")])
    return int(number)


def clients_of(redis: Redis) -> set[int]:
    return {int(one["id"]) for one in redis.client_list()}


def test_a_connection_that_was_given_back_is_lent_again(client: Redis) -> None:
    first = connection_id(client)
    assert client.ping()
    assert connection_id(client) == first


def test_one_that_is_in_use_is_lent_to_nobody_else(client: Redis) -> None:
    first = connection_id(client)
    with checked_out(client):
        assert connection_id(client) != first
    assert connection_id(client) == first  # the one that came back last


def test_one_with_an_answer_nobody_read_is_opened_anew(client: Redis) -> None:
    with checked_out(client) as connection:
        connection.send_command("ECHO", "left behind")
        connection.can_read(timeout=5)
    assert execute_many(client, [("PING",)]) == [b"PONG"]


@pytest.mark.parametrize("let_go", [retire_redis, close_redis])
def test_a_client_that_is_retired_or_closed_leaves_no_idle_connection(
    valkey: Endpoint, redis: Redis, let_go: Callable[[Redis], None]
) -> None:
    client = open_redis(valkey)
    idle = connection_id(client)
    assert idle in clients_of(redis)
    let_go(client)
    eventually(lambda: idle not in clients_of(redis), "the idle connection to be closed")


def test_one_in_use_goes_on_when_its_client_is_retired(client: Redis) -> None:
    with checked_out(client) as connection:
        retire_redis(client)
        connection.send_command("PING")
        assert connection.read_response() == b"PONG"


def test_a_child_process_opens_its_own(valkey: Endpoint, redis: Redis) -> None:
    command = [sys.executable, "-c", CHILD, str(valkey.port)]
    done = subprocess.run(command, env={**os.environ, "PASSWORD": valkey.password or ""}, timeout=60)
    assert done.returncode == 0
