"""`framedb_api` on a real server: reading, callbacks, writing."""

import queue
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from framedb.resp import Endpoint, Redis, close_redis, open_redis
from framedb_api.framedb import FrameDB
from tests.engines.cluster import eventually
from tests.engines.valkey import PASSWORD
from tests.integration.compat.conftest import MakeReader, reader_of
from tests.integration.resp.conftest import MortalValkey, mortal_valkey  # noqa: F401

SOURCE = "camera-001"


class Calls:
    """A callback that remembers."""

    def __init__(self) -> None:
        self._queue: queue.Queue[dict[str, Any]] = queue.Queue()

    def __call__(self, **told: Any) -> None:
        self._queue.put(told)

    def next(self) -> dict[str, Any]:
        return self._queue.get(timeout=10)


def connection_of(framedb: FrameDB, source: str = SOURCE) -> Redis:
    found: tuple[bool, Redis] = framedb._FrameDB__handle_new_connection(source)  # type: ignore[attr-defined]
    assert found[0], found
    return found[1]


def test_frames_come_in_the_order_of_their_keys_and_none_for_those_that_are_gone(
    framedb: FrameDB, redis: Redis
) -> None:
    redis.mset({"a": b"1", "b": b"2"})
    assert framedb.get_frames_from(SOURCE, ["b", "gone", "a"]) == (True, [b"2", None, b"1"])
    assert framedb.get_frames_from(SOURCE, []) == (True, [])


def test_a_key_without_a_size_stands_for_the_frame_in_each_required_size(framedb: FrameDB, redis: Redis) -> None:
    redis.mset({"cam?0?0__7__416x416": b"large", "cam?0?0__7__80x60": b"small", "frame:cam001:00001": b"whole"})
    framedb.set_required_sizes(["416x416", "80x60"])
    assert framedb.get_frames_from(SOURCE, ["cam?0?0__7"]) == (True, [b"large", b"small"])
    assert framedb.get_frames_from(SOURCE, ["cam?0?0__7__80x60", "frame:cam001:00001"]) == (True, [b"small", b"whole"])
    calls = Calls()
    framedb.get_frames_async(SOURCE, ["cam?0?0__7"], {}, calls)
    assert calls.next()["frame_keys"] == ["cam?0?0__7__416x416", "cam?0?0__7__80x60"]


def test_a_source_that_cannot_be_one_and_keys_that_are_none_are_refused(framedb: FrameDB) -> None:
    read, why = framedb.get_frames_from("no such source!", ["a"])
    assert not read
    assert "no such source!" in why
    assert framedb.get_frames_from(SOURCE, "abc")[0] is False  # type: ignore[arg-type]
    assert framedb.get_frames_from(SOURCE, [7])[0] is False  # type: ignore[list-item]
    assert framedb.register_frames_channel(SOURCE, "no function")[0] is False


def test_frames_are_fetched_in_a_thread_and_handed_to_the_callback(framedb: FrameDB, redis: Redis) -> None:
    redis.mset({"a": b"1"})
    registered, own = Calls(), Calls()
    assert framedb.register_frames_channel(SOURCE, registered) == (True, f"Registered Callback for source {SOURCE}")
    assert framedb.register_frames_channel(SOURCE, registered) == (True, "Source already exist")
    submitted = (True, f"Fetch request submitted for source {SOURCE}")
    assert framedb.get_frames_async(SOURCE, ["a", "b"], {"job_id": "job-123"}, own) == submitted
    assert own.next() == {
        "is_not_error": True, "frame_data": [b"1", None], "frame_keys": ["a", "b"], "job_id": "job-123",
    }  # fmt: skip
    assert framedb.get_frames_async(SOURCE, ["a"], {}, None) == submitted
    assert registered.next()["frame_data"] == [b"1"]


def test_a_source_that_was_not_registered_is_fetched_from_on_demand_or_not_at_all(make_reader: MakeReader) -> None:
    calls = Calls()
    assert make_reader().get_frames_async(SOURCE, ["a"], {}, calls)[0]
    assert calls.next()["frame_data"] == [None]
    strict = make_reader(on_demand_connections=False)
    assert strict.get_frames_async(SOURCE, ["a"], {}, calls) == (False, f"Source {SOURCE} not registered")
    strict.register_frames_channel(SOURCE, calls)
    assert strict.get_frames_async(SOURCE, ["a"], {}, calls)[0]
    assert calls.next()["is_not_error"] is True


def test_a_callback_that_fails_does_not_keep_the_next_from_being_called(
    framedb: FrameDB, logged: pytest.LogCaptureFixture
) -> None:
    calls = Calls()

    def fails(**_: Any) -> None:
        raise RuntimeError("of the caller")

    framedb.register_frames_channel(SOURCE, calls)
    framedb.get_frames_async(SOURCE, ["a"], {}, fails)
    framedb.get_frames_async(SOURCE, ["a"], {}, calls)
    assert calls.next()["frame_data"] == [None]
    assert "of the caller" in logged.text


def test_five_hundred_requests_wait_and_then_their_caller_does(framedb: FrameDB) -> None:
    calls, held = Calls(), threading.Event()

    def hold(**_: Any) -> None:
        held.wait(30)

    framedb.register_frames_channel(SOURCE, calls)
    framedb.get_frames_async(SOURCE, ["first"], {}, hold)
    submitted = []

    def submit() -> None:
        for number in range(502):
            framedb.get_frames_async(SOURCE, [str(number)], {}, calls)
            submitted.append(number)

    caller = threading.Thread(target=submit)
    caller.start()
    eventually(lambda: len(submitted) >= 500, "the queue to fill up")
    caller.join(0.2)
    assert caller.is_alive()
    assert len(submitted) in (500, 501)  # the thread may not have taken the very first one yet
    held.set()
    caller.join(10)
    assert [calls.next()["frame_keys"] for _ in range(502)] == [[str(number)] for number in range(502)]


def test_outputs_are_written_with_a_time_to_live_and_read_back(framedb: FrameDB, redis: Redis) -> None:
    outputs = {"frame:cam001:00003": b"<1>", "frame:cam001:00004": b"<2>"}
    assert framedb.push_sync(connection_of(framedb), outputs) == (True, "Wrote keys to FrameDB")
    assert framedb.get_frames_from(SOURCE, list(outputs)) == (True, [b"<1>", b"<2>"])
    assert all(0 < redis.ttl(key) <= 3600 for key in outputs)
    assert redis.hlen(f"fdb:{SOURCE}:m") == 2


def test_outputs_go_through_the_serializer_which_may_stop_them(framedb: FrameDB, redis: Redis) -> None:
    connection = connection_of(framedb)
    framedb.set_output_serializer(lambda outputs: (True, {key: value * 2 for key, value in outputs.items()}))
    assert framedb.push_sync(connection, {"a": b"x"})[0]
    assert redis.get("a") == b"xx"
    framedb.set_output_serializer(lambda outputs: (False, {}))
    written, why = framedb.push_sync(connection, {"b": b"x"})
    assert not written
    assert "serializer" in why
    framedb.set_output_serializer(lambda outputs: 1 // 0)  # type: ignore[arg-type, return-value]
    assert framedb.push_sync(connection, {"c": b"x"})[0] is False
    assert redis.exists("b", "c") == 0


@pytest.mark.parametrize("outputs", [{"a": None}, {7: b"x"}, {"fdb:x": b""}, {"k" * 1025: b""}, ["a"], {"ref__P": "x"}])
def test_outputs_that_are_none_are_refused_and_nothing_is_written(framedb: FrameDB, redis: Redis, outputs: Any) -> None:
    assert framedb.push_sync(connection_of(framedb), outputs)[0] is False
    assert redis.keys("*") == []


def test_outputs_may_be_written_on_a_connection_of_the_caller_s_own(
    framedb: FrameDB, redis: Redis, valkey: Endpoint
) -> None:
    outputs = {"cam?0?0__7__80x60": b"x", "ref__cam?0?0__7": 1, "anything": b"y"}
    assert framedb.push_sync(redis, outputs) == (True, "Wrote keys to FrameDB")
    assert redis.hlen("fdb:cam:m") == 1
    assert 0 < redis.ttl("anything") <= 3600


def test_a_server_that_is_dead_is_an_answer_and_tells_no_password(
    mortal_valkey: MortalValkey,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    logged: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = Calls()
    with closing(reader_of(mortal_valkey.endpoint, monkeypatch)) as framedb:
        framedb.register_frames_channel(SOURCE, calls)
        connection = connection_of(framedb)
        mortal_valkey.kill()
        read, why = framedb.get_frames_from(SOURCE, ["a"])
        assert not read
        framedb.get_frames_async(SOURCE, ["a"], {"n": 1}, calls)
        assert calls.next() == {"is_not_error": False, "frame_data": [], "frame_keys": ["a"], "n": 1}
        assert framedb.push_sync(connection, {"a": b"x"})[0] is False
        assert framedb._FrameDB__handle_new_connection(SOURCE)[0] is False  # type: ignore[attr-defined]
        mortal_valkey.restart()
        assert framedb.get_frames_from(SOURCE, ["a"]) == (True, [None])
        assert framedb.push_sync(connection, {"a": b"x"})[0] is True
    printed = capsys.readouterr()
    assert PASSWORD not in why + logged.text + printed.out + printed.err


def test_a_reader_that_is_closed_says_so_and_its_threads_are_gone(framedb: FrameDB) -> None:
    calls = Calls()
    framedb.register_frames_channel(SOURCE, calls)
    framedb.register_frame_delete_channel(SOURCE)
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("framedb-")]
    assert len(ours) == 2
    assert all(thread.daemon for thread in ours)
    framedb.close()
    assert not any(thread.is_alive() for thread in ours)
    for answer in (
        framedb.get_frames_from(SOURCE, ["a"]),
        framedb.get_frames_async(SOURCE, ["a"], {}, calls),
        framedb.register_frames_channel("another", calls),
        framedb.decr_batch_keys(SOURCE, {"ref__P": (1, [])}),
        framedb.push_sync(None, {"a": b"x"}),
    ):
        assert answer[0] is False
        assert "closed" in answer[1]
    framedb.close()


def test_a_caller_that_waits_at_a_full_queue_is_let_go_when_it_is_closed(framedb: FrameDB) -> None:
    held = threading.Event()
    framedb.register_frames_channel(SOURCE, lambda **_: held.wait(30))
    answers: list[tuple[bool, str]] = []

    def submit() -> None:
        while not answers or answers[-1][0]:
            answers.append(framedb.get_frames_async(SOURCE, ["a"], {}, None))

    caller = threading.Thread(target=submit)
    caller.start()
    eventually(lambda: len(answers) >= 500, "the queue to fill up")
    closer = threading.Thread(target=framedb.close)
    closer.start()
    caller.join(10)
    assert not caller.is_alive()
    held.set()
    closer.join(10)
    assert not closer.is_alive()


def test_the_socket_of_the_node_is_used_where_there_is_one(
    make_reader: MakeReader, valkey: Endpoint, tmp_path: Path
) -> None:
    assert valkey.uds is not None
    (tmp_path / "here.sock").symlink_to(valkey.uds)
    framedb = make_reader(enable_uds_connections=True, uds_vmount=str(tmp_path), test_node_tag="here")
    connection = connection_of(framedb)
    assert connection.connection_pool.connection_kwargs["path"] == str(tmp_path / "here.sock")
    elsewhere = make_reader(enable_uds_connections=True, uds_vmount=str(tmp_path), test_node_tag="there")
    assert connection_of(elsewhere).connection_pool.connection_kwargs["port"] == valkey.port


def test_environments_and_loggers_of_the_caller_s_own_will_do(
    valkey: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own:
        mode = "test"
        test_password = valkey.password

    class Odd:
        def error(self, text: str) -> None:
            raise AssertionError(text)

    monkeypatch.setenv("FRAMES_REDIS_URL", f"redis://{valkey.host}:{valkey.port}")
    with FrameDB(None, Own(), Odd()) as framedb:
        assert framedb.get_frames_from(SOURCE, ["nothing"]) == (True, [None])
        assert framedb.get_frames_from("not a source", ["nothing"])[0] is False


def test_whoever_has_no_password_is_told_so(valkey: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    with reader_of(replace(valkey, password="wrong"), monkeypatch) as framedb:
        read, why = framedb.get_frames_from(SOURCE, ["a"])
    assert not read
    assert "wrong" not in why


def test_a_client_that_was_handed_out_is_an_ordinary_one(framedb: FrameDB) -> None:
    connection = connection_of(framedb)
    assert connection.set("mine", b"x")
    assert connection.get("mine") == b"x"
    assert connection_of(framedb) is connection
    other = open_redis(Endpoint("127.0.0.1", 1))
    close_redis(other)
