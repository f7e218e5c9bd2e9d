"""What is put as durable is in one place, whatever was there before."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from framedb.frame import Frame
from framedb.routing import Copy
from framedb.tiering.durable import DurableTier
from tests.contracts.frame_store import camera_frame, plain_bytes

from .conftest import World
from .test_objects import PLACES, data_of, held

HERE = ("local", "storage")


@pytest.fixture
def durable(world: World) -> DurableTier:
    """The durable tier beside the objects, as a node has it."""

    def superseded(source: str, keys: list[str]) -> None:
        world.memory("local").delete_many(keys, source=source)

    return DurableTier(
        world.storage(),
        world.routing,
        superseded=superseded,
        mark_durable=lambda source: world.routing.place(source, "local", durable=True),
        remove_copies=world.objects.remove_copies,
    )


@pytest.mark.parametrize("place", PLACES, ids=["-".join(place) for place in PLACES])
@pytest.mark.parametrize("how", ["put", "stream"])
def test_a_durable_frame_over_an_object_elsewhere_leaves_no_copy_there(
    world: World, durable: DurableTier, place: tuple[str, str], how: str
) -> None:
    world.objects.set("k", place[0], b"earlier", place[1], metadata={"n": 1})

    if how == "put":
        durable.put(Frame("k", b"durable"))
    else:
        durable.write_stream(Frame("k", b""), [b"dur", b"able"])

    assert held(world, "k") == [HERE]
    route = world.routing.object("k")
    assert route is not None
    assert (route.copies, route.metadata) == ((Copy("local", "storage"),), {})
    assert data_of(world.objects.get("k")) == b"durable"


def test_of_many_durable_frames_each_takes_its_own_copies_away(world: World, durable: DurableTier) -> None:
    keys = [f"k{n}" for n in range(300)]
    for n, key in enumerate(keys[:8]):
        world.objects.set(key, PLACES[n % 4][0], b"earlier", PLACES[n % 4][1])
    world.objects.set("other", "mem-db-1", b"other", "in-memory")

    puts = durable.put_many([Frame(key, key.encode()) for key in [*keys, keys[0]]])

    assert [put.key for put in puts] == [*keys, keys[0]]
    assert all(held(world, key) == [HERE] for key in keys[:8])
    assert [plain_bytes(durable.get(key)) for key in keys] == [key.encode() for key in keys]
    assert data_of(world.objects.get("other")) == b"other"


def test_a_durable_frame_of_a_camera_takes_its_place_in_memory(world: World, durable: DurableTier) -> None:
    frame = camera_frame()
    world.routing.place(frame.source, "local")
    world.memory("local").put(frame)
    durable.put(frame)
    assert held(world, frame.key) == [HERE]


@pytest.mark.parametrize("place", PLACES, ids=["-".join(place) for place in PLACES])
def test_what_is_deleted_is_deleted_where_its_row_says_it_is(
    world: World, durable: DurableTier, place: tuple[str, str]
) -> None:
    world.objects.set("k", place[0], b"data", place[1])
    durable.put(Frame("here", b"data"))

    assert durable.delete_many(["k", "here", "nothing", "k", "bad \ud800", "fdb:mine"]) == 2

    assert held(world, "k") == held(world, "here") == []
    assert world.routing.list_objects() == []


def test_a_copy_in_an_instance_that_is_gone_hinders_nobody(world: World, durable: DurableTier) -> None:
    world.objects.set("k", "storage-db-1", b"earlier", "storage")
    route = world.routing.object("k")
    world.instances.remove("storage-db-1")
    assert route is not None
    world.routing.exchange_object(route)  # as if the removal had been cut short
    durable.put(Frame("k", b"durable"))
    assert data_of(world.objects.get("k")) == b"durable"


def test_durable_frames_and_objects_of_one_key_at_once_leave_one(world: World, durable: DurableTier) -> None:
    def put(turn: int) -> None:
        durable.put_many([Frame("other", b"x"), Frame("k", b"durable %d" % turn)])

    def write(turn: int) -> None:
        world.objects.set("k", PLACES[turn % 4][0], b"object %d" % turn, PLACES[turn % 4][1], metadata={"turn": turn})

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(do, turn) for turn in range(16) for do in (put, write)]:
            done.result()

    found, route = world.objects.get("k"), world.routing.object("k")
    assert found is not None
    assert route is not None
    assert held(world, "k") == [(route.framedb_id, route.framedb_type)]
    assert data_of(found).startswith(b"object" if route.metadata else b"durable")
