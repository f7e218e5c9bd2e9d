"""Every side of every benchmark runs, and does what it is timed for."""

import importlib
from collections.abc import Iterator

import pytest
from benchmarks import large_object
from benchmarks.__main__ import FILES
from benchmarks.comparison import Absolute, Comparison, Side, figure
from benchmarks.node import running_target
from benchmarks.target import Target

SIDES = [(file, side) for file in FILES for side in importlib.import_module(f"benchmarks.{file}").SIDES]


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """A node as the benchmarks start it."""
    with running_target() as running:
        yield running


@pytest.mark.parametrize(("file", "side"), SIDES)
def test_a_side_runs_as_often_as_it_is_told(
    target: Target, file: str, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_object, "OBJECT_MIB", 24)
    run: Side = importlib.import_module(f"benchmarks.{file}").SIDES[side]
    numbers = run(target, 2)
    assert len(numbers) == 2
    assert min(numbers) >= (0 if file == "large_object" else 1e-9)


@pytest.mark.parametrize("file", FILES)
def test_every_comparison_names_sides_that_exist_and_what_is_wanted(file: str) -> None:
    module = importlib.import_module(f"benchmarks.{file}")
    for row in module.COMPARISONS:
        assert set(row.sides) <= module.SIDES.keys()
        assert (row.at_least is None) != (row.at_most is None)


def test_a_ratio_is_taken_within_each_round() -> None:
    times = {"o": [1.0, 2.0, 10.0], "t": [3.0, 8.0, 20.0]}
    faster = figure(Comparison("w", "a", "o", "t", at_least=3), times)
    assert (faster.ours, faster.theirs, faster.value, faster.spread, faster.ok) == (2.0, 8.0, 3.0, (2.0, 4.0), True)
    longer = figure(Comparison("w", "a", "o", "t", at_most=2), {"o": [3.0], "t": [1.0]})
    assert (longer.value, longer.ok, longer.row.wanted) == (3.0, False, "<= 2x its time")


def test_a_rate_is_counted_from_the_seconds_of_one_time() -> None:
    rate = figure(Absolute("w", "o", "/s", at_least=1_500_000), {"o": [5e-7, 4e-7, 1e-6]})
    assert (rate.ours, rate.theirs, rate.value, rate.spread, rate.ok) == (5e-7, None, 2e6, (1e6, 2.5e6), True)
    assert (rate.row.wanted, rate.row.written(400_000)) == (">= 1.50 M/s", "400 k/s")


def test_a_size_is_what_its_side_says() -> None:
    size = figure(Absolute("w", "o", "MiB", at_most=80), {"o": [81.0]})
    assert (size.ours, size.theirs, size.value, size.ok, size.row.wanted) == (None, None, 81.0, False, "<= 80 MiB")
