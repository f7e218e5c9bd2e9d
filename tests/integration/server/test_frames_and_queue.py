"""What waits, what was set aside and what was captured last, of a node on each of the brokers it may have."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import urllib3

from framedb.config import MiB, Settings
from framedb.frame import CameraKey, Frame
from framedb.node import Backends, Node
from framedb.queueing.base import Announcement
from framedb.server.frame_queue import frame_queue_router
from framedb.server.service import new_service
from framedb.server.sources import sources_router
from tests.engines import free_port
from tests.live import Live, live

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
SOURCE = "hall:door"


@contextmanager
def node_on(folder: Path, **more: Any) -> Iterator[tuple[Backends, Live]]:
    """A node without workers, and the routes over it."""
    given: dict[str, Any] = {"redis_url": None, "tidb_url": None, "broker_url": None, **more}
    settings = Settings(_env_file=None, frames_maxmemory_bytes=64 * MiB, queue_max_length=50, **given)  # type: ignore[call-arg]
    with Node(settings, folder, redis_port=free_port(), workers=False) as node:
        app = new_service("A node", "For tests.", token=None)
        for router in (frame_queue_router, sources_router):
            app.include_router(router(node.backends))
        with live(app) as served:
            yield node.backends, served


@pytest.fixture(params=["streams", "rabbitmq"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Backends, Live]]:
    """With an empty queue, on its own control server or on RabbitMQ."""
    broker = request.getfixturevalue("amqp_url") if request.param == "rabbitmq" else None
    with node_on(tmp_path / "runtime", broker_url=broker) as opened:
        yield opened


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Backends, Live]]:
    """With nothing but its own engines, for tests that ask of frames."""
    with node_on(tmp_path_factory.mktemp("embedded") / "runtime") as opened:
        yield opened


def told(served: Live, path: str) -> Any:
    """The JSON that it answers."""
    answer = served.request("GET", path)
    assert answer.status == 200, answer.data
    return answer.json()


def announcement(number: int) -> Announcement:
    """Of the frame that was captured so many seconds after."""
    return Announcement(key(number), SOURCE, captured_at=AT + timedelta(seconds=number))


def key(number: int, source: str = SOURCE) -> str:
    """Of the frame that was captured so many seconds after."""
    site, camera = source.split(":")
    return str(CameraKey(site, camera, AT + timedelta(seconds=number)))


def test_the_queue_tells_what_waits_and_what_was_set_aside_and_why(node: tuple[Backends, Live]) -> None:
    backends, served = node
    empty = told(served, "/v1/queue")
    assert empty == {
        "queue": "frame_queue",
        "depth": 0,
        "max_length": 50,
        "policy": "drop-oldest",
        "dead_letters": [],
    }
    with backends.open_queue() as queue:
        assert queue.announce([announcement(number) for number in range(5)]).dropped == []
        for _ in range(2):
            taken = queue.take(timeout=10)
            assert taken is not None
            queue.set_aside(taken, f"ValueError: {taken.announcement.key} is no picture")

        asked = told(served, "/v1/queue")
        assert asked["depth"] == 3
        assert asked["dead_letters"] == [
            {"key": key(number), "source": SOURCE, "reason": f"ValueError: {key(number)} is no picture"}
            for number in range(2)
        ]
        # To look takes nothing away.
        assert told(served, "/v1/queue") == asked
        assert [each["key"] for each in told(served, "/v1/queue?dead_letters=1")["dead_letters"]] == [key(0)]
        assert told(served, "/v1/queue?dead_letters=0")["dead_letters"] == []

        taken = queue.take(timeout=10)
        assert taken is not None
        assert taken.announcement.key == key(2)
        queue.acknowledge(taken)
    assert told(served, "/v1/queue")["depth"] == 2
    for refused in ("-1", "101", "many"):
        assert served.request("GET", f"/v1/queue?dead_letters={refused}").status == 400


def test_a_queue_that_is_full_is_no_longer_than_its_bound(node: tuple[Backends, Live]) -> None:
    backends, served = node
    with backends.open_queue() as queue:
        queue.announce([announcement(number) for number in range(60)])
    asked = told(served, "/v1/queue")
    assert asked["depth"] == asked["max_length"] == 50


def put(backends: Backends, number: int, *, source: str = SOURCE, durable: bool = False) -> None:
    """A frame of that source, captured so many seconds after."""
    captured_at = AT + timedelta(seconds=number)
    frame = Frame(key(number, source), b"bytes %d" % number, source=source, captured_at=captured_at)
    (backends.durable if durable else backends.tiers).put(frame)


def found(served: Live, source: str, path: str) -> str | None:
    """The key of the frame that is answered, if there is one."""
    answer: urllib3.BaseHTTPResponse = served.request("GET", f"/v1/sources/{source}/{path}")
    if answer.status == 404:
        return None
    assert answer.status == 200, answer.data
    described: dict[str, Any] = json.loads(answer.headers["X-FrameDB-Frame"])
    number = int((datetime.fromisoformat(described["captured_at"]) - AT).total_seconds())
    assert answer.data == b"bytes %d" % number
    return str(described["key"])


def test_with_memory_frames_in_memory_are_searched_beside_durable_ones(embedded: tuple[Backends, Live]) -> None:
    backends, served = embedded
    put(backends, 10, durable=True)
    put(backends, 20)
    assert found(served, SOURCE, "latest") == key(10)
    assert found(served, SOURCE, "latest?memory=true") == key(20)
    at = quote((AT + timedelta(seconds=16)).isoformat())
    assert found(served, SOURCE, f"nearest?at={at}") == key(10)
    assert found(served, SOURCE, f"nearest?at={at}&memory=true") == key(20)
    assert found(served, SOURCE, f"nearest?at={at}&tolerance=3&memory=true") is None
    assert found(served, SOURCE, f"nearest?at={at}&tolerance=4&memory=true") == key(20)
    at = quote((AT + timedelta(seconds=11)).isoformat())
    assert found(served, SOURCE, f"nearest?at={at}&memory=true") == key(10)


def test_with_memory_a_source_with_durable_frames_alone_is_found_too(embedded: tuple[Backends, Live]) -> None:
    backends, served = embedded
    put(backends, 30, source="hall:gate", durable=True)
    assert found(served, "hall:gate", "latest?memory=true") == key(30, "hall:gate")


def test_to_look_for_a_source_nobody_knows_does_not_make_it(embedded: tuple[Backends, Live]) -> None:
    backends, served = embedded
    for path in ("latest?memory=true", f"nearest?at={quote(AT.isoformat())}&memory=true", "latest"):
        assert found(served, "hall:nowhere", path) is None
    assert backends.plane.routing.mapping("hall:nowhere") == []
