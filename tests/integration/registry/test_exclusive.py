"""Tables are changed by one process at a time; the others wait for it."""

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

import pytest
from sqlalchemy import Engine, text

from framedb.errors import StoreUnavailableError
from framedb.registry import open_engine, reading, writing
from framedb.registry.exclusive import exclusively


def test_a_change_that_takes_longer_than_any_reply_may_is_waited_for(mariadb_url: str) -> None:
    ours, impatient = open_engine(mariadb_url), open_engine(mariadb_url, timeout=3.0)

    def change() -> bool:
        with exclusively(impatient, "lock") as connection:
            return bool(connection.scalar(text("SELECT 1")))

    with ThreadPoolExecutor(1) as thread:
        with exclusively(ours, "lock"):
            waiting = thread.submit(change)
            done, _ = wait([waiting], timeout=3.5)
            assert not done, waiting.exception()
        assert waiting.result(30)
    ours.dispose()
    impatient.dispose()


def test_who_waits_in_vain_is_told(mariadb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framedb.registry.exclusive._WAIT", 0)
    ours, others = open_engine(mariadb_url), open_engine(mariadb_url)
    with (
        exclusively(ours, "lock"),
        pytest.raises(StoreUnavailableError, match="another process has been upgrading it"),
        exclusively(others, "lock"),
    ):
        pass
    with exclusively(others, "lock"), exclusively(ours, "another"):
        pass
    ours.dispose()
    others.dispose()


def test_rows_of_a_change_that_fails_are_not_kept(empty_engine: Engine) -> None:
    with writing(empty_engine) as connection:
        connection.execute(text("CREATE TABLE t (x INT)"))
    with suppress(ValueError), exclusively(empty_engine, "lock") as connection:
        connection.execute(text("INSERT INTO t VALUES (1)"))
        raise ValueError
    with exclusively(empty_engine, "lock") as connection:
        connection.execute(text("INSERT INTO t VALUES (2)"))
    with reading(empty_engine) as connection:
        assert connection.execute(text("SELECT x FROM t")).all() == [(2,)]
