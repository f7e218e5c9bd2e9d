"""What a reader is told by its environment, and what it logs."""

import logging
from pathlib import Path

import pytest

from framedb.errors import InvalidSettingError
from framedb_api.aios_logger import AIOSLogger, ErrorSeverity
from framedb_api.env import Env


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No environment, and no `.env`."""
    monkeypatch.chdir(tmp_path)
    for name in ("FRAMEDB_URL", "FRAMEDB_NODE_TAG", "FRAMEDB_PASSWORD", "FRAMEDB_ROUTING_URL"):
        monkeypatch.delenv(name, raising=False)


def test_with_nothing_set_it_is_the_local_node() -> None:
    env = Env()
    assert env.routing_url == "http://127.0.0.1:8000"
    assert env.framedb_node_tag == "local"
    assert env.on_demand_connections is True
    assert env.use_del_svc is False


def test_the_environment_and_a_file_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FRAMEDB_NODE_TAG=from-file\nFRAMEDB_URL=http://node:8000\nFRAMEDB_PING_RETRIES=7\n")
    monkeypatch.setenv("FRAMEDB_NODE_TAG", "from-environment")
    env = Env()
    assert (env.framedb_node_tag, env.routing_url, env.framedb_ping_retries) == (
        "from-environment",
        "http://node:8000",
        7,
    )
    monkeypatch.setenv("FRAMEDB_ROUTING_URL", "http://routing:5000")
    assert Env().routing_url == "http://routing:5000"


def test_attributes_may_be_set_afterwards() -> None:
    env = Env(mode="test")
    env.test_node_tag = "here"
    assert (env.mode, env.test_node_tag) == ("test", "here")


def test_a_value_that_cannot_be_used_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEDB_PING_RETRIES", "secret")
    with pytest.raises(InvalidSettingError, match="FRAMEDB_PING_RETRIES") as caught:
        Env()
    assert "secret" not in str(caught.value)


def test_a_password_is_not_printed() -> None:
    env = Env(framedb_password="secret", test_password="secret")
    assert "secret" not in repr(env) + str(env)


def test_what_is_logged_has_its_action_and_no_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    logger = AIOSLogger()
    logger.info("start", "reading", {"source": "cam"})
    logger.warning(action="read", message="again", exception=OSError("redis://:secret@host:1 is away"))
    logger.error(
        action="read",
        severity=ErrorSeverity.HIGH,
        message="failed",
        exception=None,
        extras={"url": "redis://:secret@host:1"},
    )
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "ERROR"]
    fields = [record.__dict__ for record in caplog.records]
    assert [each["action"] for each in fields] == ["start", "read", "read"]
    assert fields[2]["severity"] == "HIGH"
    assert "secret" not in caplog.text + str([each["extras"] for each in fields])


def test_the_page_names_every_variable_with_its_attribute() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "older-programs.md").read_text()
    for attribute, field in Env.model_fields.items():
        assert f"| `{field.alias}` | `{attribute}` |" in page
