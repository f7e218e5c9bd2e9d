"""Who is let in: the holder of the token; without one, programs of this machine."""

import base64
from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.kvs.serving import Served, served

BEARER = "Bearer the token"
BASIC = "Basic " + base64.b64encode(b"anybody:the token").decode()
PATHS = [
    ("GET", "/kvs/get/a/b"),
    ("GET", "/kvs/get/a%20b/c"),
    ("POST", "/kvs/set"),
    ("GET", "/metrics"),
    ("GET", "/nope"),
]


@pytest.fixture
def closed() -> Iterator[Served]:
    """A store behind a token."""
    with served(token="the token") as there:
        yield there


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("sent", [None, "Bearer another", "Basic !", "the token"])
def test_without_the_token_it_is_a_401(closed: Served, method: str, path: str, sent: str | None) -> None:
    answer = closed.ask(method, path, None, **({} if sent is None else {"Authorization": sent}))
    assert answer.status == 401
    assert "Bearer" in answer.headers["www-authenticate"]
    assert "FRAMEDB_TOKEN" in answer.json["error"]


@pytest.mark.parametrize("sent", [BEARER, BASIC])
def test_with_the_token_programs_are_let_in_by_any_name(closed: Served, sent: str) -> None:
    headers = {"Authorization": sent, "Host": "kvs.example.com"}
    assert closed.ask("GET", "/kvs/get/a/b", None, **headers).status == 200
    assert closed.ask("GET", "/nope", None, **headers).status == 404
    with closed.watch(Authorization=sent):
        pass


def test_a_page_from_elsewhere_that_has_the_token_is_let_in(closed: Served) -> None:
    headers = {"Authorization": BEARER, "Host": "kvs.example.com", "Origin": "https://example.com"}
    assert closed.ask("GET", "/kvs/get/a/b", None, **headers).status == 200


def test_the_password_that_a_browser_sends_along_lets_no_page_from_elsewhere_in(closed: Served) -> None:
    headers = {"Authorization": BASIC, "Host": "kvs.example.com", "Origin": "https://example.com"}
    for path in ("/kvs/get/a/b", "/metrics"):
        assert closed.ask("GET", path, None, **headers).status == 403
    with pytest.raises(InvalidStatus) as refused, closed.watch(Authorization=BASIC, Origin="https://example.com"):
        pass
    assert refused.value.response.status_code == 403


def test_probes_need_no_token(closed: Served) -> None:
    assert closed.ask("GET", "/healthz").status == 200


def test_a_watcher_without_the_token_is_told_before_the_handshake(closed: Served) -> None:
    with pytest.raises(InvalidStatus) as refused, closed.watch():
        pass
    assert refused.value.response.status_code == 401
    assert b"FRAMEDB_TOKEN" in (refused.value.response.body or b"")


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "LOCALHOST"])
def test_without_a_token_a_loopback_host_is_let_in(kvs: Served, host: str) -> None:
    for _ in range(2):  # the second time it is remembered
        assert kvs.ask("GET", "/kvs/get/a/b", Host=host).status == 200
    assert kvs.ask("GET", "/kvs/get/a/b", Host=host, Origin=f"http://{host}").status == 200


@pytest.mark.parametrize("host", ["example.com", "localhost.example.com", "127.0.0.1.example.com", "[", "10.0.0.1", ""])
def test_without_a_token_another_host_is_a_403(kvs: Served, host: str) -> None:
    for path in ("/kvs/get/a/b", "/metrics"):
        answer = kvs.ask("GET", path, Host=host)
        assert answer.status == 403
        assert "FRAMEDB_TOKEN" in answer.json["error"]


@pytest.mark.parametrize("origin", ["https://example.com", "null", "localhost", ""])
def test_without_a_token_a_page_from_elsewhere_is_a_403(kvs: Served, origin: str) -> None:
    assert kvs.ask("GET", "/kvs/get/a/b", Origin=origin).status == 403
    assert kvs.ask("POST", "/kvs/delete/*/*", Origin=origin).status == 403
    with pytest.raises(InvalidStatus) as refused, kvs.watch(Origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_a_request_without_a_host_is_a_403(kvs: Served) -> None:
    with kvs.raw(b"GET /kvs/get/a/b HTTP/1.0\r\n\r\n") as connection:
        assert connection.makefile("rb").readline() == b"HTTP/1.0 403 Forbidden\r\n"


def test_when_everybody_may_everybody_may() -> None:
    with served(insecure=True) as kvs:
        assert kvs.ask("GET", "/kvs/get/a/b", Host="example.com", Origin="https://example.com").status == 200
