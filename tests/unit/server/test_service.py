"""What every service has beside its routes: who is let in, health, metrics, and a page to try it on."""

import base64
import re

import pytest

from framedb.client.http import NodeClient
from framedb.errors import ConflictError, EngineError, InsufficientRoomError, NotAuthorizedError, NotFoundError
from tests.live import Live

OPEN = ["/healthz", "/health/ping"]
CLOSED = ["/metrics", "/docs", "/openapi.json", "/cluster/raises/missing", "/framedb/raises/missing"]


@pytest.mark.parametrize("path", CLOSED)
def test_without_the_token_nothing_is_told(closed_service: Live, path: str) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic !"},
        {"Authorization": "the token"},
    ):
        answer = closed_service.request("GET", path, headers=headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer, Basic ")
        assert "FRAMEDB_TOKEN" in answer.data.decode()


def test_the_token_lets_in_as_a_bearer_token_and_as_the_password_of_basic(closed_service: Live) -> None:
    basic = base64.b64encode(b"anybody:the token").decode()
    for credentials in ("Bearer the token", f"Basic {basic}"):
        answer = closed_service.request("GET", "/docs", headers={"Authorization": credentials})
        assert answer.status == 200


@pytest.mark.parametrize("path", OPEN)
def test_probes_need_no_token(closed_service: Live, path: str) -> None:
    assert closed_service.request("GET", path, headers={"Host": "10.0.0.7"}).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:5000"}, 200),
        ({"Origin": "http://localhost:3000"}, 200),
    ],
)
def test_without_a_token_only_this_machine_is_let_in(service: Live, headers: dict[str, str], status: int) -> None:
    answer = service.request("GET", "/openapi.json", headers=headers)
    assert answer.status == status
    refused = service.request("GET", "/cluster/nothing", headers=headers)
    assert refused.json()["success"] is False
    assert refused.status == (status if status == 403 else 404)


def test_a_ping_is_answered_as_it_always_was(service: Live) -> None:
    assert service.request("GET", "/health/ping").json() == {"success": True, "result": {"message": "pong!"}}


def test_the_page_to_try_it_on_needs_nothing_from_elsewhere(service: Live) -> None:
    page = service.request("GET", "/docs").data.decode()
    targets = re.findall(r"(?:src|href)=\"([^\"]+)\"", page)
    assert len(targets) >= 2
    for target in targets:
        assert target.startswith("/"), target
        assert service.request("GET", target).status == 200


def test_requests_are_counted_by_route_and_not_by_path(service: Live) -> None:
    for number in range(3):
        service.request("GET", "/cluster/raises/missing")
        service.request("GET", f"/no/such/{number}")
    text = service.request("GET", "/metrics").data.decode()
    assert 'framedb_http_requests_total{method="GET",route="/cluster/raises/{what}",status="404"}' in text
    assert 'framedb_http_requests_total{method="GET",route="unmatched",status="404"}' in text
    assert 'framedb_http_request_seconds_count{method="GET",route="/cluster/raises/{what}"}' in text
    assert "process_resident_memory_bytes" in text
    assert "/no/such/" not in text


def test_requests_that_were_not_let_in_are_counted_too(closed_service: Live) -> None:
    closed_service.request("GET", "/docs", headers={})
    text = closed_service.request("GET", "/metrics", headers={"Authorization": "Bearer the token"}).data.decode()
    assert 'status="401"' in text


def test_the_openapi_says_that_a_token_is_needed_only_where_it_is(service: Live, closed_service: Live) -> None:
    assert "securitySchemes" not in service.request("GET", "/openapi.json").json()["components"]
    headers = {"Authorization": "Bearer the token"}
    assert "securitySchemes" in closed_service.request("GET", "/openapi.json", headers=headers).json()["components"]


@pytest.mark.parametrize("family", ["/cluster", "/framedb", "/v1"])
@pytest.mark.parametrize(
    ("what", "kind"),
    [("conflict", ConflictError), ("room", InsufficientRoomError), ("engine", EngineError), ("missing", NotFoundError)],
)
def test_a_client_raises_the_very_error_the_service_met(
    service: Live, legacy_service: Live, family: str, what: str, kind: type[Exception]
) -> None:
    for served in (service, legacy_service):
        client = NodeClient(served.url)
        with pytest.raises(kind) as caught:
            client.json("GET", f"{family}/raises/{what}")
        client.close()
        assert type(caught.value) is kind
        assert str(caught.value)


def test_a_client_without_the_token_is_told_what_to_do(closed_service: Live) -> None:
    client = NodeClient(closed_service.url, token="another")
    with pytest.raises(NotAuthorizedError, match="FRAMEDB_TOKEN"):
        client.json("GET", "/cluster/raises/missing")
    client.close()
