"""Every side of every benchmark runs, and does what it is timed for."""

import importlib
from collections.abc import Iterator

import pytest
from benchmarks.__main__ import FILES
from benchmarks.comparison import Comparison, Side, compare
from benchmarks.node import running_target
from benchmarks.target import Target

SIDES = [(file, side) for file in FILES for side in importlib.import_module(f"benchmarks.{file}").SIDES]


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """A node as the benchmarks start it."""
    with running_target() as running:
        yield running


@pytest.mark.parametrize(("file", "side"), SIDES)
def test_a_side_runs_as_often_as_it_is_told(target: Target, file: str, side: str) -> None:
    run: Side = importlib.import_module(f"benchmarks.{file}").SIDES[side]
    seconds = run(target, 2)
    assert len(seconds) == 2
    assert min(seconds) > 0


@pytest.mark.parametrize("file", FILES)
def test_every_comparison_names_sides_that_exist_and_what_is_wanted(file: str) -> None:
    module = importlib.import_module(f"benchmarks.{file}")
    for comparison in module.COMPARISONS:
        assert {comparison.ours, comparison.theirs} <= module.SIDES.keys()
        assert (comparison.at_least is None) != (comparison.at_most is None)


def test_a_ratio_is_taken_within_each_round() -> None:
    faster = compare(Comparison("w", "a", "o", "t", at_least=3), ours=[1.0, 2.0, 10.0], theirs=[3.0, 8.0, 20.0])
    assert (faster.ours, faster.theirs, faster.ratio, faster.spread, faster.ok) == (2.0, 8.0, 3.0, (2.0, 4.0), True)
    longer = compare(Comparison("w", "a", "o", "t", at_most=2), ours=[3.0], theirs=[1.0])
    assert (longer.ratio, longer.ok) == (3.0, False)
