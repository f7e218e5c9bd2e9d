"""What the pages show is what happens: every block and every example runs on a node as a user starts it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from framedb.client.attributes import AttributeClient
from framedb.client.http import quoted
from framedb.errors import NodeUnavailableError
from tests.acceptance.conftest import UpNode, node_on, until
from tests.documents import PAGES, ROOT, blocks, path_of_tools, run_page, sections
from tests.engines import free_port
from tests.engines.rabbitmq import RabbitMQ

URL = "http://127.0.0.1:8000"
GRPC = "127.0.0.1:50051"
KVS = "http://127.0.0.1:8080"
BROKER_URL = "amqp://guest:guest@127.0.0.1:5672/%2F"
ON_RABBITMQ = "rabbitmq.md"
HTTP_PAGES = [ROOT / "docs" / "reference" / name for name in ("http.md", "control-plane.md")]

WITH_CODE = [page for page in PAGES if any(block.runs for block in blocks(page)) and page.name != ON_RABBITMQ]


@pytest.fixture(scope="session")
def broker_url(rabbitmq: RabbitMQ) -> str:
    """The RabbitMQ of the session, running."""
    if not rabbitmq.running:
        rabbitmq.start()
    return rabbitmq.url


@pytest.fixture(scope="session")
def node_on_rabbitmq(tmp_path_factory: pytest.TempPathFactory, broker_url: str) -> Iterator[UpNode]:
    """A node whose frame queue is on RabbitMQ."""
    with node_on(tmp_path_factory.mktemp("node-on-rabbitmq"), BROKER_URL=broker_url) as up:
        yield up


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_shows_happens(page: Path, node: UpNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with as_a_reader(node, tmp_path, monkeypatch) as environment:
        replace = {URL: node.url, GRPC: str(node.told()["grpc"]), KVS: str(node.told()["kvs"])}
        assert run_page(page, tmp_path, environment=environment, replace=replace) > 0


def test_what_the_page_about_rabbitmq_shows_happens(
    node_on_rabbitmq: UpNode, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ROOT / "docs" / "how-to" / ON_RABBITMQ
    with as_a_reader(node_on_rabbitmq, tmp_path, monkeypatch, BROKER_URL=broker_url) as environment:
        replace = {URL: node_on_rabbitmq.url, BROKER_URL: broker_url}
        assert run_page(page, tmp_path, environment=environment, replace=replace) > 0


def test_the_example_that_puts_and_gets_runs(node: UpNode) -> None:
    done = example(node, "put_and_get.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "removed 3"


def test_the_example_of_the_latest_frame_finds_the_camera(
    node: UpNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_a_reader(node, tmp_path, monkeypatch):
        capture(node, "latest")
        done = example(node, "latest_frame.py", "example:latest")
    assert done.returncode == 0, done.stderr
    assert "(360, 640, 3)" in done.stdout


def test_the_example_function_is_called_with_every_frame(
    node: UpNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_a_reader(node, tmp_path, monkeypatch):
        capture(node, "score")
        with running(node, "-m", "framedb", "work", "score:score") as worker:
            printed = [next(iter(worker.stdout or ())) for _ in range(3)]
    assert sum(line.startswith("example:score ") for line in printed) == 2
    with node.connect() as db:
        assert db.stats("example:score").count == 0


def test_the_example_that_counts_is_watched_from_outside(
    node: UpNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = str(free_port())
    with as_a_reader(node, tmp_path, monkeypatch):
        capture(node, "counted")
        worker = running(node, "-m", "framedb", "work", "counter:count", COUNTER_PORT=port)
        with worker, AttributeClient(f"http://127.0.0.1:{port}") as store:
            until(lambda: counted(store) == 2, "both frames to be counted")


def counted(store: AttributeClient) -> int | None:
    """What the example says of its source."""
    try:
        counter = store.get("counter", "example:counted")
    except NodeUnavailableError:  # it is just being started
        return None
    return counter.values[0].as_integer() if counter else None


def test_a_consumer_without_framedb_works_on_frames_and_releases_them(
    node_on_rabbitmq: UpNode, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = node_on_rabbitmq
    with as_a_reader(node, tmp_path, monkeypatch):
        capture(node, "pika")
        arguments = ("plain_pika_consumer.py", str(node.data_dir))
        with running(node, *arguments, BROKER_URL=broker_url) as consumer, node.connect() as db:
            lines = [next(iter(consumer.stdout or ())) for _ in range(2)]
            assert all(line.startswith("frame:example:pika:") and line.endswith(" bytes\n") for line in lines)
            until(lambda: db.stats("example:pika").count == 0, "the frames to be released")
            assert db.stats("example:pika").drops == {}


def test_the_pages_about_http_name_every_route_and_no_other(node: UpNode) -> None:
    described = urllib3.request("GET", f"{node.url}/openapi.json").json()
    routes = {
        f"{method.upper()} {path}": route for path, of in described["paths"].items() for method, route in of.items()
    }
    shown = shown_routes()
    assert set(shown) == set(routes)
    for name, route in routes.items():
        for parameter in route.get("parameters", []):
            assert f"`{parameter['name']}`" in shown[name] or f"{{{parameter['name']}}}" in name, (name, parameter)
        for field in fields_of_body(route, described["components"]["schemas"]):
            assert f"`{field}`" in shown[name], (name, field)


def shown_routes() -> dict[str, str]:
    """What the pages say of each route: the text under its heading, or its row of a table."""
    shown = {}
    for page in HTTP_PAGES:
        for title, text in sections(page).items():
            if title.startswith("`"):
                shown[title.strip("`")] = text
        for row in re.findall(r"^\| `[A-Z]+ /.*$", page.read_text(), re.MULTILINE):
            for name in re.findall(r"`([A-Z]+ /[^`]*)`", row.split("|")[1]):
                shown[name] = row
    return shown


def fields_of_body(route: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    """The fields of what is posted."""
    content = route.get("requestBody", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref")
    return list(schemas[reference.rpartition("/")[2]]["properties"]) if reference else []


@contextmanager
def as_a_reader(node: UpNode, folder: Path, monkeypatch: pytest.MonkeyPatch, **more: str) -> Iterator[dict[str, str]]:
    """`folder` as the one where somebody reads the page and has started the node; afterwards the node is as it was."""
    (folder / "runtime").symlink_to(node.data_dir)
    (folder / ".venv").symlink_to(sys.prefix)
    kvs = str(node.told()["kvs"])
    environment = {
        **node.environment,
        "FRAMEDB_URL": node.url,
        "FRAMEDB_KVS_URL": kvs,
        "PATH": path_of_tools(),
        "COLUMNS": "120",
        **more,
    }
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        for name, value in environment.items():
            patch.setenv(name, value)
        empty_queue(node)
        before = keys(node)
        try:
            yield environment
        finally:
            remove_cameras(node)
            empty_queue(node)
            with node.connect() as db:
                for source, now in keys(node).items():
                    db.delete(*(now - before.get(source, set())), source=source)


def remove_cameras(node: UpNode) -> None:
    """Every camera of the node."""
    with node.connect() as db:
        for camera in db.node.json("GET", "/v1/cameras")["cameras"]:
            db.node.json("DELETE", f"/v1/cameras/{quoted(camera['source'])}")


def empty_queue(node: UpNode) -> None:
    """Whatever an earlier test has left."""
    with node.connect() as db, db.queue() as queue:
        while delivery := queue.take(timeout=0.1):
            queue.acknowledge(delivery)


def keys(node: UpNode) -> dict[str, set[str]]:
    """What the node holds, by source."""
    with node.connect() as db:
        return {source: set(db.scan(source=source)) for source in db.sources()}


def capture(node: UpNode, camera: str) -> None:
    """Two frames of a test pattern, announced."""
    url = "test://testsrc2?duration=1"
    done = node.cli("capture", url, "--site", "example", "--camera", camera, "--fps", "2", "--json")
    assert done.returncode == 0, done.stderr


def example(node: UpNode, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """An example, run to its end."""
    return subprocess.run(
        [sys.executable, name, *arguments],
        cwd=ROOT / "examples",
        env={**node.environment, "FRAMEDB_URL": node.url},
        capture_output=True,
        text=True,
        timeout=60,
    )


@contextmanager
def running(node: UpNode, *arguments: str, **environment: str) -> "Iterator[subprocess.Popen[str]]":
    """A program of the examples while it runs; stopped at the end."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT / "examples",
        env={**node.environment, "FRAMEDB_URL": node.url, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=30)
