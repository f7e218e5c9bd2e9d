"""Watching over WebSocket, with a client that nobody here wrote."""

import json
import time
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from framedb.attributes.attribute import Attribute
from framedb.attributes.values import AttributeValue
from tests.integration.kvs.serving import Served, end_of, served
from tests.integration.kvs.wire import attribute, integer

ONE = attribute("counter", "frames", integer(1))
OTHER = attribute("counter", "objects", integer(2))


def told(watcher: ClientConnection) -> Any:
    """The next frame, which is JSON."""
    frame = watcher.recv(timeout=30)
    assert isinstance(frame, str)
    return json.loads(frame)


def shown(watcher: ClientConnection) -> bytes:
    """The next frame, which is binary."""
    frame = watcher.recv(timeout=30)
    assert isinstance(frame, bytes)
    return frame


def test_a_set_is_one_frame_with_an_object_for_each_attribute(kvs: Served) -> None:
    with kvs.watch() as watcher:
        before = time.time_ns()
        kvs.post("/kvs/set", ONE + OTHER)
        frames, objects = told(watcher)
        after = time.time_ns()
    stamp = frames.pop("timestamp")
    assert frames == {"name": "frames", "namespace": "counter", "operation": "set", "ttl": None}
    assert objects == {**frames, "name": "objects", "timestamp": stamp}
    assert set(stamp) == {"nanos_since_epoch", "secs_since_epoch"}
    assert 0 <= stamp["nanos_since_epoch"] < 1_000_000_000
    assert before <= stamp["secs_since_epoch"] * 1_000_000_000 + stamp["nanos_since_epoch"] <= after


def test_the_ttl_is_told_in_milliseconds(kvs: Served) -> None:
    with kvs.watch() as watcher:
        kvs.post("/kvs/set-with-ttl/60000", ONE)
        assert told(watcher)[0]["ttl"] == 60_000


@pytest.mark.parametrize("path", ["/kvs/delete/counter/*", "/kvs/delete-single/counter/frames"])
def test_a_delete_has_no_ttl_at_all(kvs: Served, path: str) -> None:
    kvs.post("/kvs/set-with-ttl/60000", ONE)
    with kvs.watch() as watcher:
        kvs.post(path)
        (event,) = told(watcher)
    assert (event["operation"], event["namespace"], event["name"]) == ("delete", "counter", "frames")
    assert set(event) == {"name", "namespace", "operation", "timestamp"}


def test_full_follows_each_frame_with_the_attributes(kvs: Served) -> None:
    with kvs.watch("/kvs/events/full") as watcher:
        kvs.post("/kvs/set", ONE + OTHER)
        assert [event["name"] for event in told(watcher)] == ["frames", "objects"]
        assert shown(watcher) == ONE + OTHER
        kvs.post("/kvs/delete-single/counter/frames")
        assert told(watcher)[0]["operation"] == "delete"
        assert shown(watcher) == ONE


def test_a_call_that_touches_nothing_sends_an_empty_array(kvs: Served) -> None:
    with kvs.watch() as meta, kvs.watch("/kvs/events/full") as full:
        kvs.post("/kvs/set")
        kvs.post("/kvs/delete/no/*")
        for _ in range(2):
            assert told(meta) == told(full) == []
            assert shown(full) == b""


def test_delete_single_of_an_absent_key_sends_nothing(kvs: Served) -> None:
    with kvs.watch() as watcher:
        kvs.post("/kvs/delete-single/no/body")
        kvs.post("/kvs/set", ONE)
        assert told(watcher)[0]["operation"] == "set"


def test_a_refused_set_sends_nothing(kvs: Served) -> None:
    with kvs.watch() as watcher:
        assert kvs.ask("POST", "/kvs/set", ONE + b"\x00").status == 400
        kvs.post("/kvs/set", OTHER)
        assert [event["name"] for event in told(watcher)] == ["objects"]


def test_changes_in_process_are_told_too(kvs: Served) -> None:
    with kvs.watch("/kvs/events/full") as watcher:
        kvs.store.set([Attribute.persistent("counter", "frames", [AttributeValue.integer(1)])], ttl=60_000)
        assert told(watcher)[0]["ttl"] == 60_000
        assert shown(watcher) == ONE
        kvs.store.delete("counter", "frames")
        assert told(watcher)[0]["operation"] == "delete"


def test_what_was_done_before_is_not_told(kvs: Served) -> None:
    with kvs.watch() as early:
        kvs.post("/kvs/set", ONE)
        with kvs.watch() as late:
            kvs.post("/kvs/set", OTHER)
            assert told(late)[0]["name"] == "objects"
        assert told(early)[0]["name"] == "frames"


def test_what_expires_is_told_to_those_who_ask(kvs: Served) -> None:
    with kvs.watch("/kvs/events/full?expire=1") as asked, kvs.watch("/kvs/events/full?x=1") as others:
        kvs.post("/kvs/set-with-ttl/50", ONE)
        assert told(asked)[0]["operation"] == told(others)[0]["operation"] == "set"
        assert shown(asked) == shown(others) == ONE
        (event,) = told(asked)
        assert (event["operation"], event["name"]) == ("expire", "frames")
        assert "ttl" not in event
        assert shown(asked) == ONE
        kvs.post("/kvs/set", OTHER)
        assert told(others)[0]["name"] == "objects"


def test_names_of_any_script_are_told_as_they_are(kvs: Served) -> None:
    with kvs.watch() as watcher:
        kvs.post("/kvs/set", attribute("Straße/🦊", 'a"b\n', integer(1)))
        (event,) = told(watcher)
    assert (event["namespace"], event["name"]) == ("Straße/🦊", 'a"b\n')


def test_what_a_watcher_says_is_no_matter_and_pings_are_answered(kvs: Served) -> None:
    with kvs.watch() as watcher:
        watcher.send("hello")
        watcher.send(b"\x00" * 100_000)
        assert watcher.ping().wait(30)
        kvs.post("/kvs/set", ONE)
        assert told(watcher)[0]["name"] == "frames"


def test_a_watcher_that_goes_is_forgotten(kvs: Served) -> None:
    with kvs.watch(), kvs.watch("/kvs/events/full"):
        assert kvs.metric("framedb_kvs_websockets") == 2
        assert kvs.store.stats.watchers == 1
    deadline = time.monotonic() + 30
    while kvs.metric("framedb_kvs_websockets") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert kvs.metric("framedb_kvs_websockets") == 0
    assert kvs.store.stats.watchers == 0


def test_other_websockets_are_a_404(kvs: Served) -> None:
    for path in ("/kvs/events", "/kvs/events/other", "/kvs/get/a/b"):
        with pytest.raises(InvalidStatus) as refused, kvs.watch(path):
            pass
        assert refused.value.response.status_code == 404


def test_a_server_that_stops_says_goodbye() -> None:
    with ExitStack() as later:
        with served() as kvs:
            watchers = [later.enter_context(kvs.watch(f"/kvs/events/{kind}")) for kind in ("meta", "full")]
            kvs.post("/kvs/set", ONE)
        for watcher in watchers:
            assert end_of(watcher) == (1001, "the server stops")


def test_the_end_of_all_subscriptions_ends_watchers(kvs: Served) -> None:
    with kvs.watch() as watcher:
        kvs.store.close_subscriptions()
        assert end_of(watcher)[0] == 1001
    with kvs.watch() as watcher:
        kvs.post("/kvs/set", ONE)
        assert told(watcher)[0]["name"] == "frames"


def test_a_closed_store_has_no_watchers(kvs: Served) -> None:
    kvs.store.close()
    with pytest.raises(InvalidStatus) as refused, kvs.watch():
        pass
    assert refused.value.response.status_code == 503
