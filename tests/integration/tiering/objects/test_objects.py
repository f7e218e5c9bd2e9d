"""Objects go in by key, into any instance, and come out of wherever they are."""

import hashlib
import re
import threading
import tracemalloc
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from framedb.errors import (
    FrameDBError,
    InvalidInputError,
    InvalidKeyError,
    NotFoundError,
    NotRegisteredError,
    StoreUnavailableError,
)
from framedb.frame import Frame
from framedb.registry import write
from framedb.routing import Copy
from framedb.stores.base import KEEP
from framedb.stores.policy import SourcePolicy
from framedb.tiering.objects import StoredObject
from tests.contracts.frame_store import camera_frame, patterned, until
from tests.contracts.object_place import MIB, in_pieces

from .conftest import World

PLACES = [("local", "in-memory"), ("mem-db-1", "in-memory"), ("local", "storage"), ("storage-db-1", "storage")]
"""Every instance there is."""


def data_of(found: tuple[StoredObject, Any] | None) -> bytes:
    """The bytes that were got; there must be some."""
    assert found is not None
    return bytes(found[1])


def held(world: World, key: str) -> list[tuple[str, str]]:
    """Where there are bytes under the key, asked of each instance itself."""
    return [place for place in PLACES if world.objects.stat(key, framedb_id=place[0], type=place[1]) is not None]


@pytest.fixture(params=PLACES, ids=["-".join(place) for place in PLACES])
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Each instance in turn."""
    found: tuple[str, str] = request.param
    return found


# Writing and reading.


def test_an_object_is_written_registered_and_read_wherever_it_is(world: World, place: tuple[str, str]) -> None:
    metadata = {"camera": "gate", "boxes": [[1, 2.5, None]], "é": "ü"}

    stored = world.objects.set("k/é", place[0], b"\xff\xd8\xffdata", place[1], metadata=metadata)

    assert (stored.key, stored.framedb_id, stored.type, stored.size) == ("k/é", *place, 7)
    assert (stored.metadata, stored.encoding, stored.expires_at) == (metadata, "jpeg", None)
    found = world.objects.get("k/é")
    assert found == (stored, b"\xff\xd8\xffdata")
    assert world.objects.stat("k/é") == stored
    route = world.routing.object("k/é")
    assert route is not None
    assert (route.copies, route.size, route.metadata) == ((Copy(*place),), 7, metadata)  # type: ignore[arg-type]
    assert held(world, "k/é") == [place]


def test_an_object_in_memory_can_be_read_by_any_redis_client(world: World) -> None:
    world.objects.set("k", "mem-db-1", b"data", "in-memory")
    assert world.redis["mem-db-1"].get("k") == b"data"


def test_what_is_said_of_an_object_comes_back(world: World, place: tuple[str, str]) -> None:
    frame = camera_frame(data=b"ignored")
    world.objects.set(frame.key, *place[:1], b"image", place[1], frame=frame)
    stored = world.objects.stat(frame.key)
    assert stored is not None
    assert stored.frame == Frame(
        frame.key, b"", source=frame.source, captured_at=frame.captured_at, encoding=frame.encoding
    )


@pytest.mark.parametrize("blank", ["", None])
def test_a_blank_key_gets_one_that_sorts_by_time_and_a_blank_instance_is_local(world: World, blank: str | None) -> None:
    keys = [world.objects.set(blank, blank, b"%d" % n, "storage").key for n in range(20)]

    assert {uuid.UUID(key).version for key in keys} == {7}
    assert sorted(keys) == keys
    assert [data_of(world.objects.get(key, framedb_id="local")) for key in keys] == [b"%d" % n for n in range(20)]


def test_a_member_stands_for_its_cluster(world: World) -> None:
    assert world.objects.set("k", "mem-db-1-0", b"data", "in-memory").framedb_id == "mem-db-1"
    assert data_of(world.objects.get("k", framedb_id="mem-db-1-0")) == b"data"


def test_an_object_may_be_written_piece_by_piece(world: World, place: tuple[str, str]) -> None:
    data = patterned(3 * MIB + 5)
    digest = hashlib.sha256(data).digest()

    stored = world.objects.write("k", *place[:1], place[1], in_pieces(data), sha256=digest, size=len(data))

    with world.objects.read("k") or pytest.fail("it is not there") as stream:
        assert stream.stored == stored
        assert stream.remaining == len(data)
        assert b"".join(bytes(piece) for piece in stream) == data
    with world.objects.read("k", offset=MIB, length=10) or pytest.fail("it is not there") as stream:
        assert b"".join(bytes(piece) for piece in stream) == data[MIB : MIB + 10]


@pytest.mark.parametrize("said", [{"size": 9}, {"size": 11}, {"sha256": b"other"}, {"size": 10, "sha256": bytes(32)}])
def test_pieces_that_are_not_what_was_said_change_nothing(
    world: World, place: tuple[str, str], said: dict[str, Any]
) -> None:
    world.objects.set("k", *place[:1], b"earlier", place[1])
    for key in ("k", "new"):
        with pytest.raises(InvalidInputError, match=key):
            world.objects.write(key, *place[:1], place[1], [b"01234", b"56789"], **said)
    assert data_of(world.objects.get("k")) == b"earlier"
    assert held(world, "new") == []
    assert world.objects.list() == [world.objects.list("k")[0]]


def test_a_sender_that_hangs_up_leaves_nothing(world: World, place: tuple[str, str]) -> None:
    def breaking() -> Iterator[bytes]:
        yield bytes(10 * MIB)
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        world.objects.write("k", *place[:1], place[1], breaking())
    assert held(world, "k") == []
    assert world.routing.object("k") is None
    assert world.keys("local", "fdb:part:*") + world.keys("mem-db-1", "fdb:part:*") == []


def test_a_time_to_live_ends_an_object(world: World, place: tuple[str, str]) -> None:
    stored = world.objects.set("k", *place[:1], b"data", place[1], ttl=0.2)
    kept = world.objects.set("kept", *place[:1], b"data", place[1], ttl=0.5)
    assert stored.expires_at is not None
    assert kept.expires_at is not None
    assert world.objects.expire("kept", KEEP)
    until(lambda: world.objects.get("k") is None, "the object expires")
    assert world.objects.expire("k", 5) is False
    assert [stored.key for stored in world.objects.list()] == ["kept"]
    assert (world.objects.stat("kept") or stored).expires_at is None


# Bad input.


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"type": "tape"}, InvalidInputError, "Unsupported type: tape"),
        ({"type": ""}, InvalidInputError, "Unsupported type: "),
        ({"framedb_id": "nowhere"}, NotFoundError, "^FrameDB instance not found: nowhere$"),
        ({"framedb_id": "nowhere", "type": "in-memory"}, NotFoundError, "^FrameDB instance not found: nowhere$"),
        ({"framedb_id": "nowhere", "type": "stream"}, NotFoundError, "^FrameDB instance not found: nowhere$"),
        ({"framedb_id": "mem-db-1"}, NotFoundError, "^FrameDB instance not found: mem-db-1$"),
        ({"key": "x" * 1025}, InvalidKeyError, "1025 bytes"),
        ({"key": "x" * 1025, "type": "stream"}, InvalidKeyError, "1025 bytes"),
        ({"key": "fdb:mine"}, InvalidKeyError, "FrameDB's own"),
        ({"key": "bad \ud800"}, InvalidKeyError, "UTF-8"),
        ({"metadata": [1]}, InvalidInputError, "metadata must be a JSON object"),
        ({"metadata": "{}", "type": "stream"}, InvalidInputError, "metadata must be a JSON object"),
        ({"metadata": {"a": float("nan")}}, InvalidInputError, "metadata"),
        ({"metadata": {"a": object()}, "type": "in-memory"}, InvalidInputError, "metadata"),
        ({"ttl": 0}, InvalidInputError, "time to live"),
        ({"ttl": -1, "type": "in-memory"}, InvalidInputError, "time to live"),
        ({"ttl": 5, "type": "stream"}, InvalidInputError, "no time to live"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_written(
    world: World, given: dict[str, Any], error: type[FrameDBError], message: str
) -> None:
    call = {"key": "k", "framedb_id": "local", "type": "storage", "data": b"data", **given}
    with pytest.raises(error, match=message):
        world.objects.set(**call)
    assert world.objects.list() == []
    assert world.keys("local") == []
    assert list(world.storage().scan()) == []
    assert world.routing.query_streams() == []


def test_pieces_are_not_taken_for_a_call_that_is_refused(world: World) -> None:
    pieces = iter([b"data"])
    for type_, framedb_id in (("storage", "nowhere"), ("stream", "local")):
        with pytest.raises((NotFoundError, InvalidInputError)):
            world.objects.write("k", framedb_id, type_, pieces)
    assert next(pieces) == b"data"


def test_what_is_not_there_is_none(world: World) -> None:
    assert world.objects.get("k") is None
    assert world.objects.read("k") is None
    assert world.objects.stat("k") is None
    assert world.objects.get("frame:plant-a:nobody:20260101T000000.000000Z") is None
    for key in ("", "bad \ud800", "x" * 1025, "fdb:sources"):
        assert world.objects.get(key) is None
        assert world.objects.get(key, framedb_id="local") is None
        assert world.objects.delete(key) is False
        assert world.objects.expire(key, 5) is False
        assert world.objects.is_registered(key) is False
    assert world.objects.delete("k") is False
    assert world.objects.expire("k", 5) is False
    assert world.objects.is_registered("k") is False


def test_reading_places_no_source(world: World) -> None:
    world.objects.get("frame:plant-a:gate:20260101T000000.000000Z")
    assert world.routing.mapping("plant-a:gate") == []


@pytest.mark.parametrize("part", [{"offset": -1}, {"length": -1}])
def test_a_part_before_the_beginning_is_refused(world: World, part: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        world.objects.read("k", **part)


# One key, wherever it is.


@pytest.mark.parametrize("later", PLACES, ids=["-".join(place) for place in PLACES])
def test_an_object_that_is_written_elsewhere_is_only_there(
    world: World, place: tuple[str, str], later: tuple[str, str]
) -> None:
    world.objects.set("k", *place[:1], b"earlier", place[1], metadata={"n": 1})
    world.objects.set("k", *later[:1], b"later", later[1])

    found = world.objects.get("k")

    assert data_of(found) == b"later"
    assert found is not None
    assert (found[0].framedb_id, found[0].type, found[0].metadata) == (*later, {})
    assert held(world, "k") == [later]
    assert world.objects.delete("k")
    assert held(world, "k") == []
    assert world.routing.object("k") is None
    assert world.objects.get("k") is None


def test_a_memory_put_over_an_object_hides_it_while_it_lives(world: World) -> None:
    world.objects.set("k", "storage-db-1", b"stored", "storage", metadata={"n": 1})
    world.memory("local").put(Frame("k", b"in memory"), ttl=0.3)

    hidden = world.objects.get("k")
    assert data_of(hidden) == b"in memory"
    assert hidden is not None
    assert (hidden[0].type, hidden[0].metadata) == ("in-memory", {})

    until(lambda: data_of(world.objects.get("k")) == b"stored", "the frame in memory expires")
    world.memory("local").put(Frame("k", b"in memory"))
    assert world.objects.delete("k")
    assert held(world, "k") == []


def test_a_frame_that_its_camera_wrote_can_be_read_as_an_object(world: World) -> None:
    frame = camera_frame()
    world.routing.place(frame.source, "mem-db-1")
    world.memory("mem-db-1").put(frame)

    found = world.objects.get(frame.key)

    assert data_of(found) == b"image"
    assert found is not None
    assert (found[0].framedb_id, found[0].frame.source) == ("mem-db-1", frame.source)
    assert world.objects.delete(frame.key)
    assert world.memory("mem-db-1").stats(frame.source).count == 0


def test_a_frame_is_found_at_the_cluster_its_source_left(world: World) -> None:
    frame = camera_frame()
    world.routing.place(frame.source, "mem-db-1")
    world.memory("mem-db-1").put(frame)
    world.routing.place(frame.source, "local", until=None)
    assert data_of(world.objects.get(frame.key)) == b"image"
    assert world.objects.delete(frame.key)
    assert world.objects.get(frame.key) is None


def test_an_object_of_a_camera_marks_its_source_so_that_readers_look_further(world: World) -> None:
    frame = camera_frame()
    world.routing.place(frame.source, "local")
    world.memory("local").put(frame)

    world.objects.set(frame.key, "storage-db-1", b"stored", "storage")

    route = world.routing.route(frame.source)
    assert route is not None
    assert route.durable
    assert world.memory("local").get(frame.key) is None
    assert data_of(world.objects.get(frame.key)) == b"stored"


def test_a_frame_stored_without_a_row_is_still_found_and_removed(world: World) -> None:
    world.storage().put(Frame("k", b"data"))
    assert data_of(world.objects.get("k")) == b"data"
    assert world.objects.delete("k")
    assert world.objects.get("k") is None


def test_of_several_copies_the_near_one_is_read_and_all_are_removed(world: World) -> None:
    world.objects.set("k", "storage-db-1", b"far", "storage")
    world.memory("mem-db-1").put(Frame("k", b"near"))
    world.routing.add_copy("k", "mem-db-1", "in-memory")

    found = world.objects.get("k")

    assert data_of(found) == b"near"
    assert found is not None
    assert found[0].framedb_id == "mem-db-1"
    world.redis["mem-db-1"].flushall()
    assert data_of(world.objects.get("k")) == b"far"
    world.memory("mem-db-1").put(Frame("k", b"near"))
    assert world.objects.delete("k")
    assert held(world, "k") == []


def test_a_named_instance_is_read_itself_route_or_no_route(world: World) -> None:
    world.objects.set("k", "local", b"routed", "storage")
    world.memory("mem-db-1").put(Frame("k", b"in mem-db-1"))
    world.storage("storage-db-1").put(Frame("k", b"in storage-db-1"))

    assert data_of(world.objects.get("k")) == b"routed"
    assert data_of(world.objects.get("k", framedb_id="mem-db-1")) == b"in mem-db-1"
    assert data_of(world.objects.get("k", framedb_id="storage-db-1")) == b"in storage-db-1"
    assert world.objects.get("nothing", framedb_id="mem-db-1") is None
    world.memory("local").put(Frame("k", b"memory of the same name"))
    assert data_of(world.objects.get("k", framedb_id="local", type="storage")) == b"routed"
    with pytest.raises(NotFoundError, match=r"^FrameDB instance not found: nowhere$"):
        world.objects.get("k", framedb_id="nowhere")
    with pytest.raises(NotFoundError, match=r"^FrameDB instance not found: storage-db-1$"):
        world.objects.stat("k", framedb_id="storage-db-1", type="in-memory")


def test_an_object_of_a_removed_instance_is_gone_and_its_key_free(world: World) -> None:
    world.objects.set("k", "storage-db-1", b"data", "storage")
    route = world.routing.object("k")
    world.instances.remove("storage-db-1")
    assert route is not None
    world.routing.exchange_object(route)  # as if the removal had been cut short

    assert world.objects.get("k") is None
    assert world.objects.list() == []
    assert world.objects.set("k", "local", b"again", "storage").framedb_id == "local"
    assert data_of(world.objects.get("k")) == b"again"


# Lists.


def test_objects_are_listed_by_prefix_a_page_at_a_time(world: World) -> None:
    keys = ["a", "a/", "a/1", "a/2", "a/é", "a0", "b", "A/1", "a/_", "a/%"]
    for n, key in enumerate(keys):
        world.objects.set(key, *PLACES[n % 4][:1], bytes(n), PLACES[n % 4][1], metadata={"n": n})
    expected = sorted((key for key in keys if key.startswith("a/")), key=str.encode)

    seen: list[StoredObject] = []
    while page := world.objects.list("a/", after=seen[-1].key if seen else "", limit=2):
        assert len(page) <= 2
        seen += page

    assert [stored.key for stored in seen] == expected
    assert {stored.metadata["n"] for stored in seen} == {stored.size for stored in seen}
    assert [stored.key for stored in world.objects.list()] == sorted(keys, key=str.encode)
    assert world.objects.list("zzz") == []
    for wrong in (0, 1001):
        with pytest.raises(InvalidInputError):
            world.objects.list(limit=wrong)
    with pytest.raises(InvalidKeyError):
        world.objects.list("\ud800")


def test_objects_that_are_gone_are_not_listed_and_a_sweep_forgets_them(world: World) -> None:
    for n in range(12):
        world.objects.set(f"k{n:02}", *PLACES[n % 4][:1], b"data", PLACES[n % 4][1])
    world.redis["mem-db-1"].flushall()  # as a server that died
    world.storage("storage-db-1").delete_many([f"k{n:02}" for n in range(12)])
    living = [f"k{n:02}" for n in range(12) if n % 4 in (0, 2)]

    assert [stored.key for stored in world.objects.list(limit=3)] == living[:3]
    assert [stored.key for stored in world.objects.list()] == living
    assert world.objects.sweep() == 6
    assert world.objects.sweep() == 0
    assert [route.key for route in world.routing.list_objects()] == living


def test_a_row_that_was_written_since_is_not_swept(world: World) -> None:
    world.objects.set("k", "local", b"data", "storage")
    seen = world.routing.object("k")
    world.objects.set("k", "local", b"data", "storage")
    assert seen is not None
    assert world.routing.forget_lapsed(seen) is False
    assert world.routing.object("k") is not None


# Faults.


def _break_registry(world: World) -> None:
    """Rows can be read, and none be written."""
    for change in ("INSERT", "UPDATE"):
        for table in ("objects", "streams"):
            trigger = (
                f"CREATE TRIGGER no_{change}_{table} BEFORE {change} ON {table} BEGIN SELECT RAISE(FAIL, 'no'); END"
            )
            write(world.registry, lambda connection, trigger=trigger: connection.execute(text(trigger)))  # type: ignore[misc]


def test_what_cannot_be_registered_is_removed_again(world: World, place: tuple[str, str]) -> None:
    _break_registry(world)
    with pytest.raises(NotRegisteredError, match="k could not be registered"):
        world.objects.set("k", *place[:1], b"data", place[1])
    assert held(world, "k") == []
    assert world.objects.get("k") is None


def test_what_cannot_be_registered_leaves_an_object_elsewhere_alone(world: World, place: tuple[str, str]) -> None:
    for other in PLACES:
        if other != place:
            world.objects.set("-".join(other), *other[:1], b"earlier", other[1])
    _break_registry(world)
    for other in PLACES:
        if other != place:
            key = "-".join(other)
            with pytest.raises(NotRegisteredError):
                world.objects.set(key, *place[:1], b"later", place[1])
            assert data_of(world.objects.get(key)) == b"earlier"
            assert held(world, key) == [other]


def test_a_replacement_that_cannot_be_registered_is_still_led_to(world: World, place: tuple[str, str]) -> None:
    world.objects.set("k", *place[:1], b"earlier", place[1])
    _break_registry(world)
    with pytest.raises(NotRegisteredError):
        world.objects.set("k", *place[:1], b"later", place[1])
    assert data_of(world.objects.get("k")) == b"later"


def test_a_policy_that_turns_an_object_away_is_an_error_and_nothing_is_registered(world: World) -> None:
    frame = camera_frame()
    world.routing.place(frame.source, "local")
    world.memory("local").set_policy(frame.source, SourcePolicy("drop-newest", max_frames=1))
    world.memory("local").put(camera_frame(1))
    with pytest.raises(FrameDBError, match=re.escape(frame.key)):
        world.objects.set(frame.key, "local", b"data", "in-memory")
    assert world.routing.object(frame.key) is None


@pytest.mark.parametrize("size", [30 * MIB, 66 * MIB])
def test_a_full_cluster_is_an_error_that_leaves_the_earlier_object(world: World, size: int) -> None:
    world.objects.set("k", "local", b"earlier", "in-memory")
    world.redis["local"].config_set("maxmemory", "20mb")
    with pytest.raises(FrameDBError, match="maxmemory"):
        world.objects.write("k", "local", "in-memory", [bytes(size)], size=size)
    assert data_of(world.objects.get("k")) == b"earlier"
    assert world.keys("local", "fdb:part:*") == []


def test_the_parts_of_a_writer_that_died_go_by_themselves(world: World) -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(20 * MIB)
        lives = {world.redis["local"].pttl(key) for key in world.keys("local", "fdb:part:*")}
        assert len(world.keys("local", "fdb:part:*")) == 2
        assert all(0 < life <= 900_000 for life in lives)
        yield bytes(50 * MIB)

    world.objects.write("k", "local", "in-memory", pieces(), size=70 * MIB)
    assert {world.redis["local"].pttl(key) for key in world.keys("local", "fdb:part:*")} == {-1}


def test_parts_that_are_gone_before_the_last_is_in_make_no_object(world: World) -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(20 * MIB)
        world.redis["local"].unlink(world.keys("local", "fdb:part:*")[0])
        yield bytes(50 * MIB)

    with pytest.raises(FrameDBError, match="write the object again"):
        world.objects.write("k", "local", "in-memory", pieces(), size=70 * MIB)
    assert world.objects.get("k") is None
    assert world.keys("local", "fdb:*") == []


def test_a_cluster_that_does_not_answer_is_an_error_that_names_it(world: World) -> None:
    world.objects.set("k", "storage-db-1", b"data", "storage")
    world.memory("local")
    down = StoreUnavailableError
    world.redis["local"].client_pause(3000)
    with pytest.raises(down, match="cluster local"):
        world.objects.get("k")
    until(lambda: bool(world.redis["local"].ping()), "the server answers again")
    assert data_of(world.objects.get("k")) == b"data"


def test_a_condition_is_asked_when_all_is_there_and_may_refuse(world: World, place: tuple[str, str]) -> None:
    seen: list[StoredObject | None] = []

    def only_new(stored: StoredObject | None) -> None:
        seen.append(stored)
        if stored is not None:
            raise InvalidInputError("it is there already")

    def pieces() -> Iterator[bytes]:
        assert not seen
        yield b"first"

    first = world.objects.write("k", *place[:1], place[1], pieces(), condition=only_new)
    for other in PLACES:
        with pytest.raises(InvalidInputError, match="there already"):
            world.objects.write("k", *other[:1], other[1], [b"second"], condition=only_new)
    with pytest.raises(InvalidInputError, match="there already"):
        world.objects.delete("k", condition=only_new)

    assert seen == [None, *[first] * 5]
    assert data_of(world.objects.get("k")) == b"first"


def test_of_many_who_may_write_a_new_object_one_does(world: World) -> None:
    def only_new(stored: StoredObject | None) -> None:
        if stored is not None:
            raise InvalidInputError("it is there already")

    def attempt(n: int) -> bool:
        framedb_id, type_ = PLACES[n % 4]
        try:
            world.objects.write("k", framedb_id, type_, [b"%d" % n], condition=only_new)
        except InvalidInputError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(attempt, range(16)))
    assert sum(written) == 1
    assert data_of(world.objects.get("k")) == b"%d" % written.index(True)


def test_two_writers_of_one_key_leave_one_object_in_one_place(world: World) -> None:
    start = threading.Barrier(4)

    def replace_it(n: int) -> None:
        start.wait()
        for turn in range(8):
            framedb_id, type_ = PLACES[(n + turn) % 4]
            world.objects.set("k", framedb_id, b"%d/%d" % (n, turn), type_, metadata={"n": n, "turn": turn})

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(replace_it, n) for n in range(4)]:
            done.result()

    found = world.objects.get("k")
    assert found is not None
    assert data_of(found) == b"{n}/{turn}".decode().format(**found[0].metadata).encode()
    assert held(world, "k") == [(found[0].framedb_id, found[0].type)]


def test_an_object_that_is_always_there_is_always_found(world: World) -> None:
    """While it moves from instance to instance."""
    world.objects.set("k", "local", b"0", "storage")
    moving = threading.Event()
    moving.set()

    def look() -> int:
        looks = 0
        while moving.is_set() or not looks:
            assert world.objects.get("k") is not None
            looks += 1
        return looks

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(look) for _ in range(2)]
        try:
            for n in range(40):
                world.objects.set("k", *PLACES[n % 4][:1], b"%d" % n, PLACES[n % 4][1])
        finally:
            moving.clear()
        assert all(reader.result() for reader in readers)


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize("place", [("local", "in-memory"), ("local", "storage")], ids=["in-memory", "storage"])
def test_a_large_object_is_never_in_memory_as_a_whole(world: World, place: tuple[str, str], told: bool) -> None:
    size = 96 * MIB
    piece = bytes(MIB)
    tracemalloc.start()
    try:
        world.objects.write("k", *place[:1], place[1], (piece for _ in range(96)), size=size if told else None)
        with world.objects.read("k") or pytest.fail("it is not there") as stream:
            assert sum(memoryview(piece).nbytes for piece in stream) == size
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * MIB
