"""Every call of the contract, through raw HTTP."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.kvs.serving import Served, served
from tests.integration.kvs.wire import KINDS, attribute, integer

ONE = attribute("counter", "frames", integer(1), hint="frames seen")
OTHER = attribute("counter", "objects", integer(2))
ELSEWHERE = attribute("camera", "name", integer(3))


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_of_every_kind_comes_back_byte_for_byte(kvs: Served, kind: str) -> None:
    body = attribute("ns", "name", KINDS[kind])
    assert kvs.post("/kvs/set", body) == b""
    assert kvs.get("/kvs/get/ns/name") == body
    assert kvs.get("/kvs/search/*/*") == body


def test_an_attribute_of_all_kinds_comes_back_byte_for_byte(kvs: Served) -> None:
    body = attribute("ns", "name", *KINDS.values(), hint="", hidden=True)
    kvs.post("/kvs/set", body)
    assert kvs.get("/kvs/get/ns/name") == body


def test_one_that_is_not_persistent_is_kept_all_the_same(kvs: Served) -> None:
    body = attribute("ns", "name", integer(1), persistent=False)
    kvs.post("/kvs/set", body)
    assert kvs.get("/kvs/get/ns/name") == body


def test_an_attribute_without_values_and_an_empty_set_are_legal(kvs: Served) -> None:
    kvs.post("/kvs/set", attribute("ns", "name"))
    kvs.post("/kvs/set", b"")
    assert kvs.get("/kvs/search/*/*") == attribute("ns", "name")


def test_an_absent_one_is_an_empty_body_and_never_a_404(kvs: Served) -> None:
    assert kvs.get("/kvs/get/no/body") == b""
    assert kvs.get("/kvs/search/no/*") == b""
    assert kvs.post("/kvs/delete-single/no/body") == b""
    assert kvs.post("/kvs/delete/no/*") == b""


def test_several_are_set_together_and_searched_by_globs(kvs: Served) -> None:
    kvs.post("/kvs/set", ONE + OTHER + ELSEWHERE)
    assert kvs.get("/kvs/search/counter/*") == ONE + OTHER
    assert kvs.get("/kvs/search/c*/*e*") == ONE + OTHER + ELSEWHERE
    assert kvs.get("/kvs/search/*/%7Bframes,name%7D") == ONE + ELSEWHERE
    assert kvs.get("/kvs/search/counter/%5Bf%5D%3F%3F*") == ONE


def test_keys_are_json_pairs(kvs: Served) -> None:
    kvs.post("/kvs/set", ONE + ELSEWHERE)
    answer = kvs.ask("GET", "/kvs/search-keys/*/*")
    assert answer.json == [["counter", "frames"], ["camera", "name"]]
    assert kvs.ask("GET", "/kvs/search-keys/no/*").json == []


def test_a_set_replaces_the_whole_attribute(kvs: Served) -> None:
    kvs.post("/kvs/set", ONE)
    replaced = attribute("counter", "frames", integer(2))
    kvs.post("/kvs/set", replaced)
    assert kvs.get("/kvs/get/counter/frames") == replaced


def test_delete_single_hands_back_what_it_removed(kvs: Served) -> None:
    kvs.post("/kvs/set", ONE + OTHER)
    assert kvs.post("/kvs/delete-single/counter/frames") == ONE
    assert kvs.get("/kvs/search/*/*") == OTHER


def test_delete_by_globs_answers_nothing(kvs: Served) -> None:
    kvs.post("/kvs/set", ONE + OTHER + ELSEWHERE)
    assert kvs.post("/kvs/delete/*/*s") == b""
    assert kvs.get("/kvs/search/*/*") == ELSEWHERE


def test_delete_single_takes_names_as_they_are_and_no_globs(kvs: Served) -> None:
    star = attribute("counter", "*", integer(1))
    kvs.post("/kvs/set", ONE + star)
    assert kvs.post("/kvs/delete-single/counter/*") == star
    assert kvs.get("/kvs/get/counter/frames") == ONE


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("a/b", "a%2Fb"),
        ("a/b", "a%2fb"),
        ("a+b", "a+b"),
        ("a b", "a%20b"),
        ("100%", "100%25"),
        ("%2F", "%252F"),
        ("Straße", "Stra%C3%9Fe"),
        ("🦊", "%F0%9F%A6%8A"),
        ("a?b#c", "a%3Fb%23c"),
        ("..", ".."),
        ("", ""),
    ],
)
def test_names_are_decoded_after_the_path_was_split(kvs: Served, name: str, sent: str) -> None:
    body = attribute(name, name, integer(1))
    kvs.post("/kvs/set", body)
    assert kvs.get(f"/kvs/get/{sent}/{sent}") == body
    assert kvs.post(f"/kvs/delete-single/{sent}/{sent}") == body


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    with served() as there:
        yield there


@settings(deadline=None, max_examples=200)
@given(ns=st.text(), name=st.text())
def test_any_text_is_a_name(shared: Served, ns: str, name: str) -> None:
    body = attribute(ns, name, integer(1))
    shared.post("/kvs/set", body)
    path = f"{quote(ns, safe='')}/{quote(name, safe='')}"
    assert shared.get(f"/kvs/get/{path}") == body
    assert shared.post(f"/kvs/delete-single/{path}") == body


@settings(deadline=None, max_examples=200)
@given(path=st.binary(max_size=40), body=st.binary(max_size=40))
def test_whatever_comes_is_answered(shared: Served, path: bytes, body: bytes) -> None:
    sent = "".join(chr(byte) for byte in path if 0x21 <= byte <= 0x7E)
    for method in ("GET", "POST"):
        for before in ("/", "/kvs/get/", "/kvs/set-with-ttl/", "/kvs/search/*/", "/kvs/delete-single/"):
            assert shared.ask(method, before + sent, body).status in (200, 400, 404, 405)
    assert shared.ask("GET", "/status").status == 200


def test_a_slash_in_a_name_is_matched_by_a_star(kvs: Served) -> None:
    body = attribute("a/b", "c", integer(1))
    kvs.post("/kvs/set", body)
    assert kvs.get("/kvs/search/a*/*") == body
    assert kvs.get("/kvs/search/a%2F*/c") == body


def test_the_type_of_the_body_is_ignored_and_so_is_a_query(kvs: Served) -> None:
    answer = kvs.ask("POST", "/kvs/set?what=ever", ONE, **{"Content-Type": "application/json"})
    assert answer.status == 200
    assert kvs.get("/kvs/get/counter/frames?what=ever") == ONE


def test_what_was_set_in_process_is_served_and_the_other_way_round(kvs: Served) -> None:
    kvs.post("/kvs/set", ONE)
    found = kvs.store.get("counter", "frames")
    assert found is not None
    assert found.values[0].as_integer() == 1
    kvs.store.delete("counter", "frames")
    assert kvs.get("/kvs/get/counter/frames") == b""


def test_it_tells_that_it_runs_and_what_it_holds(kvs: Served) -> None:
    kvs.post("/kvs/set", ONE + OTHER)
    assert kvs.ask("GET", "/status").json == "running"
    assert kvs.ask("GET", "/healthz").json == {"status": "alive"}
    metrics = kvs.ask("GET", "/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert b"\nframedb_kvs_entries 2.0\n" in metrics.body
    assert b'\nframedb_http_requests_total{method="POST",route="/kvs/set",status="200"} 1.0\n' in metrics.body


def test_many_requests_go_over_one_connection(kvs: Served) -> None:
    with kvs.raw() as connection, connection.makefile("rb") as answers:
        for number in range(100):
            body = attribute("n", str(number), integer(number))
            head = f"POST /kvs/set HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
            while answers.readline() != b"\r\n":
                pass
    assert kvs.metric("framedb_kvs_entries") == 100
