"""Whatever goes wrong, the answer comes in the envelope of its API."""

import socket
from typing import Any

import pytest

from framedb.server.bodies import MAX_BODY_BYTES
from tests.live import Live

GOOD = {"clusterName": "a", "replicas": 1}
WHY = {"/cluster": "errorData", "/framedb": "error", "/v1": "error"}
FAMILIES = list(WHY)


def told(answer: Any, family: str) -> str:
    """Why it failed; the envelope must be whole."""
    body = answer.json()
    assert body.pop("request_id") == answer.headers["X-Request-ID"]
    if family == "/v1":
        assert "success" not in body
    else:
        assert body.pop("success") is False
    why = str(body.pop(WHY[family]))
    assert body == {}
    return why


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"{", "the body is no JSON"),
        (b"\xff\xfe", "the body is no JSON"),
        (b"[" * 100_000, "no JSON that can be read"),
        (b"9" * 5_000, "no JSON that can be read"),
        (b"[1]", "the body must be a JSON object"),
        (b"null", "the body must be a JSON object"),
        (b"", "the body must be a JSON object"),
        (b'{"clusterName": "a", "replicas": "3"}', "replicas: "),
        (b'{"clusterName": "a", "replicas": true}', "replicas: "),
        (b'{"clusterName": "a", "replicas": 3.5}', "replicas: "),
        (b'{"clusterName": "a", "replicas": 3.0}', "replicas: "),
        (b'{"clusterName": "a", "replicas": NaN}', "replicas: "),
        (b'{"clusterName": "a", "replicas": null}', "replicas: "),
        (b'{"clusterName": 7, "replicas": 1}', "clusterName: "),
        (b'{"clusterName": "Not_A_Label", "replicas": 1}', "'Not_A_Label' is no DNS label"),
        (b'{"clusterName": "\\ud800", "replicas": 1}', "is no DNS label"),
        (b'{"clusterName": "a", "replicas": 0}', "n_replicas must be > 0"),
        (b'{"clusterName": "a", "replicas": 1000}', "at most 15"),
        (b'{"clusterName": "a", "replicas": 1, "replica": 2}', "Unknown field replica"),
        (b'{"clusterName": "a", "replicas": 1, "metadata": []}', "metadata: "),
        (b'{"clusterName": "a", "replicas": 1, "metadata": {"x": NaN}}', "metadata"),
        (b'{"clusterName": "a", "replicas": 1, "metadata": {"x": "\\ud800"}}', "metadata"),
        (b'{"clusterName": "a", "replicas": 1, "metadata": {"x": "' + b"y" * 70_000 + b'"}}', "at most 65536"),
    ],
)
def test_input_that_cannot_be_used_is_a_400_that_names_it(service: Live, family: str, raw: bytes, said: str) -> None:
    answer = service.request("POST", f"{family}/wanted", raw)
    assert answer.status == 400
    assert said in told(answer, family)


@pytest.mark.parametrize(
    ("family", "said"), [("/cluster", "Missing field clusterName"), ("/framedb", "Missing field: clusterName")]
)
def test_the_first_missing_field_is_told_in_the_very_words_of_the_api(service: Live, family: str, said: str) -> None:
    for body in ({}, {"replicas": 1}, {"replicas": "1", "more": 2}):
        answer = service.request("POST", f"{family}/wanted", body)
        assert (answer.status, told(answer, family)) == (400, said)


def test_good_input_is_taken(service: Live) -> None:
    assert service.request("POST", "/cluster/wanted", GOOD).status == 200


def test_a_body_that_is_not_said_to_be_json_is_not_taken_for_it(service: Live) -> None:
    # A web page of elsewhere may send these without asking the browser first.
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        raw = b'{"clusterName": "a", "replicas": 1}'
        answer = service.request("POST", "/cluster/wanted", raw, headers={"Content-Type": kind})
        assert answer.status == 400
        assert "Content-Type: application/json" in told(answer, "/cluster")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("what", "status", "kind"),
    [
        ("exists", 409, "AlreadyExistsError"),
        ("conflict", 409, "ConflictError"),
        ("room", 400, "InsufficientRoomError"),
        ("engine", 503, "EngineError"),
        ("missing", 404, "NotFoundError"),
        ("store", 503, "StoreUnavailableError"),
    ],
)
def test_an_error_is_answered_with_its_status_and_its_class(
    service: Live, family: str, what: str, status: int, kind: str
) -> None:
    answer = service.request("GET", f"{family}/raises/{what}")
    assert (answer.status, answer.headers["X-FrameDB-Error"]) == (status, kind)
    assert told(answer, family)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fault_of_ours_tells_its_request_id_and_nothing_else(service: Live, family: str) -> None:
    answer = service.request("GET", f"{family}/raises/fault")
    assert answer.status == 500
    assert "request id" in told(answer, family)
    assert "secret" not in answer.data.decode()


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_not_there_is_a_404_and_what_cannot_be_done_there_a_405_that_says_what_can(
    service: Live, family: str
) -> None:
    missing = service.request("GET", f"{family}/nothing/here")
    assert missing.status == 404
    assert f"{family}/nothing/here" in told(missing, family)
    refused = service.request("PUT", f"{family}/raises/conflict")
    assert (refused.status, refused.headers["Allow"]) == (405, "DELETE, GET")
    assert "DELETE, GET" in told(refused, family)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_body_without_end_is_refused_before_it_is_held(service: Live, family: str) -> None:
    answer = service.request("POST", f"{family}/wanted", b" " * (MAX_BODY_BYTES + 1))
    assert answer.status == 413
    assert str(MAX_BODY_BYTES) in told(answer, family)
    # The same, from a sender that does not say how much is to come.
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as sending:
        sending.sendall(
            f"POST {family}/wanted HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
        )
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(MAX_BODY_BYTES // 0x10000 + 1):
            sending.sendall(chunk)
        assert sending.recv(100).startswith(b"HTTP/1.1 413 ")


def test_earlier_clients_may_have_their_handled_failures_with_status_200(legacy_service: Live) -> None:
    for family in ("/cluster", "/framedb"):
        for method, path, body in (
            ("POST", "wanted", {}),
            ("POST", "wanted", b"{"),
            ("GET", "raises/missing", None),
            ("GET", "raises/engine", None),
        ):
            answer = legacy_service.request(method, f"{family}/{path}", body)
            assert answer.status == 200
            assert told(answer, family)
        assert legacy_service.request("GET", f"{family}/raises/fault").status == 500
        assert legacy_service.request("GET", f"{family}/nothing").status == 404
    assert legacy_service.request("GET", "/v1/raises/missing").status == 404
