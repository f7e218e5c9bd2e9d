"""The frame queue on a real Valkey."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from framedb.errors import QueueError, QueueFullError
from framedb.queueing.base import Announcement, Bounds, FrameQueue
from framedb.queueing.streams import StreamsQueue
from tests.contracts.frame_queue import (
    ENOUGH,
    SHORT_HOLD,
    FrameQueueContract,
    OpenQueue,
    QueueServer,
    announcement,
    announcements,
    drain,
    take,
)
from tests.integration.queueing.conftest import ControlValkey


def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + ENOUGH
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class StreamsServer(QueueServer):
    """The control Valkey alone."""

    def __init__(self, valkey: ControlValkey) -> None:
        self.valkey = valkey
        self.control = valkey.endpoint

    def stop(self) -> None:
        self.valkey.stop()

    def kill(self) -> None:
        self.valkey.kill()

    def start(self) -> None:
        self.valkey.start()

    def disconnect_everyone(self) -> None:
        self.valkey.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


class TestStreamsQueue(FrameQueueContract):
    @pytest.fixture
    def server(self, control_valkey: ControlValkey) -> QueueServer:
        return StreamsServer(control_valkey)

    def test_announcing_never_trims_what_a_worker_holds(self, opened: OpenQueue) -> None:
        queue = opened(bounds=Bounds(max_length=2))
        queue.announce(announcements(2))
        held = [take(queue), take(queue)]
        announced = queue.announce([announcement(2)])
        assert (announced.accepted, announced.dropped) == ([], [announcement(2)])
        assert [queue.renew(delivery) for delivery in held] == [True, True]

    def test_a_silent_workers_frame_is_taken_over_and_it_is_told_so(self, opened: OpenQueue) -> None:
        silent, other = opened(hold=SHORT_HOLD), opened(hold=SHORT_HOLD)
        silent.announce([announcement(0)])
        delivery = take(silent)
        again = take(other)
        assert again.attempt == 2
        assert not silent.renew(delivery)
        silent.give_back(delivery)  # not his any more
        assert other.renew(again)
        silent.acknowledge(delivery)  # the work is done, whoever did it
        assert other.depth() == 0
        assert not other.renew(again)
        other.set_aside(again, "too late")
        assert other.dead_letters() == []

    def test_a_dead_workers_frame_is_found_behind_many_that_are_held(self, opened: OpenQueue) -> None:
        dead, busy = opened(hold=SHORT_HOLD), opened(hold=60.0)
        other = opened(hold=SHORT_HOLD)
        dead.announce(announcements(250))
        held = [take(busy) for _ in range(249)]
        last = take(dead)
        with ThreadPoolExecutor(1) as pool:
            taken = pool.submit(other.take, timeout=ENOUGH)
            while not taken.done():
                for delivery in held:
                    assert busy.renew(delivery)
            found = taken.result()
        assert found is not None
        assert found.announcement == last.announcement

    def test_threads_may_share_one_queue(self, queue: FrameQueue) -> None:
        queue.announce(announcements(100))

        def work() -> list[Announcement]:
            return drain(queue)

        with ThreadPoolExecutor(4) as pool:
            taken = [one for done in [pool.submit(work) for _ in range(4)] for one in done.result()]
        assert sorted(taken, key=lambda one: one.key) == announcements(100)

    def test_an_entry_that_is_no_announcement_is_set_aside(
        self, queue: FrameQueue, control_valkey: ControlValkey
    ) -> None:
        for fields in ({"colour": "red"}, {"key": b"\xff"}, {"key": "fdb:x"}):
            control_valkey.client.xadd("frame_queue", fields)  # type: ignore[arg-type]
        queue.announce([announcement(0)])
        assert take(queue).announcement == announcement(0)
        assert [letter.announcement.key for letter in queue.dead_letters()] == ["", "\ufffd", "fdb:x"]

    def test_an_entry_of_the_key_alone_is_understood(self, queue: FrameQueue, control_valkey: ControlValkey) -> None:
        control_valkey.client.xadd("frame_queue", {"key": announcement(0).key})
        assert take(queue).announcement == Announcement(announcement(0).key, source="plant-a:gate")

    def test_a_waiting_worker_survives_the_loss_of_all_data(
        self, opened: OpenQueue, control_valkey: ControlValkey
    ) -> None:
        worker, publisher = opened(), opened()
        assert worker.take(timeout=0) is None
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(take, worker)
            until(lambda: bool(control_valkey.client.info("clients")["blocked_clients"]))
            control_valkey.client.flushall()
            publisher.announce([announcement(0)])
            assert waiting.result().announcement == announcement(0)

    def test_the_functions_are_loaded_where_they_are_missing_and_never_replaced(
        self, queue: FrameQueue, control_valkey: ControlValkey
    ) -> None:
        client = control_valkey.client
        client.function_flush()
        queue.announce([announcement(0)])
        before = client.execute_command("FUNCTION", "LIST", "WITHCODE")
        client.function_delete("fdbq_v1")
        client.function_load(
            "#!lua name=fdbq_v1\nredis.register_function('fdbq_v1_announce', function() return {0, 77} end)"
        )
        with pytest.raises(QueueFullError, match="77"):
            queue.announce([announcement(1)])
        with pytest.raises(QueueError, match="Function not found"):
            queue.take(timeout=0)  # half a library of our name: somebody's mistake, to be seen
        client.function_flush()
        assert take(queue).announcement == announcement(0)
        assert client.execute_command("FUNCTION", "LIST", "WITHCODE") == before

    def test_workers_drain_the_queue_of_a_server_that_is_full(
        self, opened: OpenQueue, control_valkey: ControlValkey
    ) -> None:
        queue, leaving = opened(), opened()
        queue.announce(announcements(5))
        take(leaving)
        control_valkey.client.config_set("maxmemory", "1mb")
        with pytest.raises(QueueFullError, match="maxmemory"):
            queue.announce([announcement(5)])
        leaving.close()
        delivery = take(queue)
        assert (delivery.announcement, delivery.attempt) == (announcement(0), 2)
        assert queue.renew(delivery)
        queue.acknowledge(delivery)
        queue.set_aside(take(queue), "no use")
        queue.give_back(take(queue))
        assert drain(queue) == announcements(3, first=2)
        control_valkey.client.config_set("maxmemory", "64mb")
        assert queue.announce([announcement(5)]).accepted == [announcement(5)]

    def test_a_worker_leaves_the_group_when_it_closes(self, opened: OpenQueue, control_valkey: ControlValkey) -> None:
        worker = opened()
        worker.announce(announcements(150))
        for _ in range(150):
            take(worker)
        worker.close()
        [returned] = control_valkey.client.xinfo_consumers("frame_queue", "workers")
        assert returned["pending"] == 150
        assert drain(opened()) == announcements(150)

    def test_silent_consumers_are_removed_unless_they_hold_something(
        self, opened: OpenQueue, control_valkey: ControlValkey
    ) -> None:
        client = control_valkey.client
        opened().announce(announcements(2))
        client.xgroup_create("frame_queue", "workers", "0")
        client.xreadgroup("workers", "holds-one", {"frame_queue": ">"}, count=1)
        client.xgroup_createconsumer("frame_queue", "workers", "silent")
        opened()._call("sweep", ["frame_queue"], ["workers", 60_000])  # type: ignore[attr-defined]
        names = {consumer["name"] for consumer in client.xinfo_consumers("frame_queue", "workers")}
        assert names == {b"holds-one", b"silent"}
        until(lambda: all(one["idle"] > 1 for one in client.xinfo_consumers("frame_queue", "workers")))
        opened()._call("sweep", ["frame_queue"], ["workers", 1])  # type: ignore[attr-defined]
        [left] = client.xinfo_consumers("frame_queue", "workers")
        assert (left["name"], left["pending"]) == (b"holds-one", 1)

    def test_a_client_of_the_caller_stays_open(self, control_valkey: ControlValkey) -> None:
        with StreamsQueue(control_valkey.client) as queue:
            queue.announce([announcement(0)])
        assert control_valkey.client.xlen("frame_queue") == 1
