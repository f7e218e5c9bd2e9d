"""Requests are logged on standard output, and every line of a request carries its id."""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from framedb.logs import ACCESS, log_as_json, request_id_of_context


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """The loggers, as they were afterwards."""
    root, access = logging.getLogger(), logging.getLogger(ACCESS)
    before, level, before_access = root.handlers[:], root.level, access.handlers[:]
    yield
    for handler in set(root.handlers) - set(before):
        handler.close()
    root.handlers[:], access.handlers[:] = before, before_access
    root.setLevel(level)


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_requests_go_to_standard_output_and_the_file_and_the_rest_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_as_json(tmp_path / "app.log")
    logging.getLogger(ACCESS).info("request", extra={"path": "/jobs"})
    logging.getLogger("framedb.somewhere").warning("something else")
    printed = capsys.readouterr()
    assert [line["path"] for line in lines(printed.out)] == ["/jobs"]
    assert [line["event"] for line in lines(printed.err)] == ["something else"]
    assert [line["event"] for line in lines((tmp_path / "app.log").read_text())] == ["request", "something else"]


def test_what_is_logged_while_a_request_is_answered_carries_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    log_as_json()
    within = request_id_of_context.set("the-id")
    logging.getLogger("framedb.somewhere").info("in it")
    logging.getLogger("framedb.somewhere").info("of another", extra={"request_id": "another"})
    request_id_of_context.reset(within)
    logging.getLogger("framedb.somewhere").info("outside")
    ids = [line.get("request_id") for line in lines(capsys.readouterr().err)]
    assert ids == ["the-id", "another", None]


def test_a_standard_output_that_nobody_reads_any_more_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = (tmp_path / "closed").open("w")
    monkeypatch.setattr(sys, "stdout", closed)
    log_as_json()
    closed.close()
    thread = threading.Thread(target=logging.getLogger(ACCESS).info, args=("request",))
    thread.start()
    thread.join()
    assert "Traceback" not in capsys.readouterr().err
