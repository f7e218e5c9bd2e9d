"""The key-value store in process, with 100,000 attributes in 100 namespaces.

Keys are asked for one after the other, in the order in which they were set. In no order at all it is the processor's cache that
is measured: every call then waits for memory four or five times, and a get takes twice as long, a set half as long again.
"""

from collections.abc import Callable, Sequence

from benchmarks.comparison import Absolute, Comparison, Row, Side
from benchmarks.stopwatch import stopwatch
from benchmarks.target import Target
from framedb import kvs
from framedb.primitives import Attribute, AttributeValue

NAMESPACES, NAMES = 100, 1000
TIMES = 100
SCAN = "a pattern that goes through all of them"
COMPARISONS: list[Row] = [
    Absolute("KVS in process, 100,000 keys: exact get", "get", "/s", at_least=1_500_000),
    Absolute("KVS in process, 100,000 keys: set of a fresh small attribute", "set", "/s", at_least=400_000),
    Comparison("search one namespace of 100", SCAN, "namespace", "scan", at_least=20),
    Comparison("search without wildcards", SCAN, "exact", "scan", at_least=2000),
]

_BATCH = 1000  # calls timed together: the clock itself takes as long as one of them
_KEYS = [(f"camera-{number % NAMESPACES}", f"counter-{number // NAMESPACES}") for number in range(NAMESPACES * NAMES)]


def get(target: Target, times: int) -> list[float]:
    """`get_attribute`."""

    def batch(keys: Sequence[tuple[str, str]]) -> None:
        for namespace, name in keys:
            kvs.get_attribute(namespace, name)

    return _batches(batch, times)


def set_fresh(target: Target, times: int) -> list[float]:
    """Make an attribute of one integer, and `set_attributes`."""

    def batch(keys: Sequence[tuple[str, str]]) -> None:
        for namespace, name in keys:
            kvs.set_attributes([Attribute.persistent(namespace, name, [AttributeValue.integer(1)])])

    return _batches(batch, times)


def namespace(target: Target, times: int) -> list[float]:
    """One namespace, all names."""
    _fill()
    return stopwatch(lambda _: _found("camera-7", "*", NAMES), times)


def exact(target: Target, times: int) -> list[float]:
    """Neither pattern has wildcards."""
    _fill()
    return stopwatch(lambda _: _found("camera-7", "counter-7", 1), times)


def scan(target: Target, times: int) -> list[float]:
    """The same namespace, written so that it has to be looked for."""
    _fill()
    return stopwatch(lambda _: _found("camera-[7]", "*", NAMES), max(times // 10, 2))[:times]


SIDES: dict[str, Side] = {"get": get, "set": set_fresh, "namespace": namespace, "exact": exact, "scan": scan}


def _fill() -> None:
    for name_space, name in _KEYS:
        kvs.set_attributes([Attribute.persistent(name_space, name, [AttributeValue.integer(1)])])


def _batches(batch: Callable[[Sequence[tuple[str, str]]], None], times: int) -> list[float]:
    """Seconds of one call, in each of so many batches."""
    _fill()

    def work(number: int) -> None:
        begin = number * _BATCH % len(_KEYS)
        batch(_KEYS[begin : begin + _BATCH])

    return [seconds / _BATCH for seconds in stopwatch(work, times)]


def _found(namespace: str, name: str, number: int) -> None:
    found = kvs.search_keys(namespace, name)
    assert len(found) == number
