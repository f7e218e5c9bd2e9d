"""The server itself: it starts, stops and starts again, and leaves the rest of its process alone."""

import logging
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from framedb.attributes.store import AttributeStore
from framedb.errors import EngineError
from framedb.server.kvs.app import KvsApp
from framedb.server.kvs.running import KvsServer
from tests.contracts.frame_store import until
from tests.integration.kvs.serving import Served, served
from tests.integration.kvs.wire import attribute, integer

ONE = attribute("counter", "frames", integer(1))


def test_it_serves_the_same_store_again_on_the_same_port() -> None:
    with AttributeStore() as store:
        port = 0
        for turn in range(3):
            with KvsServer(KvsApp(store, token=None), socket.create_server(("127.0.0.1", port))) as server:
                port = server.address[1]
                kvs = Served(port, store)
                assert kvs.get("/kvs/get/counter/frames") == (ONE if turn else b"")
                kvs.post("/kvs/set", ONE)


def test_nothing_of_it_is_left_once_it_stopped() -> None:
    threads, files = what_there_is()
    with served() as kvs:
        kvs.post("/kvs/set", ONE)
        with kvs.watch():
            pass
        idle = kvs.raw(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(1)
        assert what_there_is()[1] > files
    idle.close()
    # Less is fine: something of an earlier test may have ended meanwhile.
    until(lambda: what_there_is()[0] <= threads and what_there_is()[1] <= files, "no thread and no file is left")


def what_there_is() -> tuple[int, int]:
    """Threads, those that Python does not know among them, and open files."""
    return sum(1 for _ in Path("/proc/self/task").iterdir()), sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_body_under_way_does_not_keep_it_from_stopping() -> None:
    with served() as kvs:
        waiting = kvs.raw(b"POST /kvs/set HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
        kvs.get("/status")
        began = time.monotonic()
    assert time.monotonic() - began < 20
    with waiting:
        assert waiting.makefile("rb").readline() in (b"HTTP/1.1 503 Service Unavailable\r\n", b"")


def test_stopping_twice_or_before_it_started_is_harmless() -> None:
    with AttributeStore() as store, socket.create_server(("127.0.0.1", 0)) as listening:
        server = KvsServer(KvsApp(store, token=None), listening)
        server.stop()
        server.start()
        server.stop()
        server.stop()


def test_files_that_are_no_certificate_are_a_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "nothing.pem"
    file.write_text("nothing")
    with AttributeStore() as store, socket.create_server(("127.0.0.1", 0)) as listening:
        server = KvsServer(KvsApp(store, token=None), listening, certificate=(file, file))
        with pytest.raises(EngineError, match="cannot be served"):
            server.start()


def test_it_leaves_the_logging_of_its_process_alone(tmp_path: Path) -> None:
    handler = logging.FileHandler(tmp_path / "log")
    logger = logging.getLogger("somebody.else")
    logger.addHandler(handler)
    try:
        with served():
            logger.warning("while it is served")
        assert handler.stream is not None
        assert (tmp_path / "log").read_text() == "while it is served\n"
    finally:
        logger.removeHandler(handler)
        handler.close()


def test_a_fault_of_ours_is_a_500_with_an_id_that_stands_in_the_log(
    kvs: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(ns: str, name: str) -> None:
        raise RuntimeError("secret reasons")

    monkeypatch.setattr(kvs.store, "delete", broken)
    answer = kvs.ask("POST", "/kvs/delete-single/a/b")
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    (record,) = [record for record in caplog.records if hasattr(record, "request_id")]
    assert record.__dict__["request_id"] == answer.json["request_id"]
    caplog.clear()  # its traceback holds the connection


def test_slow_work_is_done_beside_the_loop(kvs: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    kvs.post("/kvs/set", b"".join(attribute("n", str(number), integer(number)) for number in range(3000)))
    searching, go_on = threading.Event(), threading.Event()
    search = kvs.store.search_encoded

    def slow(ns: str | None = None, name: str | None = None) -> bytes:
        searching.set()
        assert go_on.wait(30)
        return search(ns, name)

    monkeypatch.setattr(kvs.store, "search_encoded", slow)
    found: list[bytes] = []
    asking = threading.Thread(target=lambda: found.append(kvs.get("/kvs/search/n/*")))
    asking.start()
    assert searching.wait(30)
    assert kvs.get("/kvs/get/n/7") == attribute("n", "7", integer(7))
    go_on.set()
    asking.join()
    assert len(found[0]) > 3000


@pytest.mark.parametrize("way", ["stopped", "left to the end of the program"])
def test_a_program_that_serves_ends_in_order(way: str) -> None:
    stop = "webserver.stop_webserver()" if way == "stopped" else ""
    program = f"from framedb import webserver\nwebserver.init_webserver(0)\nprint('served')\n{stop}"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "served\n", "")


def test_two_servers_of_one_process_know_nothing_of_each_other() -> None:
    with served() as one, served() as other:
        one.post("/kvs/set", ONE)
        assert other.get("/kvs/get/counter/frames") == b""
        with urllib.request.urlopen(f"http://127.0.0.1:{one.port}/kvs/get/counter/frames") as answer:
            assert answer.read() == ONE
