"""Readers of one server, without routing: mode `test`."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from framedb.resp import Endpoint, Redis
from framedb_api.aios_logger import AIOSLogger
from framedb_api.env import Env
from framedb_api.framedb import FrameDB

MakeReader = Callable[..., FrameDB]


def reader_of(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, **env: Any) -> FrameDB:
    """A reader of that server, for bounded waits of a second or two."""
    monkeypatch.setenv("FRAMES_REDIS_URL", f"redis://{endpoint.host}:{endpoint.port}")
    monkeypatch.setenv("FRAMEDB_WAIT", "1.0")
    monkeypatch.setenv("FRAMEDB_CONNECT_TIMEOUT", "0.5")
    return FrameDB({}, Env(mode="test", test_password=endpoint.password, **env), AIOSLogger())


@pytest.fixture
def make_reader(valkey: Endpoint, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeReader]:
    """Readers of an empty server, closed at the end."""
    with ExitStack() as stack:
        yield lambda **env: stack.enter_context(reader_of(valkey, monkeypatch, **env))


@pytest.fixture
def framedb(make_reader: MakeReader) -> FrameDB:
    """A reader of an empty server."""
    return make_reader()


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What everyone logs, to the last detail."""
    caplog.set_level(logging.DEBUG)
    return caplog
