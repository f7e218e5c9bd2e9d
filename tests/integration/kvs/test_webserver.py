"""`framedb.webserver`, as a pipeline that was written for Savant uses its own."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

import framedb.webserver
from framedb import kvs, webserver
from framedb.errors import ConflictError, InvalidSettingError, PortInUseError
from framedb.primitives import Attribute, AttributeValue
from framedb.server.kvs.shutdown import Shutdown
from tests.integration.kvs.serving import Served
from tests.integration.kvs.wire import attribute, integer

ONE = Attribute(namespace="counter", name="frames", values=[AttributeValue.integer(1)])


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The process-wide store, served, and empty again afterwards."""
    monkeypatch.setattr(webserver, "_shutdown", Shutdown())
    webserver.init_webserver(0)
    yield served_now()
    webserver.stop_webserver()
    kvs.del_attributes()


def served_now() -> Served:
    url = webserver.webserver_url()
    assert url is not None
    return Served(int(url.rpartition(":")[2]), kvs.store())


def test_the_store_is_found_by_both_names() -> None:
    assert framedb.webserver.kvs is kvs
    assert sys.modules["framedb.webserver.kvs"] is kvs


def test_what_the_process_keeps_is_served(there: Served) -> None:
    kvs.set_attributes([ONE], 60_000)
    assert there.get("/kvs/get/counter/frames") == attribute("counter", "frames", integer(1))
    assert kvs.deserialize_attributes(there.get("/kvs/search/*/*"))[0].name == "frames"
    there.post("/kvs/set", kvs.serialize_attributes([Attribute("other", "one", [])]))
    assert kvs.search_keys("other") == [("other", "one")]
    assert kvs.deserialize_attributes(there.post("/kvs/delete-single/no/body")) == []


def test_stopping_ends_subscriptions_and_keeps_what_is_stored(there: Served) -> None:
    kvs.set_attributes([ONE])
    subscription = kvs.KvsSubscription("events", 100)
    webserver.stop_webserver()
    assert subscription.recv() is None
    with pytest.raises(ConnectionRefusedError):
        there.get("/status")
    webserver.init_webserver(there.port)
    assert there.get("/kvs/get/counter/frames")


def test_starting_it_twice_changes_nothing_and_another_port_is_refused(there: Served) -> None:
    webserver.init_webserver(there.port)
    with pytest.raises(ConflictError, match="stop_webserver"):
        webserver.init_webserver(there.port + 1)
    assert there.get("/status")


def test_stopping_what_was_never_started_is_harmless() -> None:
    webserver.stop_webserver()
    assert webserver.webserver_url() is None


def test_a_port_that_is_taken_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"{port}.*another port"):
            webserver.init_webserver(port)
    assert webserver.webserver_url() is None


def test_beyond_this_machine_it_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRAMEDB_TOKEN", raising=False)
    with pytest.raises(InvalidSettingError, match="FRAMEDB_TOKEN"):
        webserver.init_webserver(0, host="0.0.0.0")
    monkeypatch.setenv("FRAMEDB_TOKEN", "the token")
    webserver.init_webserver(0, host="0.0.0.0")
    try:
        there = served_now()
        assert there.ask("GET", "/status").status == 401
        assert there.ask("GET", "/status", Authorization="Bearer the token").status == 200
    finally:
        webserver.stop_webserver()


def test_it_serves_on_ipv6() -> None:
    webserver.init_webserver(0, host="::1")
    try:
        assert (webserver.webserver_url() or "").startswith("http://[::1]:")
    finally:
        webserver.stop_webserver()


def test_its_status_is_what_the_program_says(there: Served) -> None:
    assert there.ask("GET", "/status").json == "stopped"
    webserver.set_status_running()
    assert there.ask("GET", "/status").json == "running"


def test_whoever_knows_the_token_may_ask_it_to_stop(there: Served) -> None:
    assert there.ask("POST", "/shutdown/12345/graceful").status == 403
    webserver.set_shutdown_token("12345")
    webserver.set_shutdown_token("another")  # the first one stays
    assert there.ask("POST", "/shutdown/another/graceful").status == 401
    assert there.ask("POST", "/shutdown/12345/somehow").status == 404
    assert not webserver.is_shutdown_set()
    assert there.ask("POST", "/shutdown/12345/graceful").json == "ok"
    assert webserver.is_shutdown_set()
    assert there.ask("GET", "/status").json == "shutdown"


def test_what_is_no_signal_is_refused() -> None:
    with pytest.raises(ValueError, match="no signal"):
        webserver.set_shutdown_signal(12345)


def test_a_program_is_sent_the_signal_it_wants() -> None:
    program = f"""
import time
from framedb import webserver
webserver.init_webserver(0)
webserver.set_shutdown_token("12345")
webserver.set_shutdown_signal({int(signal.SIGTERM)})
print(webserver.webserver_url(), flush=True)
time.sleep(100)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        there = Served(int(running.stdout.readline().rpartition(":")[2]))
        there.raw(b"POST /shutdown/12345/signal HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").close()
        assert running.wait(30) == -signal.SIGTERM
