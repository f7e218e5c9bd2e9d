"""What holds for every backend of the frame queue. A backend's tests subclass it and give it a `server`."""

import json
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from framedb.errors import InvalidFrameError, InvalidInputError, InvalidKeyError, QueueFullError, QueueUnavailableError
from framedb.frame import CameraKey
from framedb.queueing.base import Announcement, Bounds, Delivery, FrameQueue
from framedb.queueing.opening import open_queue
from framedb.resp import Endpoint

START = datetime(2026, 11, 22, 4, 57, 21, 123456, tzinfo=UTC)
SHORT_HOLD = 0.5
ENOUGH = 20.0  # seconds any take may wait for what must come


class QueueServer(ABC):
    """The real servers behind one backend."""

    control: Endpoint
    broker_url: str | None = None

    @abstractmethod
    def stop(self) -> None:
        """Stop the one that holds the queue, in order; its data stay."""

    @abstractmethod
    def kill(self) -> None:
        """SIGKILL it, after it had the time its documentation asks for to write its data."""

    @abstractmethod
    def start(self) -> None:
        """Start it again with its data, where it was."""

    @abstractmethod
    def disconnect_everyone(self) -> None:
        """Close every client's connection from the server's side."""


class OpenQueue(Protocol):
    """Opens a queue on the server under test; the test closes it."""

    def __call__(self, *, hold: float = ..., max_deliveries: int = ..., bounds: Bounds | None = ...) -> FrameQueue: ...


def announcement(number: int) -> Announcement:
    """That of the camera's frame of that many seconds after START."""
    captured_at = START + timedelta(seconds=number)
    key = CameraKey("plant-a", "gate", captured_at)
    return Announcement(str(key), source=key.source, captured_at=captured_at)


def announcements(count: int, *, first: int = 0) -> list[Announcement]:
    """Of so many frames, one per second."""
    return [announcement(number) for number in range(first, first + count)]


def take(queue: FrameQueue) -> Delivery:
    """The next delivery, which must come."""
    delivery = queue.take(timeout=ENOUGH)
    assert delivery is not None, "nothing was delivered"
    return delivery


def drain(queue: FrameQueue) -> list[Announcement]:
    """All that is there without waiting, acknowledged."""
    taken = []
    while (delivery := queue.take(timeout=0)) is not None:
        queue.acknowledge(delivery)
        taken.append(delivery.announcement)
    return taken


def until_depth(queue: FrameQueue, depth: int) -> None:
    """Wait until the queue holds so many; a backend may take what was given back in a moment later."""
    deadline = time.monotonic() + ENOUGH
    while (now := queue.depth()) != depth:
        assert time.monotonic() < deadline, f"the queue holds {now}, not {depth}"
        time.sleep(0.01)


@contextmanager
def renewing(queue: FrameQueue, delivery: Delivery) -> Iterator[list[bool]]:
    """Renews from another thread, as a worker does; yields the answers."""
    answers: list[bool] = []
    done = threading.Event()

    def renew() -> None:
        while not done.wait(SHORT_HOLD / 5):
            answers.append(queue.renew(delivery))

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        yield answers
    finally:
        done.set()
        thread.join()


class FrameQueueContract:
    """Every test a backend of `FrameQueue` must pass. The server holds no queue when a test begins."""

    @pytest.fixture
    def server(self) -> QueueServer:
        """The servers of the backend under test."""
        raise NotImplementedError

    @pytest.fixture
    def opened(self, server: QueueServer) -> Iterator[OpenQueue]:
        """Opens queues that close with the test."""
        with ExitStack() as stack:

            def opened(**arguments: Any) -> FrameQueue:
                queue = open_queue(server.control, broker_url=server.broker_url, **arguments)
                return stack.enter_context(queue)

            yield opened

    @pytest.fixture
    def queue(self, opened: OpenQueue) -> FrameQueue:
        """One queue with the defaults."""
        return opened()

    # Announcing and taking.

    def test_announcements_are_delivered_in_order(self, queue: FrameQueue) -> None:
        announced = announcements(5)
        assert queue.announce(announced[:2]).accepted == announced[:2]
        assert queue.announce(announced[2:]).accepted == announced[2:]
        assert drain(queue) == announced

    @pytest.mark.parametrize("key", ["frame:ügel:кам:20261122T045721.123456Z", "写真/1 $@!\n\t😀", "k" * 1024])
    def test_what_was_announced_is_what_is_delivered(self, queue: FrameQueue, key: str) -> None:
        announced = Announcement(key, source="a:b", framedb_id="cluster-7", captured_at=START)
        queue.announce([announced])
        delivery = take(queue)
        assert delivery.announcement == announced
        assert delivery.attempt == 1

    def test_a_capture_time_in_another_zone_arrives_as_the_same_instant(self, queue: FrameQueue) -> None:
        local = START.astimezone(tz=datetime.strptime("+0530", "%z").tzinfo)
        queue.announce([Announcement("k", source="_", captured_at=local)])
        captured_at = take(queue).announcement.captured_at
        assert captured_at == START
        assert captured_at.tzinfo is UTC

    def test_an_announcement_without_a_capture_time_has_none(self, queue: FrameQueue) -> None:
        queue.announce([Announcement("k", source="_")])
        assert take(queue).announcement.captured_at is None

    def test_announcing_nothing_does_nothing(self, queue: FrameQueue) -> None:
        announced = queue.announce([])
        assert (announced.accepted, announced.dropped) == ([], [])
        assert queue.depth() == 0

    @pytest.mark.parametrize("key", ["", "fdb:x", "k" * 1025, "\ud800"])
    def test_an_illegal_key_is_refused_and_nothing_is_announced(self, queue: FrameQueue, key: str) -> None:
        with pytest.raises(InvalidKeyError):
            queue.announce([announcement(0), Announcement(key, source="_")])
        assert queue.depth() == 0

    def test_a_capture_time_without_a_zone_is_refused(self, queue: FrameQueue) -> None:
        with pytest.raises(InvalidFrameError, match="time zone"):
            queue.announce([Announcement("k", source="_", captured_at=START.replace(tzinfo=None))])
        assert queue.depth() == 0

    def test_taking_from_an_empty_queue_gives_none(self, queue: FrameQueue) -> None:
        assert queue.take(timeout=0) is None
        assert queue.take(timeout=0.2) is None

    def test_a_worker_that_waits_gets_what_is_announced_meanwhile(self, opened: OpenQueue) -> None:
        worker, publisher = opened(), opened()
        with ThreadPoolExecutor(1) as pool:
            for number in range(5):
                waiting = pool.submit(take, worker)
                publisher.announce([announcement(number)])
                delivery = waiting.result()
                assert delivery.announcement == announcement(number)
                worker.acknowledge(delivery)

    def test_a_worker_may_hold_several_and_finish_them_in_any_order(self, queue: FrameQueue) -> None:
        queue.announce(announcements(3))
        deliveries = [take(queue) for _ in range(3)]
        assert [delivery.announcement for delivery in deliveries] == announcements(3)
        for delivery in reversed(deliveries):
            queue.acknowledge(delivery)
        assert queue.depth() == 0

    def test_a_worker_that_pauses_between_frames_keeps_nothing_from_others(self, opened: OpenQueue) -> None:
        idle, busy = opened(), opened()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(take, idle)
            busy.announce(announcements(2))
            idle.acknowledge(waiting.result())
        assert take(busy).announcement == announcement(1)

    # At least once.

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
    def test_the_frame_of_a_worker_that_is_gone_goes_to_another(
        self, server: QueueServer, opened: OpenQueue, how: signal.Signals
    ) -> None:
        queue = opened(hold=SHORT_HOLD)
        queue.announce([announcement(0)])
        arguments = {"control": asdict(server.control), "broker_url": server.broker_url, "hold": SHORT_HOLD}
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.contracts.holding_worker", json.dumps(arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with worker:
            try:
                assert worker.stdout is not None
                assert worker.stdout.readline().strip() == announcement(0).key
                worker.send_signal(how)
                delivery = take(queue)
            finally:
                worker.kill()
        assert delivery.announcement == announcement(0)
        assert delivery.attempt == 2

    def test_what_a_worker_holds_when_it_closes_goes_to_others_in_order(self, opened: OpenQueue) -> None:
        leaving, staying = opened(), opened()
        leaving.announce(announcements(4))
        take(leaving), take(leaving)
        leaving.close()
        deliveries = [take(staying) for _ in range(4)]
        assert [delivery.announcement for delivery in deliveries] == announcements(4)
        assert [delivery.attempt for delivery in deliveries] == [2, 2, 1, 1]

    def test_the_sixth_delivery_is_set_aside_with_its_reason(self, opened: OpenQueue) -> None:
        queue = opened()
        queue.announce([announcement(0)])
        for attempt in range(1, 6):
            worker = opened()
            assert take(worker).attempt == attempt
            worker.close()
        assert queue.take(timeout=0) is None
        assert queue.depth() == 0
        [letter] = queue.dead_letters()
        assert letter.announcement == announcement(0)
        assert "5 deliveries" in letter.reason

    def test_one_that_is_set_aside_does_not_keep_the_next_from_being_taken(self, opened: OpenQueue) -> None:
        first, second = opened(max_deliveries=1), opened(max_deliveries=1)
        first.announce(announcements(2))
        take(first)
        first.close()
        assert take(second).announcement == announcement(1)
        assert [letter.announcement for letter in second.dead_letters()] == [announcement(0)]

    def test_an_acknowledged_frame_never_comes_again(self, opened: OpenQueue) -> None:
        worker, other = opened(hold=SHORT_HOLD), opened(hold=SHORT_HOLD)
        worker.announce([announcement(0)])
        worker.acknowledge(take(worker))
        worker.close()
        assert other.take(timeout=3 * SHORT_HOLD) is None
        assert other.depth() == 0

    def test_a_key_announced_again_after_its_acknowledgement_starts_afresh(self, opened: OpenQueue) -> None:
        queue = opened(max_deliveries=1)
        for _ in range(3):
            queue.announce([announcement(0)])
            delivery = take(queue)
            assert delivery.attempt == 1
            queue.acknowledge(delivery)

    # Holding.

    def test_a_slow_worker_that_renews_keeps_its_hold(self, opened: OpenQueue) -> None:
        slow, other = opened(hold=SHORT_HOLD), opened(hold=SHORT_HOLD)
        slow.announce([announcement(0)])
        delivery = take(slow)
        with renewing(slow, delivery) as answers:
            assert other.take(timeout=4 * SHORT_HOLD) is None
        slow.acknowledge(delivery)
        assert len(answers) > 2
        assert all(answers)
        assert other.take(timeout=0) is None

    def test_renewing_does_not_count_as_a_delivery(self, opened: OpenQueue) -> None:
        slow, other = opened(), opened()
        slow.announce([announcement(0)])
        delivery = take(slow)
        assert [slow.renew(delivery) for _ in range(10)] == [True] * 10
        slow.close()
        assert take(other).attempt == 2

    # Giving back.

    def test_what_is_given_back_goes_to_another_at_once_and_first(self, opened: OpenQueue) -> None:
        stopping, other = opened(), opened()
        stopping.announce(announcements(3))
        delivery = take(stopping)
        stopping.give_back(delivery)
        assert [take(other).announcement for _ in range(3)] == announcements(3)

    def test_a_worker_that_waits_gets_what_another_gives_back(self, opened: OpenQueue) -> None:
        stopping, waiting = opened(), opened()
        stopping.announce([announcement(0)])
        delivery = take(stopping)
        with ThreadPoolExecutor(1) as pool:
            given = pool.submit(take, waiting)
            stopping.give_back(delivery)
            assert given.result().announcement == announcement(0)

    def test_an_attempt_that_was_given_back_does_not_count(self, opened: OpenQueue) -> None:
        queue = opened(max_deliveries=2)
        queue.announce([announcement(0)])
        for _ in range(5):
            delivery = take(queue)
            assert delivery.attempt == 1
            queue.give_back(delivery)
        assert queue.dead_letters() == []
        until_depth(queue, 1)

    def test_earlier_attempts_still_count_after_one_is_given_back(self, opened: OpenQueue) -> None:
        died, stopping, other = opened(), opened(), opened()
        died.announce([announcement(0)])
        take(died)
        died.close()
        delivery = take(stopping)
        assert delivery.attempt == 2
        stopping.give_back(delivery)
        assert take(other).attempt == 2

    # Dead letters.

    def test_what_is_set_aside_stays_among_the_dead_letters_with_its_reason(self, queue: FrameQueue) -> None:
        queue.announce(announcements(3))
        for number in range(3):
            queue.set_aside(take(queue), f"reason {number}: größer 😀")
        for _ in range(2):
            letters = queue.dead_letters()
            assert [letter.announcement for letter in letters] == announcements(3)
            assert [letter.reason for letter in letters] == [f"reason {number}: größer 😀" for number in range(3)]
        assert [letter.announcement for letter in queue.dead_letters(limit=2)] == announcements(2)
        assert queue.take(timeout=0) is None
        assert queue.depth() == 0

    def test_a_key_that_was_set_aside_can_be_announced_again(self, opened: OpenQueue) -> None:
        queue = opened(max_deliveries=1)
        for _ in range(2):
            queue.announce([announcement(0)])
            queue.set_aside(take(queue), "no use")
        queue.announce([announcement(0)])
        assert take(queue).attempt == 1
        assert len(queue.dead_letters()) == 2

    def test_no_more_dead_letters_are_kept_than_the_queue_may_hold(self, opened: OpenQueue) -> None:
        queue = opened(bounds=Bounds(max_length=3))
        for number in range(5):
            queue.announce([announcement(number)])
            queue.set_aside(take(queue), "no use")
        assert [letter.announcement for letter in queue.dead_letters()] == announcements(3, first=2)

    # Bounds.

    def test_drop_oldest_pushes_out_the_oldest_and_says_which(self, opened: OpenQueue) -> None:
        queue = opened(bounds=Bounds(max_length=3, policy="drop-oldest"))
        queue.announce(announcements(3))
        announced = queue.announce(announcements(2, first=3))
        assert announced.accepted == announcements(2, first=3)
        assert announced.dropped == announcements(2)
        assert drain(queue) == announcements(3, first=2)

    def test_drop_oldest_leaves_alone_what_a_worker_holds(self, opened: OpenQueue) -> None:
        queue = opened(bounds=Bounds(max_length=3, policy="drop-oldest"))
        queue.announce(announcements(3))
        delivery = take(queue)
        queue.announce(announcements(3, first=3))
        assert queue.renew(delivery)
        queue.acknowledge(delivery)
        assert announcement(0) not in drain(queue)

    def test_a_batch_longer_than_the_bound_keeps_its_newest_under_drop_oldest(self, opened: OpenQueue) -> None:
        queue = opened(bounds=Bounds(max_length=3, policy="drop-oldest"))
        queue.announce([announcement(0)])
        announced = queue.announce(announcements(5, first=1))
        assert announced.accepted == announcements(3, first=3)
        assert announced.dropped == announcements(3)
        assert drain(queue) == announcements(3, first=3)

    def test_what_was_given_back_is_the_oldest(self, opened: OpenQueue) -> None:
        queue = opened(bounds=Bounds(max_length=2, policy="drop-oldest"))
        queue.announce(announcements(2))
        queue.give_back(take(queue))
        until_depth(queue, 2)
        assert queue.announce([announcement(2)]).dropped == [announcement(0)]
        assert drain(queue) == announcements(2, first=1)

    def test_drop_newest_turns_the_new_ones_away(self, opened: OpenQueue) -> None:
        queue = opened(bounds=Bounds(max_length=3, policy="drop-newest"))
        queue.announce(announcements(2))
        announced = queue.announce(announcements(3, first=2))
        assert announced.accepted == [announcement(2)]
        assert announced.dropped == announcements(2, first=3)
        assert drain(queue) == announcements(3)

    def test_wait_announces_none_until_there_is_room_for_all(self, opened: OpenQueue) -> None:
        queue = opened(bounds=Bounds(max_length=3, policy="wait"))
        queue.announce(announcements(2))
        with pytest.raises(QueueFullError, match="3"):
            queue.announce(announcements(2, first=2))
        assert queue.depth() == 2
        queue.acknowledge(take(queue))
        assert queue.announce(announcements(2, first=2)).accepted == announcements(2, first=2)
        assert drain(queue) == announcements(3, first=1)

    def test_a_batch_that_never_fits_is_refused_under_wait(self, opened: OpenQueue) -> None:
        queue = opened(bounds=Bounds(max_length=3, policy="wait"))
        with pytest.raises(InvalidInputError, match="at most 3"):
            queue.announce(announcements(4))
        assert queue.depth() == 0

    def test_depth_counts_what_is_not_acknowledged(self, queue: FrameQueue) -> None:
        assert queue.depth() == 0
        queue.announce(announcements(3))
        assert queue.depth() == 3
        delivery = take(queue)
        assert queue.depth() == 3
        queue.acknowledge(delivery)
        assert queue.depth() == 2
        queue.give_back(take(queue))
        until_depth(queue, 2)
        queue.set_aside(take(queue), "no use")
        assert queue.depth() == 1

    # Many at once.

    def test_workers_share_the_frames_and_none_is_lost_or_done_twice(self, opened: OpenQueue) -> None:
        workers, publishers = [opened() for _ in range(4)], [opened() for _ in range(2)]
        start, finished = threading.Barrier(6), threading.Event()

        def work(queue: FrameQueue) -> list[str]:
            start.wait()
            keys = []
            while (delivery := queue.take(timeout=0.2)) is not None or not finished.is_set():
                if delivery is not None:
                    keys.append(delivery.announcement.key)
                    queue.acknowledge(delivery)
            return keys

        def publish(queue: FrameQueue, first: int) -> None:
            start.wait()
            for number in range(first, first + 100, 10):
                assert len(queue.announce(announcements(10, first=number)).accepted) == 10

        with ThreadPoolExecutor(6) as pool:
            working = [pool.submit(work, queue) for queue in workers]
            publishing = [pool.submit(publish, queue, 100 * i) for i, queue in enumerate(publishers)]
            for one in publishing:
                one.result()
            finished.set()
            taken = Counter(key for one in working for key in one.result())
        assert taken == Counter(one.key for one in announcements(200))
        assert publishers[0].depth() == 0

    # Servers that come and go.

    def test_a_connection_the_server_closed_is_made_again_unnoticed(
        self, server: QueueServer, opened: OpenQueue
    ) -> None:
        queue = opened()
        queue.announce([announcement(0)])
        queue.acknowledge(take(queue))
        server.disconnect_everyone()
        queue.announce([announcement(1)])
        server.disconnect_everyone()
        assert take(queue).announcement == announcement(1)
        server.disconnect_everyone()
        assert queue.depth() in (0, 1)  # held over a lost connection: whether it waits again is the backend's affair

    def test_nothing_confirmed_is_lost_when_the_server_stops_and_starts(
        self, server: QueueServer, opened: OpenQueue
    ) -> None:
        queue = opened(hold=SHORT_HOLD)
        queue.announce(announcements(3))
        held = take(queue)
        server.stop()
        try:
            unborn = opened(hold=SHORT_HOLD)  # opening needs no server
            for call in (
                lambda: queue.announce([announcement(3)]),
                lambda: queue.take(timeout=1.0),
                lambda: unborn.announce([announcement(3)]),
                lambda: unborn.take(timeout=1.0),
                queue.depth,
                queue.dead_letters,
            ):
                with pytest.raises(QueueUnavailableError):
                    call()
        finally:
            server.start()
        assert unborn.announce([announcement(3)]).accepted == [announcement(3)]
        seen = [take(queue) for _ in range(4)]
        assert {one.announcement for one in seen} == set(announcements(4))
        assert {one.announcement: one.attempt for one in seen}[held.announcement] == 2
        for one in seen:
            queue.acknowledge(one)
        assert queue.depth() == 0

    def test_nothing_confirmed_is_lost_when_the_server_is_killed_under_a_waiting_worker(
        self, server: QueueServer, opened: OpenQueue
    ) -> None:
        holding, waiting, other = opened(), opened(), opened(hold=SHORT_HOLD)
        holding.announce(announcements(3))
        for _ in range(3):
            take(holding)
        with ThreadPoolExecutor(1) as pool:
            taken = pool.submit(waiting.take, timeout=60.0)
            time.sleep(0.2)  # it may be blocked by now; the test holds either way
            server.kill()
            try:
                with pytest.raises(QueueUnavailableError):
                    taken.result()
            finally:
                server.start()
        deliveries = [take(other) for _ in range(3)]
        assert {one.announcement for one in deliveries} == set(announcements(3))
        assert [one.attempt for one in deliveries] == [2, 2, 2]
