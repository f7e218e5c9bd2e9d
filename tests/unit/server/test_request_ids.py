"""The id of a request: its sender's where it is fit to be one, in the reply, in what is told of a failure, and in the log."""

import logging

import pytest

from tests.contracts.frame_store import until
from tests.live import Live

HEADER = "X-Request-ID"


@pytest.mark.parametrize("given", ["a", "7f3c-of-the-proxy", "!~@/:;=", "x" * 128])
def test_a_request_keeps_the_id_it_came_with(service: Live, caplog: pytest.LogCaptureFixture, given: str) -> None:
    caplog.set_level(logging.INFO)
    answer = service.request("GET", "/v1/raises/missing", headers={HEADER: given})
    assert answer.headers.getlist(HEADER) == [given]
    assert answer.json()["request_id"] == given
    until(lambda: given in logged(caplog), "it is in the access log")


@pytest.mark.parametrize("given", ["", "a b", "a\tb", "ä", "x" * 129, '{"a": 1}'])
def test_what_is_no_id_is_replaced_by_one_of_ours(service: Live, caplog: pytest.LogCaptureFixture, given: str) -> None:
    caplog.set_level(logging.INFO)
    answer = service.request("GET", "/v1/raises/missing", headers={HEADER: given})
    (ours,) = answer.headers.getlist(HEADER)
    assert len(ours) == 32
    assert answer.json()["request_id"] == ours
    until(lambda: ours in logged(caplog), "it is in the access log")
    assert given not in logged(caplog)


def test_each_request_without_an_id_gets_one_of_its_own(service: Live) -> None:
    assert len({service.request("GET", "/healthz").headers[HEADER] for _ in range(3)}) == 3


def test_a_request_that_is_not_let_in_keeps_its_id_too(closed_service: Live) -> None:
    answer = closed_service.request("GET", "/docs", headers={HEADER: "outside"})
    assert (answer.status, answer.headers[HEADER], answer.json()["request_id"]) == (401, "outside", "outside")


def test_a_fault_is_logged_under_the_id_of_its_request(service: Live, caplog: pytest.LogCaptureFixture) -> None:
    answer = service.request("GET", "/v1/raises/fault", headers={HEADER: "the-one"})
    assert answer.status == 500
    (fault,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert vars(fault)["request_id"] == "the-one"


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Ids in the access log, where a request stands once it is answered."""
    return [vars(record)["request_id"] for record in caplog.records if record.name == "framedb.access"]
