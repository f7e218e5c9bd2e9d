"""`framedb kvs`, as a person runs it, against a store that is served."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from framedb.attributes.store import AttributeStore
from framedb.server.kvs.app import KvsApp
from framedb.server.kvs.running import KvsServer
from tests.contracts.frame_store import until
from tests.engines import free_port

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def store() -> Iterator[AttributeStore]:
    with AttributeStore() as store:
        yield store


@pytest.fixture
def url(store: AttributeStore) -> Iterator[str]:
    with KvsServer(KvsApp(store, token=None), socket.create_server(("127.0.0.1", 0))) as server:
        yield "http://{}:{}".format(*server.address)


@pytest.fixture
def run(url: str) -> Run:
    def run(*words: str, at: str = url) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command(*words), env=environment(at), capture_output=True, text=True, check=False)

    return run


def test_what_is_set_is_shown_found_and_deleted(run: Run) -> None:
    assert run("set", "counter", "frames", "42", "str:of gate").returncode == 0
    assert run("get", "counter", "frames").stdout == "42\nof gate\n"
    assert run("set", "counter", "frames/s", "25.0").returncode == 0
    table = run("search", "counter").stdout
    assert table.index("frames ") < table.index("frames/s")
    assert run("delete", "counter", "frames*").returncode == 0
    gone = run("get", "counter", "frames")
    assert gone.returncode == 1
    assert gone.stderr == "error: there is no 'frames' in 'counter': `framedb kvs search` shows what there is\n"


def test_programs_get_json(run: Run, store: AttributeStore) -> None:
    run("set", "a/b", "ä", "bbox:1,2,3,4", "--ttl", "60000", "--hint", "where")
    (line,) = run("search", "--json").stdout.splitlines()
    told = json.loads(line)
    assert (told["namespace"], told["name"], told["hint"]) == ("a/b", "ä", "where")
    assert json.loads(run("get", "a/b", "ä", "--json").stdout) == told
    assert store.get("a/b", "ä") is not None


def test_a_watcher_sees_each_change_on_a_line(url: str, store: AttributeStore, run: Run) -> None:
    with watching(url, "gate*") as watcher:
        until(lambda: store.stats.watchers == 1, "the watcher came")
        run("set", "gate-1", "open", "true", "--ttl", "60000")
        run("set", "elsewhere", "open", "true")
        run("delete", "gate-1", "open")
        first, second = (watcher.stdout.readline() for _ in range(2)) if watcher.stdout else ("", "")
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(10) == 0
    assert first.split()[1:] == ["set", "gate-1", "open", "true", "for", "60000", "ms"]
    assert second.split()[1:] == ["delete", "gate-1", "open"]


def test_a_program_watches_json_lines(url: str, store: AttributeStore, run: Run) -> None:
    with watching(url, "--json", "--expiries") as watcher:
        until(lambda: store.stats.watchers == 1, "the watcher came")
        run("set", "gate", "open", "true", "--ttl", "200")
        lines = [json.loads(watcher.stdout.readline()) for _ in range(2)] if watcher.stdout else []
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(10) == 0
    assert [line["operation"] for line in lines] == ["set", "expire"]
    assert lines[0]["ttl"] == 200
    assert lines[0]["attribute"]["namespace"] == "gate"


def test_a_store_that_stops_ends_its_watchers_with_a_line(store: AttributeStore) -> None:
    server = KvsServer(KvsApp(store, token=None), socket.create_server(("127.0.0.1", 0)))
    server.start()
    with watching("http://{}:{}".format(*server.address)) as watcher:
        until(lambda: store.stats.watchers == 1, "the watcher came")
        server.stop()
        assert watcher.wait(10) == 1
        assert watcher.stderr is not None
        assert "watch again when it is back" in watcher.stderr.read()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("search", "[a"), "without its ]: write \\[ for"),
        (("set", "a", "b", "int:x"), "give a whole number"),
        (("watch", "{a"), "without its }"),
    ],
)
def test_bad_input_is_one_line(run: Run, words: tuple[str, ...], why: str) -> None:
    done = run(*words)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_store_that_is_not_there_is_one_line(run: Run) -> None:
    for words in (("get", "a", "b"), ("watch",)):
        done = run(*words, at=f"http://127.0.0.1:{free_port()}")
        assert done.returncode == 1
        assert "framedb serve kvs" in done.stderr
        assert done.stderr.count("\n") == 1


@contextmanager
def watching(url: str, *words: str) -> "Iterator[subprocess.Popen[str]]":
    with subprocess.Popen(
        command("watch", *words), env=environment(url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watcher:
        try:
            yield watcher
        finally:
            watcher.kill()


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "framedb", "kvs", *words]


def environment(url: str) -> dict[str, str]:
    return {**os.environ, "FRAMEDB_KVS_URL": url}
