"""Every side of every benchmark runs, and does what it is timed for."""

import importlib
from collections.abc import Iterator

import pytest
from benchmarks import cameras, clip, decode, extract, large_object
from benchmarks.__main__ import FILES
from benchmarks.clip import FPS, Clip
from benchmarks.comparison import Absolute, Comparison, Side, figure
from benchmarks.likeness import Made
from benchmarks.node import running_target
from benchmarks.target import Target

# Sides that differ from another one in a number or a clip alone, and take their time.
ALIKE = {
    ("extract", "5-s"), ("extract", "ffmpeg-5-s"), ("extract", "opencv-5-s"),
    ("cameras", "short"), ("cameras", "long"), ("cameras", "opencv-short"), ("cameras", "opencv-long"),
}  # fmt: skip
SIDES = [(file, side) for file in FILES for side in importlib.import_module(f"benchmarks.{file}").SIDES]
SIDES = [named for named in SIDES if named not in ALIKE]


@pytest.fixture(scope="module", autouse=True)
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Everything is done with little."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_object, "OBJECT_MIB", 24)
        patch.setattr(clip, "FOLDER", tmp_path_factory.mktemp("clips"))
        video = Clip("320x180", parts=4)
        patch.setattr(extract, "CLIPS", {"chosen": video, "all": Clip("320x180"), "likeness": Clip("320x180")})
        patch.setattr(decode, "CLIP", video)
        patch.setattr(cameras, "CLIPS", {"long-b": Clip("320x180", gop=FPS)})
        patch.setattr(cameras, "WARM_UP", 1)
        patch.setattr(cameras, "SECONDS", 0.5)
        yield


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """A node as the benchmarks start it."""
    with running_target() as running:
        yield running


@pytest.mark.parametrize(("file", "side"), SIDES)
def test_a_side_runs_as_often_as_it_is_told(target: Target, file: str, side: str) -> None:
    run: Side = importlib.import_module(f"benchmarks.{file}").SIDES[side]
    numbers = run(target, 2)
    assert len(numbers) == 2
    assert min(numbers) >= (0 if file == "large_object" else 1e-9)


def test_both_sides_make_the_same_pictures_of_every_frame() -> None:
    extract.prepare()


def test_pictures_are_alike_if_neither_their_size_nor_their_quality_differs() -> None:
    pictures = Made(size=100_000, psnr=47.7)
    assert Made(size=101_000, psnr=47.65).is_like(pictures)
    assert not Made(size=104_000, psnr=47.7).is_like(pictures)
    assert not Made(size=100_000, psnr=46.4).is_like(pictures)


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
