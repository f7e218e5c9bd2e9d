"""No log line holds a password, wherever in the record it stands."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from framedb.cli.output import log_for_people
from framedb.logs import log_as_json

URL = "rtsp://user:hunter2@camera/stream?token=hunter2"


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """The root logger, as it was afterwards."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield
    for handler in set(logger.handlers) - set(handlers):
        handler.close()
    logger.handlers[:] = handlers
    logger.setLevel(level)


def say_it_everywhere() -> None:
    logger = logging.getLogger("framedb.somewhere")
    logger.error("cannot open %s", URL, extra={"url": URL, "urls": [URL], "by_name": {"gate": URL}})
    try:
        try:
            raise OSError(f"a library cannot open {URL}")
        except OSError as exc:
            raise ValueError("ours does not tell it") from exc
    except ValueError:
        logger.exception("failed")


def test_lines_of_services_hold_no_password(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    log_as_json(path)
    say_it_everywhere()
    text = path.read_text()
    assert "hunter2" not in text
    assert text.count("rtsp://***@camera") == 5
    assert "ours does not tell it" in text


def test_lines_for_people_hold_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger().handlers.clear()
    log_for_people()
    say_it_everywhere()
    text = capsys.readouterr().err
    assert "hunter2" not in text
    assert text.count("rtsp://***@camera") == 2
    assert "ours does not tell it" in text
