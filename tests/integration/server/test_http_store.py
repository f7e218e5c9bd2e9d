"""The durable tier over HTTP keeps the contract of every store; and what plain HTTP clients see of it."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import urllib3
import uvicorn
from fastapi import FastAPI

from framedb.client.http import NodeClient
from framedb.client.objects import HTTPStore
from framedb.frame import Frame
from framedb.registry import open_engine, sqlite_url, upgrade
from framedb.routing import SQLLocator
from framedb.server.objects import objects_router
from framedb.server.replies import add_replies
from framedb.server.sources import sources_router
from framedb.stores.sql import SQLStore
from framedb.tiering.durable import DurableTier
from tests.contracts.frame_store import FrameStoreContract, until


class Served:
    """The durable routes over SQLite files, served on a port."""

    def __init__(self) -> None:
        # Memory is not looked at here: what it would answer is the durable tier's.
        self._backends = SimpleNamespace(
            tiers=SimpleNamespace(memory=lambda source: self.durable),
            connections=SimpleNamespace(memory=lambda cluster: self.durable),
        )
        app = FastAPI()
        add_replies(app)
        app.include_router(objects_router(self._backends))  # type: ignore[arg-type]
        app.include_router(sources_router(self._backends))  # type: ignore[arg-type]
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()

    def open(self, folder: Path) -> None:
        """Serve what is in the folder from now on."""
        self.superseded: list[str] = []
        self.registry = open_engine(sqlite_url(folder / "registry.db"))
        upgrade(self.registry)
        self.routing = SQLLocator(self.registry)
        self.durable = DurableTier(
            SQLStore.open(sqlite_url(folder / "frames.db")),
            self.routing,
            superseded=lambda source, keys: self.superseded.extend(keys),
            mark_durable=lambda source: self.routing.place(source, "local", durable=True),
        )
        self._backends.durable = self.durable

    def close(self) -> None:
        """Let go of the folder."""
        self.durable.close()
        self.registry.dispose()

    def stop(self) -> None:
        """Serve no more."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    running = Served()
    yield running
    running.stop()


@pytest.fixture
def served(server: Served, tmp_path: Path) -> Iterator[Served]:
    server.open(tmp_path)
    yield server
    server.close()


@pytest.fixture
def client(served: Served) -> Iterator[NodeClient]:
    node = NodeClient(served.url)
    yield node
    node.close()


class TestHTTPStore(FrameStoreContract):
    """The contract, over HTTP, where each frame is a request of its own."""

    many = 50

    @pytest.fixture
    def store(self, client: NodeClient) -> HTTPStore:
        return HTTPStore(client)


def test_a_written_key_is_registered_and_its_copy_in_memory_is_superseded(served: Served, client: NodeClient) -> None:
    HTTPStore(client).put(Frame("one", b"data"))
    route = served.routing.object("one")
    assert route is not None
    assert (route.framedb_type, route.size) == ("storage", 4)
    assert served.superseded == ["one"]
    HTTPStore(client).delete("one")
    assert served.routing.object("one") is None


def test_plain_http_puts_and_gets(served: Served) -> None:
    put = urllib3.request("PUT", f"{served.url}/v1/objects/a/b%20c", body=b"\xff\xd8\xff jpeg")
    assert (put.status, put.json()) == (201, {"key": "a/b c"})
    got = urllib3.request("GET", f"{served.url}/v1/objects/a/b%20c")
    assert (got.status, got.data) == (200, b"\xff\xd8\xff jpeg")
    head = urllib3.request("HEAD", f"{served.url}/v1/objects/a/b%20c")
    assert (head.headers["Content-Length"], head.headers["ETag"]) == (str(len(got.data)), got.headers["ETag"])


def test_what_is_not_there_is_a_404_that_names_it(served: Served) -> None:
    answer = urllib3.request("GET", f"{served.url}/v1/objects/nothing")
    assert answer.status == 404
    assert "'nothing'" in answer.json()["error"]
    assert answer.json()["request_id"]


@pytest.mark.parametrize(
    ("path", "headers", "said"),
    [
        ("/v1/objects/fdb:x", {}, "FrameDB's own"),
        ("/v1/objects/" + "x" * 1025, {}, "1025 bytes"),
        ("/v1/objects/x?ttl=-1", {}, "time to live of -1.0 seconds is not possible"),
        ("/v1/objects/x?ttl=soon", {}, "ttl"),
        ("/v1/objects/x", {"X-FrameDB-Frame": "{"}, "no JSON"),
        ("/v1/objects/x", {"X-FrameDB-Frame": "[]"}, "JSON object"),
        ("/v1/objects/x", {"X-FrameDB-Frame": json.dumps({"captured_at": "yesterday"})}, "does not describe a frame"),
        ("/v1/objects/x", {"X-FrameDB-Frame": json.dumps({"source": "no spaces"})}, "source id"),
    ],
)
def test_what_cannot_be_stored_is_a_400_that_says_why(
    served: Served, path: str, headers: dict[str, str], said: str
) -> None:
    answer = urllib3.request("PUT", served.url + path, body=b"data", headers=headers)
    assert answer.status == 400, answer.data
    assert said in answer.json()["error"]
    assert urllib3.request("GET", f"{served.url}/v1/objects").json()["keys"] == []


def test_an_upload_that_breaks_off_is_never_visible(served: Served) -> None:
    urllib3.request("PUT", f"{served.url}/v1/objects/movie", body=b"the old one")
    host, port = served.url.removeprefix("http://").split(":")
    for _ in range(3):
        with socket.create_connection((host, int(port))) as upload:
            upload.sendall(b"PUT /v1/objects/movie HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000000\r\n\r\n")
            upload.sendall(b"x" * 12_000_000)
    assert urllib3.request("GET", f"{served.url}/v1/objects/movie").data == b"the old one"
    until(lambda: served.durable.sweep(older_than=0.0).unfinished == 0, "nothing to be left to sweep")
    assert served.durable.stats("_").count == 1


def test_keys_are_listed_a_page_at_a_time(served: Served) -> None:
    served.durable.put_many([Frame(f"many/{n:03}", b"") for n in range(25)])
    keys: list[str] = []
    after: str | None = ""
    while after is not None:
        page = urllib3.request("GET", f"{served.url}/v1/objects?prefix=many/&limit=10&after={after}").json()
        keys += page["keys"]
        after = page["next"]
    assert keys == [f"many/{n:03}" for n in range(25)]
