"""The bounded queue between callers and a thread."""

import threading

import pytest

from framedb.compat.work import WorkQueue
from framedb.errors import InvalidInputError


def test_items_come_out_in_order_and_what_waits_at_the_end_too() -> None:
    work: WorkQueue[int] = WorkQueue()
    for number in range(3):
        work.put(number)
    assert len(work) == 3
    work.close()
    assert [work.take() for _ in range(4)] == [0, 1, 2, None]
    with pytest.raises(InvalidInputError, match="closed"):
        work.put(4)


def test_a_full_queue_holds_its_caller_until_there_is_room() -> None:
    work: WorkQueue[int] = WorkQueue(1)
    work.put(1)
    caller = threading.Thread(target=work.put, args=(2,))
    caller.start()
    caller.join(0.1)
    assert caller.is_alive()
    assert work.take() == 1
    caller.join(10)
    assert work.take() == 2


def test_closing_lets_everyone_go_who_waits() -> None:
    work: WorkQueue[int] = WorkQueue(1)
    taken: list[int | None] = []
    taker = threading.Thread(target=lambda: taken.append(work.take()))
    taker.start()
    work.close()
    taker.join(10)
    assert taken == [None]
