"""Clients of the services, without a service: what they say then, and what they ask for."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from framedb.compat.calls import ServiceCalls
from framedb.compat.instance_urls import password_of, url_of
from framedb.errors import InvalidSettingError
from framedb_writer_client import FrameDBClusterClient, FrameDBWriter, ObjectRoutingClient, StreamRoutingClient
from framedb_writer_client.factory import new_framedb_writer
from tests.engines import free_port


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    """A service that always answers that: a proxy, or one of another kind. Its URL, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815  - as the library wants them

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_nobody_s_answer_has_the_shape_of_an_answer() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with closing(ObjectRoutingClient(url)) as objects, closing(StreamRoutingClient(url)) as streams:
        for status, answer in (objects.get_object("k"), streams.register_stream("q", "local")):
            assert status == 503
            assert answer["success"] is False
            assert url in answer["error"]
    with closing(FrameDBClusterClient(url)) as clusters:
        answer = clusters.get_instance_by_id("local")
        assert answer["success"] is False
        assert url in answer["error"]


def test_an_answer_that_is_no_json_is_told_as_it_is() -> None:
    with answering(502, b"<html>Bad Gateway</html>") as (url, _), closing(ObjectRoutingClient(url)) as objects:
        assert objects.get_object("k") == (502, {"success": False, "error": "<html>Bad Gateway</html>"})


def test_what_is_no_json_is_not_sent() -> None:
    with answering(200, b"{}") as (url, asked), closing(ObjectRoutingClient(url)) as objects:
        status, answer = objects.create_object("k", "local", "storage", metadata={"x": object()})
        assert (status, answer["success"]) == (400, False)
        assert asked == []


def test_a_call_is_tried_again_while_nobody_listens_yet() -> None:
    """The first try finds the port closed."""
    port = free_port()
    listening = threading.Event()

    def serve() -> None:
        listening.wait(10)
        with socket.create_server(("127.0.0.1", port)) as server:
            near, _ = server.accept()
            with near:
                near.recv(65536)
                near.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    thread = threading.Thread(target=serve)
    thread.start()
    threading.Timer(0.1, listening.set).start()
    with closing(ServiceCalls(f"http://127.0.0.1:{port}")) as calls:
        assert calls.ask("GET", "/") == (200, {})
    thread.join()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a/b c?d#e%", "a/b%20c%3Fd%23e%25"),
        ("frame:a:b", "frame:a:b"),
        ("ünï", "%C3%BCn%C3%AF"),
        ("a/../b", "a%2F%2E%2E%2Fb"),
        ("..", "%2E%2E"),
        ("a//b", "a%2F%2Fb"),
    ],
)
def test_an_id_is_the_rest_of_a_path_whatever_is_in_it(name: str, path: str) -> None:
    with answering(200, b"{}") as (url, asked), closing(ObjectRoutingClient(url)) as objects:
        objects.get_object(name)
        objects.add_copy(name, "local", "storage")
        objects.copy_exists(name, "local")
    assert asked == [
        f"GET /framedb/objects/{path}",
        f"POST /framedb/objects/{path}/add-copy",
        f"GET /framedb/objects/{path}/copy-exists/local",
    ]


def test_the_token_goes_with_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEDB_TOKEN", "letmein")
    with closing(ServiceCalls("http://127.0.0.1:1")) as calls:
        assert calls._headers == {"Authorization": "Bearer letmein"}


def test_what_is_no_url_is_refused() -> None:
    with pytest.raises(InvalidSettingError, match="http://"):
        new_framedb_writer("routing:5000", "http://127.0.0.1:1")


def test_the_nearer_url_of_an_instance_is_used_at_its_own_site() -> None:
    instance = {
        "cluster_id": "plant-a",
        "local_url": "redis://:p%40ss@10.0.0.1:6379/0",
        "public_url": "redis://:p%40ss@1.2.3.4:6379/0",
    }
    assert url_of(instance, site="plant-a") == instance["local_url"]
    assert url_of(instance, site="plant-b") == instance["public_url"]
    assert password_of(instance) == "p@ss"


def test_a_writer_without_services_answers_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEDB_WAIT", "0.2")
    url = f"http://127.0.0.1:{free_port()}"
    with FrameDBWriter(FrameDBClusterClient(url)) as writer:
        answer = writer.write(None, "local", b"x", "in-memory")
    assert answer["success"] is False
    assert url in answer["message"]
    assert len(answer["key"]) == 36


def test_a_cache_of_no_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTIONS_CACHE_ENV_SIZE", "0")
    with pytest.raises(InvalidSettingError, match="CONNECTIONS_CACHE_ENV_SIZE"):
        FrameDBWriter(FrameDBClusterClient("http://127.0.0.1:1"))
