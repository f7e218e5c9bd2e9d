"""What cannot be used is refused with a reason, and nothing is changed by it."""

import socket

import pytest

from framedb.attributes.store import AttributeStore
from tests.integration.kvs.serving import Served, served
from tests.integration.kvs.wire import MALFORMED, attribute, integer, part

KEPT = attribute("kept", "safe", integer(1))


@pytest.fixture
def kvs(kvs: Served) -> Served:
    """A store with something that must not get lost."""
    kvs.post("/kvs/set", KEPT)
    return kvs


def unharmed(kvs: Served) -> bool:
    return kvs.get("/kvs/search/*/*") == KEPT


@pytest.mark.parametrize("what", MALFORMED)
def test_a_body_that_is_no_set_of_attributes_is_a_400_with_a_reason(kvs: Served, what: str) -> None:
    for path in ("/kvs/set", "/kvs/set-with-ttl/1000"):
        answer = kvs.ask("POST", path, attribute("good", "one", integer(1)) + MALFORMED[what])
        assert answer.status == 400
        assert answer.json["error"]
        assert answer.headers["x-framedb-error"] == "InvalidInputError"
    assert unharmed(kvs)


@pytest.mark.parametrize("ttl", ["-1", "1.5", "", "soon", "0x10", "%20", "1e3", str(2**64), "9" * 400, "%C2%B2", "%FF"])
def test_a_ttl_that_is_no_number_of_milliseconds_is_a_400(kvs: Served, ttl: str) -> None:
    answer = kvs.ask("POST", f"/kvs/set-with-ttl/{ttl}", attribute("a", "b", integer(1)))
    assert answer.status == 400
    assert "ttl" in answer.json["error"] or "UTF-8" in answer.json["error"]
    assert unharmed(kvs)


@pytest.mark.parametrize("pattern", ["%5B", "%5B%5D", "%5Bz-a%5D", "%7B", "%7Ba", "%7D", "a%5C", "%FF"])
def test_a_pattern_that_is_none_is_a_400(kvs: Served, pattern: str) -> None:
    for path in (f"{pattern}/*", f"*/{pattern}"):
        assert kvs.ask("GET", f"/kvs/search/{path}").status == 400
        assert kvs.ask("GET", f"/kvs/search-keys/{path}").status == 400
        assert kvs.ask("POST", f"/kvs/delete/{path}").status == 400
    assert unharmed(kvs)


def test_a_pattern_that_is_hard_on_other_matchers_is_answered(kvs: Served) -> None:
    long = attribute("ns", "a" * 50_000, integer(1))
    kvs.post("/kvs/set", long)
    assert kvs.get("/kvs/search/ns/" + "*a" * 30 + "*b") == b""
    assert kvs.get("/kvs/search/ns/" + "*a" * 30) == long


@pytest.mark.parametrize(
    "path",
    ["/", "/kvs", "/kvs/", "/kvs/set/x", "/kvs/get/a", "/kvs/get/a/b/c", "/kvs/get/a/b/", "/kvs/search/a", "/nope"],
)
def test_a_path_that_means_nothing_is_a_404(kvs: Served, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = kvs.ask(method, path)
        assert answer.status == 404
        assert "%2F" in answer.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/kvs/set", "POST"),
        ("PUT", "/kvs/set", "POST"),
        ("GET", "/kvs/delete/a/b", "POST"),
        ("POST", "/kvs/get/a/b", "GET"),
        ("DELETE", "/kvs/get/a/b", "GET"),
        ("POST", "/status", "GET"),
    ],
)
def test_another_method_is_a_405_that_names_the_right_one(kvs: Served, method: str, path: str, allowed: str) -> None:
    answer = kvs.ask(method, path)
    assert answer.status == 405
    assert answer.headers["allow"] == allowed
    assert allowed in answer.json["error"]
    assert unharmed(kvs)


def test_events_without_a_websocket_are_a_426(kvs: Served) -> None:
    answer = kvs.ask("GET", "/kvs/events/meta")
    assert answer.status == 426
    assert answer.headers["upgrade"] == "websocket"
    assert "ws://" in answer.json["error"]


def test_a_body_of_16_mib_is_taken_and_one_of_17_is_a_413(kvs: Served) -> None:
    room = 16 * 1024 * 1024
    largest = attribute("large", "one", part(2, part(2, bytes(room - 50))))
    assert room - 50 < len(largest) <= room
    kvs.post("/kvs/set", largest)
    assert kvs.get("/kvs/get/large/one") == largest
    answer = kvs.ask("POST", "/kvs/set", bytes(17 * 1024 * 1024))
    assert answer.status == 413
    assert "16777216" in answer.json["error"]
    kvs.post("/kvs/delete/large/*")
    assert unharmed(kvs)


def test_more_attributes_than_fit_into_memory_by_millions_are_a_400(kvs: Served) -> None:
    answer = kvs.ask("POST", "/kvs/set", b"\x0a\x00" * 1_000_000)
    assert answer.status == 400
    assert "send at most 250000 in one" in answer.json["error"]


def test_a_body_that_does_not_say_how_large_it_is_is_bounded_too() -> None:
    with served(max_body_bytes=1000) as kvs:
        chunked = (
            b"POST /kvs/set HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        with kvs.raw(chunked + 10 * (b"c8\r\n" + bytes(200) + b"\r\n") + b"0\r\n\r\n") as connection:
            assert connection.makefile("rb").readline() == b"HTTP/1.1 413 Payload Too Large\r\n"


def test_who_asks_before_sending_a_large_body_is_told_at_once() -> None:
    with served(max_body_bytes=1000) as kvs:
        head = (
            b"POST /kvs/set HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n"
        )
        with kvs.raw(head) as connection:
            assert connection.makefile("rb").readline() == b"HTTP/1.1 413 Payload Too Large\r\n"


def test_a_body_that_breaks_off_changes_nothing(kvs: Served) -> None:
    body = attribute("a", "b", integer(1))
    head = f"POST /kvs/set HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body) + 1}\r\n\r\n"
    with kvs.raw(head.encode() + body) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert connection.makefile("rb").readline() in (b"HTTP/1.1 400 Bad Request\r\n", b"")
    assert unharmed(kvs)


def test_a_client_that_half_closes_harms_nobody(kvs: Served) -> None:
    with kvs.raw(b"GET /kvs/get/kept/safe HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1024).partition(b"\r\n")[0] in (b"HTTP/1.1 200 OK", b"")
    assert unharmed(kvs)


def test_a_full_store_is_a_507_and_drops_nothing() -> None:
    with served(AttributeStore(max_entries=2)) as kvs:
        kvs.post("/kvs/set", KEPT)
        answer = kvs.ask("POST", "/kvs/set", attribute("a", "1", integer(1)) + attribute("a", "2", integer(1)))
        assert answer.status == 507
        assert answer.headers["x-framedb-error"] == "StoreFullError"
        assert unharmed(kvs)
        assert kvs.metric("framedb_kvs_refused_total") == 1
        kvs.post("/kvs/set", attribute("a", "1", integer(1)))


def test_a_closed_store_is_a_503_for_writers(kvs: Served) -> None:
    kvs.store.close()
    answer = kvs.ask("POST", "/kvs/set", KEPT)
    assert answer.status == 503
    assert answer.headers["x-framedb-error"] == "StoreUnavailableError"
