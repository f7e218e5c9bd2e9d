"""What a web page of elsewhere can make a browser ask: of a service without a token, and of one whose password it remembers."""

import base64
import socket

import pytest
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.live import Live, live
from tests.unit.server.conftest import small_service

PASSWORD = "Basic " + base64.b64encode(b"anybody:the token").decode()
EVIL = "https://evil.example"

# What browsers send: a picture or script on a page, a page in a frame, a link that is followed, a form, a script's request.
PICTURE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
FRAME = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FORM = {**LINK, "Origin": EVIL}
SCRIPT = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty", "Origin": EVIL}
OLD_BROWSER = {"Origin": EVIL}
TYPED = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
OWN = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}


@pytest.mark.parametrize("sent", [PICTURE, FRAME, FORM, SCRIPT, OLD_BROWSER, {"Origin": "null"}])
def test_pages_of_elsewhere_are_refused(service: Live, closed_service: Live, sent: dict[str, str]) -> None:
    assert service.request("GET", "/openapi.json", headers=sent).status == 403
    refused = closed_service.request("GET", "/openapi.json", headers={**sent, "Authorization": PASSWORD})
    assert refused.status == 403
    assert "Bearer" in refused.json()["error"]


@pytest.mark.parametrize("sent", [LINK, TYPED, OWN])
def test_links_and_pages_of_our_own_are_let_in(service: Live, closed_service: Live, sent: dict[str, str]) -> None:
    assert service.request("GET", "/openapi.json", headers=sent).status == 200
    assert closed_service.request("GET", "/openapi.json", headers={**sent, "Authorization": PASSWORD}).status == 200


def test_a_page_of_our_own_is_known_by_its_origin_in_an_older_browser(closed_service: Live) -> None:
    for origin, status in ((closed_service.url, 200), (f"{closed_service.url}1", 403)):
        headers = {"Origin": origin, "Authorization": PASSWORD}
        assert closed_service.request("GET", "/openapi.json", headers=headers).status == status


def test_a_page_of_another_port_of_this_machine_may_use_a_service_without_a_token_only(
    service: Live, closed_service: Live
) -> None:
    sent = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "empty", "Origin": "http://localhost:3000"}
    assert service.request("GET", "/openapi.json", headers=sent).status == 200
    assert service.request("GET", "/openapi.json", headers={**sent, "Sec-Fetch-Site": "cross-site"}).status == 200
    headers = {**sent, "Authorization": PASSWORD}
    assert closed_service.request("GET", "/openapi.json", headers=headers).status == 403


@pytest.mark.parametrize("sent", [PICTURE, FORM, SCRIPT, OLD_BROWSER])
def test_a_program_with_the_token_itself_is_let_in_from_everywhere(closed_service: Live, sent: dict[str, str]) -> None:
    headers = {**sent, "Authorization": "Bearer the token"}
    assert closed_service.request("GET", "/openapi.json", headers=headers).status == 200


def test_no_page_can_lay_ours_under_its_own(service: Live) -> None:
    for path in ("/docs", "/healthz", "/no/such/path"):
        assert service.request("GET", path).headers["X-Frame-Options"] == "DENY"


def opened(served: Live, *, host: str = "127.0.0.1", **headers: str) -> int:
    """The status of a WebSocket's handshake."""
    port = int(served.url.rpartition(":")[2])
    reached = socket.create_connection(("127.0.0.1", port))
    try:
        with connect(f"ws://{host}:{port}/echo", sock=reached, additional_headers=headers) as websocket:
            websocket.send("said")
            assert websocket.recv(timeout=10) == "said"
            return 101
    except InvalidStatus as exc:
        return exc.response.status_code


def test_websockets_are_held_to_the_same_rules() -> None:
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    for token in (None, "the token"):
        app = small_service(token=token)
        app.add_api_websocket_route("/echo", echo)
        with live(app) as served:
            if token is None:
                assert opened(served) == 101
                assert opened(served, Origin="http://localhost:3000") == 101
                assert opened(served, Origin=EVIL) == 403
                assert opened(served, host="rebound.example") == 403
            else:
                assert opened(served) == 403
                assert opened(served, Authorization="Bearer wrong") == 403
                assert opened(served, Authorization="Bearer the token", Origin=EVIL) == 101
                assert opened(served, Authorization=PASSWORD) == 101
                assert opened(served, Authorization=PASSWORD, Origin=EVIL) == 403
