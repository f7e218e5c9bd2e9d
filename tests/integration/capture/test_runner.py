"""A runner looks after many cameras, and none of them waits for another."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from framedb.capture import Camera
from framedb.capture.cameras import Cameras
from framedb.capture.runner import CameraRunner
from framedb.errors import NotFoundError
from framedb.queueing.streams import StreamsQueue
from framedb.registry import Leases, open_engine, sqlite_url, upgrade
from framedb.resp import Redis
from framedb.stores.memory import MemoryStore
from tests.integration.capture.conftest import eventually


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Engine]:
    """Without cameras."""
    engine = open_engine(sqlite_url(tmp_path / "metadata.db"))
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def cameras(registry: Engine) -> Cameras:
    """None yet."""
    return Cameras(registry)


@pytest.fixture
def leases(registry: Engine) -> Leases:
    """Nobody holds one."""
    return Leases(registry)


@pytest.fixture
def runner(cameras: Cameras, leases: Leases, store: MemoryStore, redis: Redis) -> Iterator[CameraRunner]:
    """One that runs beside the test. Sources of the site `lost` are on no cluster."""

    def cluster_of(source: str) -> str:
        if source.startswith("lost:"):
            raise NotFoundError(f"{source} is on no cluster")
        return "local"

    running = CameraRunner(cameras, leases, store, cluster_of, lambda: StreamsQueue(redis), holder="here")
    stop = threading.Event()
    thread = threading.Thread(target=running.run, args=(stop,))
    thread.start()
    yield running
    stop.set()
    running.wake()
    thread.join(60)
    assert not thread.is_alive()


@contextmanager
def silent_camera() -> Iterator[tuple[str, threading.Event]]:
    """The URL of a camera that takes connections and says nothing, and whether it was connected to."""
    connected, ended = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def hold() -> None:
            connection, _ = listening.accept()
            with connection:
                connected.set()
                ended.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        yield f"rtsp://127.0.0.1:{port}/stream", connected
        ended.set()
        thread.join()


def state_of(cameras: Cameras, source: str) -> str:
    """What is known of the camera."""
    return str(cameras.get(source).health.get("state", "waiting"))


def pattern(name: str, *, site: str = "hall") -> Camera:
    """A camera that is always there."""
    return Camera(site, name, "test://testsrc2?size=160x120", fps=5)


def test_a_new_camera_does_not_wait_until_a_silent_one_has_stopped(
    runner: CameraRunner, cameras: Cameras, leases: Leases
) -> None:
    with silent_camera() as (url, connected):
        cameras.add(Camera("hall", "silent", url, open_timeout=10))
        runner.wake()
        assert connected.wait(20)
        cameras.remove("hall:silent")
        runner.wake()
        cameras.add(pattern("door"))
        runner.wake()
        eventually(lambda: state_of(cameras, "hall:door") == "running")
        assert leases.holder("camera:hall:silent") is not None  # it is still being stopped
    eventually(lambda: leases.holder("camera:hall:silent") is None)


def test_a_camera_that_cannot_be_started_keeps_no_other_from_it(runner: CameraRunner, cameras: Cameras) -> None:
    cameras.add(pattern("a", site="lost"))  # looked at first
    cameras.add(pattern("door", site="main"))
    runner.wake()
    eventually(lambda: state_of(cameras, "main:door") == "running")
    assert state_of(cameras, "lost:a") == "waiting"


def test_a_camera_that_is_stopped_and_started_at_once_runs_again(
    runner: CameraRunner, cameras: Cameras, leases: Leases
) -> None:
    cameras.add(pattern("door"))
    runner.wake()
    eventually(lambda: state_of(cameras, "hall:door") == "running")
    for _ in range(5):
        cameras.enable("hall:door", False)
        runner.wake()
        cameras.enable("hall:door", True)
        runner.wake()
    before = cameras.get("hall:door").health["frames"]
    eventually(lambda: cameras.get("hall:door").health["frames"] != before)
    eventually(lambda: state_of(cameras, "hall:door") == "running")


def test_a_camera_that_is_stopped_is_told_of_and_given_back(
    runner: CameraRunner, cameras: Cameras, leases: Leases
) -> None:
    cameras.add(pattern("door"))
    runner.wake()
    eventually(lambda: state_of(cameras, "hall:door") == "running")
    cameras.enable("hall:door", False)
    runner.wake()
    eventually(lambda: state_of(cameras, "hall:door") == "stopped")
    eventually(lambda: leases.holder("camera:hall:door") is None)
