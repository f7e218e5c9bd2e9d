"""Objects over HTTP: for curl, for players, and for the client's durable tier."""

import json
import random
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import urllib3
import uvicorn

from framedb.client.http import NodeClient
from framedb.client.objects import HTTPStore
from framedb.config import MiB
from framedb.frame import Frame
from framedb.placement.instances import PersistentInstances
from framedb.resp import Redis
from framedb.routing import SQLLocator
from framedb.server.listening import bound
from framedb.server.objects import objects_router
from framedb.server.service import new_service
from framedb.stores.description import DESCRIPTION_HEADER
from framedb.tiering.durable import DurableTier
from framedb.tiering.objects import Objects
from tests.contracts.frame_store import until

NOISE = random.Random(2).randbytes(3 * MiB + 17)


@pytest.fixture
def served(flow: tuple[Objects, PersistentInstances, SQLLocator]) -> Iterator[str]:
    """Where objects are served."""
    objects, instances, routing = flow
    durable = DurableTier(
        instances.store("local"),
        routing,
        superseded=lambda source, keys: None,
        mark_durable=lambda source: None,
        remove_copies=objects.remove_copies,
    )
    app = new_service("objects", "", token=None)
    app.include_router(objects_router(objects, durable))
    with bound("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1/objects"
        server.should_exit = True
        thread.join()


@pytest.fixture
def objects(flow: tuple[Objects, PersistentInstances, SQLLocator]) -> Objects:
    """What is served."""
    return flow[0]


def ask(method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse:
    return urllib3.request(method, url, retries=False, timeout=30, **options)


@pytest.mark.parametrize("kind", ["in-memory", "storage"])
def test_what_is_put_is_got_with_all_that_is_known(served: str, kind: str) -> None:
    headers = {"X-FrameDB-Metadata": json.dumps({"camera": "höll"})}
    put = ask("PUT", f"{served}/clips/a%20b.mp4?type={kind}&ttl=3600", body=NOISE, headers=headers)
    assert (put.status, put.json()) == (201, {"key": "clips/a b.mp4"})
    got = ask("GET", f"{served}/clips/a%20b.mp4")
    assert (got.status, got.data) == (200, NOISE)
    assert got.headers["ETag"] == put.headers["ETag"]
    assert got.headers["Content-Type"] == "video/mp4"
    assert json.loads(got.headers["X-FrameDB-Metadata"]) == {"camera": "höll"}
    assert (got.headers["X-FrameDB-Id"], got.headers["X-FrameDB-Type"]) == ("local", kind)
    assert datetime.fromisoformat(got.headers["X-FrameDB-Expires-At"]) > datetime.now(UTC)
    head = ask("HEAD", f"{served}/clips/a%20b.mp4")
    assert (head.status, head.data, head.headers["Content-Length"]) == (200, b"", str(len(NOISE)))
    assert head.headers["ETag"] == put.headers["ETag"]


@pytest.mark.parametrize("kind", ["in-memory", "storage"])
def test_a_player_reads_parts(served: str, kind: str) -> None:
    tag = ask("PUT", f"{served}/movie.mp4?type={kind}", body=NOISE).headers["ETag"]
    for asked, start, stop in (
        ("bytes=0-99", 0, 100),
        (f"bytes={MiB - 3}-{MiB + 2}", MiB - 3, MiB + 3),
        ("bytes=3000000-", 3_000_000, len(NOISE)),
        ("bytes=-17", len(NOISE) - 17, len(NOISE)),
    ):
        part = ask("GET", f"{served}/movie.mp4", headers={"Range": asked, "If-Range": tag})
        assert (part.status, part.data) == (206, NOISE[start:stop])
        assert part.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(NOISE)}"
        assert part.headers["Content-Length"] == str(stop - start)
    behind = ask("GET", f"{served}/movie.mp4", headers={"Range": "bytes=99999999-"})
    assert (behind.status, behind.headers["Content-Range"]) == (416, f"bytes */{len(NOISE)}")
    several = ask("GET", f"{served}/movie.mp4", headers={"Range": "bytes=0-1,4-5"})
    assert (several.status, several.data) == (200, NOISE)
    changed = ask("GET", f"{served}/movie.mp4", headers={"Range": "bytes=0-1", "If-Range": '"another"'})
    assert (changed.status, changed.data) == (200, NOISE)
    assert ask("GET", f"{served}/nothing", headers={"Range": "bytes=0-1"}).status == 404


def test_a_reader_who_has_it_is_sent_nothing(served: str) -> None:
    tag = ask("PUT", f"{served}/one", body=b"data").headers["ETag"]
    for method in ("GET", "HEAD"):
        same = ask(method, f"{served}/one", headers={"If-None-Match": tag})
        assert (same.status, same.data, same.headers["ETag"]) == (304, b"", tag)
        assert ask(method, f"{served}/one", headers={"If-Match": '"another"'}).status == 412
    again = ask("PUT", f"{served}/one", body=b"other")
    assert again.headers["ETag"] != tag
    assert ask("GET", f"{served}/one", headers={"If-None-Match": tag}).data == b"other"


@pytest.mark.parametrize("kind", ["in-memory", "storage"])
def test_a_writer_may_say_what_must_be_there(served: str, kind: str) -> None:
    def put(body: bytes, **headers: str) -> urllib3.BaseHTTPResponse:
        return ask("PUT", f"{served}/one?type={kind}", body=body, headers=headers)

    assert put(b"0", **{"If-Match": "*"}).status == 412
    first = put(b"1", **{"If-None-Match": "*"})
    assert first.status == 201
    assert put(b"2", **{"If-None-Match": "*"}).status == 412
    assert put(b"3", **{"If-Match": '"another"'}).status == 412
    assert ask("GET", f"{served}/one").data == b"1"
    assert put(b"4", **{"If-Match": first.headers["ETag"]}).status == 201
    refused = ask("DELETE", f"{served}/one", headers={"If-Match": first.headers["ETag"]})
    assert refused.status == 412
    assert "If-Match" in refused.json()["error"]
    assert ask("GET", f"{served}/one").data == b"4"


def test_of_writers_that_all_want_to_be_first_one_is(served: str) -> None:
    statuses: list[int] = []

    def write(number: int) -> None:
        answer = ask("PUT", f"{served}/one", body=b"%d" % number * MiB, headers={"If-None-Match": "*"})
        statuses.append(answer.status)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, *[412] * 5]
    assert len(set(ask("GET", f"{served}/one").data)) == 1


def test_one_named_instance_is_written_and_read(served: str) -> None:
    ask("PUT", f"{served}/one?framedb_id=storage-db-1", body=b"there")
    assert ask("GET", f"{served}/one").data == b"there"
    assert ask("GET", f"{served}/one?framedb_id=storage-db-1").data == b"there"
    assert ask("GET", f"{served}/one?framedb_id=mem-db-1").status == 404
    unknown = ask("GET", f"{served}/one?framedb_id=nowhere")
    assert (unknown.status, unknown.json()["error"]) == (404, "FrameDB instance not found: nowhere (key=one)")


def test_what_cannot_be_put_is_refused_and_nothing_is_left(served: str, objects: Objects) -> None:
    wrong: list[tuple[str, dict[str, str], str]] = [
        ("?type=tape", {}, "Unsupported type: tape"),
        ("?type=stream", {}, "Unsupported type: stream"),
        ("?framedb_id=nowhere", {}, "FrameDB instance not found: nowhere"),
        ("?ttl=-1", {}, "time to live"),
        ("", {"X-FrameDB-Metadata": "[]"}, "X-FrameDB-Metadata must hold a JSON object"),
        ("", {"X-FrameDB-Metadata": "{"}, "X-FrameDB-Metadata holds no JSON"),
        ("", {DESCRIPTION_HEADER: '{"source": "no legal source!"}'}, "source"),
    ]
    for query, headers, said in wrong:
        answer = ask("PUT", f"{served}/one{query}", body=b"data", headers=headers)
        assert answer.status in (400, 404), answer.data
        assert said in answer.json()["error"]
        assert objects.stat("one") is None
    assert ask("GET", served).json() == {"keys": [], "next": None}


@pytest.mark.parametrize("kind", ["in-memory", "storage"])
def test_an_upload_that_breaks_off_is_never_visible(
    served: str, flow: tuple[Objects, PersistentInstances, SQLLocator], redis: Redis, kind: str
) -> None:
    ask("PUT", f"{served}/movie?type={kind}", body=b"the old one")
    host, port = served.removeprefix("http://").split("/")[0].split(":")
    for _ in range(3):
        with socket.create_connection((host, int(port))) as sending:
            sending.sendall(
                f"PUT /v1/objects/movie?type={kind} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000000\r\n\r\n".encode()
            )
            sending.sendall(b"x" * 45_000_000)
    store = flow[1].store("local")
    until(lambda: store.sweep(older_than=0.0).unfinished == 0, "nothing to be left to sweep")
    until(lambda: not redis.keys("fdb:part:*"), "the parts in memory to be gone")
    assert ask("GET", f"{served}/movie").data == b"the old one"


def test_a_reader_that_goes_away_holds_nothing(
    served: str, flow: tuple[Objects, PersistentInstances, SQLLocator]
) -> None:
    flow[0].write("large", "local", "storage", (bytes(MiB) for _ in range(40)))
    host, port = served.removeprefix("http://").split("/")[0].split(":")
    for _ in range(30):  # more than there are connections to the database
        with socket.create_connection((host, int(port))) as reading:
            reading.sendall(b"GET /v1/objects/large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert reading.recv(100_000).startswith(b"HTTP/1.1 200")
    assert len(ask("GET", f"{served}/large").data) == 40 * MiB


def test_objects_are_listed_a_page_at_a_time_with_or_without_details(served: str) -> None:
    for number in range(25):
        kind = "storage" if number % 2 else "in-memory"
        headers = {"X-FrameDB-Metadata": json.dumps({"n": number})}
        ask("PUT", f"{served}/many/{number:03}?type={kind}", body=b"x" * number, headers=headers)
    ask("PUT", f"{served}/other", body=b"")
    keys: list[str] = []
    told: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = ask("GET", f"{served}?prefix=many/&limit=10&details=true&after={after}").json()
        keys += page["keys"]
        told += page["objects"]
        after = page["next"]
    assert keys == [f"many/{number:03}" for number in range(25)]
    assert [(each["size"], each["metadata"]) for each in told] == [(number, {"n": number}) for number in range(25)]
    assert "objects" not in ask("GET", served).json()


def test_what_could_run_in_a_browser_is_not_shown_as_such(served: str) -> None:
    for name, shown in (
        ("page.html", "application/octet-stream"),
        ("drawing.svg", "application/octet-stream"),
        ("code.js", "application/octet-stream"),
        ("song.mp3", "audio/mpeg"),
        ("note.txt", "text/plain; charset=utf-8"),
    ):
        ask("PUT", f"{served}/{name}", body=b"<script>alert(1)</script>")
        answer = ask("GET", f"{served}/{name}")
        assert answer.headers["Content-Type"] == shown
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    ask("PUT", f"{served}/unnamed", body=b"\xff\xd8\xff jpeg")
    assert ask("GET", f"{served}/unnamed").headers["Content-Type"] == "image/jpeg"


def test_deleting_removes_the_object_wherever_it_is(served: str, objects: Objects) -> None:
    for kind in ("in-memory", "storage"):
        ask("PUT", f"{served}/one?type={kind}", body=b"data")
        assert ask("DELETE", f"{served}/one").json() == {"deleted": 1}
        assert ask("GET", f"{served}/one").status == 404
        assert ask("DELETE", f"{served}/one").json() == {"deleted": 0}


def test_frames_of_the_durable_tier_keep_all_that_is_known_of_them(served: str, tmp_path: Path) -> None:
    node = NodeClient(served.removesuffix("/v1/objects"))
    store = HTTPStore(node)
    captured_at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    frame = Frame("job/1", NOISE, source="site:cam", captured_at=captured_at, pts=7, keyframe=True, encoding="h264")
    store.put(frame, ttl=60)
    found = store.get("job/1")
    assert found is not None
    assert (found.source, found.captured_at, found.pts, found.keyframe, found.encoding) == (
        "site:cam", captured_at, 7, True, "h264"
    )  # fmt: skip
    assert bytes(found.view()) == NOISE
    buffer = bytearray(len(NOISE))
    assert store.get_into("job/1", buffer) == len(NOISE)
    assert list(store.scan("job/")) == ["job/1"]
    assert list(store.scan("job/", source="site:cam")) == ["job/1"]
    assert list(store.scan(source="another")) == []
    assert store.delete("job/1")
    assert store.get("job/1") is None
    node.close()
