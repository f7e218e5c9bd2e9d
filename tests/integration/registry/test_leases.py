"""A lease is held by one at a time, and what an earlier holder still sends can be told from its token."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from framedb.errors import InvalidSettingError
from framedb.registry import Leases


@pytest.fixture
def leases(engine: Engine) -> Leases:
    """No leases yet."""
    return Leases(engine)


def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_holds_it_and_others_do_not(leases: Leases) -> None:
    token = leases.acquire("camera:a:b", "worker-1", 60)

    assert token == 1
    assert leases.acquire("camera:a:b", "worker-2", 60) is None
    assert leases.acquire("camera:a:c", "worker-2", 60) == 1
    held = leases.holder("camera:a:b")
    assert held is not None
    assert (held.holder, held.token) == ("worker-1", 1)
    assert 0 < held.seconds_left <= 60


def test_nobody_holds_what_was_never_taken(leases: Leases) -> None:
    assert leases.holder("camera:a:b") is None
    assert leases.renew("camera:a:b", 1, 60) is False
    assert leases.release("camera:a:b", 1) is False


def test_a_released_lease_goes_to_the_next_with_a_larger_token(leases: Leases) -> None:
    assert leases.acquire("l", "one", 60) == 1
    assert leases.release("l", 1)
    assert leases.holder("l") is None

    assert leases.acquire("l", "two", 60) == 2
    assert leases.release("l", 1) is False
    assert leases.renew("l", 1, 60) is False
    held = leases.holder("l")
    assert held is not None
    assert held.holder == "two"


def test_a_released_lease_cannot_be_renewed(leases: Leases) -> None:
    leases.acquire("l", "one", 60)
    leases.release("l", 1)
    assert leases.renew("l", 1, 60) is False


def test_a_lease_that_ran_out_goes_to_the_next_with_a_larger_token(leases: Leases) -> None:
    assert leases.acquire("l", "one", 0.1) == 1
    until(lambda: leases.acquire("l", "two", 60) == 2)

    assert leases.renew("l", 1, 60) is False
    assert leases.acquire("l", "one", 60) is None


def test_a_lease_that_ran_out_unnoticed_can_be_renewed(leases: Leases) -> None:
    assert leases.acquire("l", "one", 0.05) == 1
    until(lambda: leases.holder("l") is None)

    assert leases.renew("l", 1, 60)
    assert leases.acquire("l", "two", 60) is None


def test_renewing_keeps_it(leases: Leases) -> None:
    assert leases.acquire("l", "one", 0.5) == 1
    assert leases.renew("l", 1, 60)
    held = leases.holder("l")
    assert held is not None
    assert held.seconds_left > 30


def test_a_holder_that_asks_again_gets_a_larger_token(leases: Leases) -> None:
    assert leases.acquire("l", "one", 60) == 1
    assert leases.acquire("l", "one", 60) == 2
    assert leases.renew("l", 1, 60) is False


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_duration_that_is_none_is_refused(leases: Leases, seconds: float) -> None:
    with pytest.raises(InvalidSettingError):
        leases.acquire("l", "one", seconds)
    assert leases.holder("l") is None


def test_of_many_who_ask_at_once_one_gets_it_each_time(leases: Leases) -> None:
    """And every token is larger than the one before, also for the first, when there is no row yet."""
    with ThreadPoolExecutor(6) as pool:
        for turn in range(1, 8):
            asked = [pool.submit(leases.acquire, "l", f"worker-{n}", 60) for n in range(6)]
            tokens = [token for answer in asked if (token := answer.result()) is not None]
            assert tokens == [turn]
            assert leases.release("l", turn)
