"""From a selection to segments."""

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from framedb.errors import InvalidInputError
from framedb.extraction.naming import file_names, next_file_name
from framedb.extraction.plan import Segment, plan, plan_live
from framedb.extraction.segment import extract
from framedb.extraction.selection import Selection
from framedb.media.index import VideoIndex, read_index
from tests.unit.media.clips import write_clip


def an_index(
    pts: Sequence[int], *, gop: int = 10, time_base: Fraction = Fraction(1, 1000), end: int | None = None
) -> VideoIndex:
    order = np.arange(len(pts), dtype=np.int64)
    ticks = np.array(pts, dtype=np.int64)
    entry = order // gop * gop
    return VideoIndex(
        url="video.mp4", width=1920, height=1080, codec="h264", fps=25.0, time_base=time_base, pts=ticks,
        end=ticks[-1] + 40 if end is None else end, keyframe=order % gop == 0, position=order, entry=entry,
        entry_pts=ticks[entry], entry_dts=ticks[entry], seekable=True, timed=True, lost=None,
    )  # fmt: skip


TEN_SECONDS = an_index(range(500, 10_500, 40))


def times(index: VideoIndex, **selection: Any) -> list[tuple[float, int]]:
    return [(t.time, t.pts) for segment in plan(index, Selection(**selection)) for t in segment.targets]


def test_an_interval_gives_the_frame_on_screen_at_each_of_its_multiples() -> None:
    assert times(TEN_SECONDS, interval=2.5) == [(0, 500), (2.5, 2980), (5, 5500), (7.5, 7980)]


@pytest.mark.parametrize(("interval", "number"), [(1, 10), (5, 2), (10, 1), (60, 1), (0.1, 100), (9.99, 2)])
def test_ten_seconds_have_as_many_frames_as_intervals_begin_in_them(interval: float, number: int) -> None:
    assert len(times(TEN_SECONDS, interval=interval)) == number


def test_a_long_pause_shows_the_same_frame_again() -> None:
    paused = an_index([0, 40, 3000, 3040])
    assert times(paused, interval=1) == [(0, 0), (1, 40), (2, 40), (3, 3000)]


def test_timestamps_rounded_by_the_file_still_give_each_frame_once() -> None:
    rounded = an_index([round(number * 1000 / 30) for number in range(300)], end=10_000)
    assert [pts for _, pts in times(rounded, fps=30)] == list(rounded.pts)


def test_a_range_begins_and_ends_where_it_says() -> None:
    assert [time for time, _ in times(TEN_SECONDS, interval=1, start=2.5, stop=5)] == [2.5, 3.5, 4.5]
    assert [time for time, _ in times(TEN_SECONDS, every=True, start=1, stop=1.1)] == [1.0, 1.04, 1.08]
    assert [time for time, _ in times(TEN_SECONDS, keyframes=True, stop=1)] == [0, 0.4, 0.8]


def test_a_count_is_spread_evenly_and_never_more_than_there_is() -> None:
    assert [time for time, _ in times(TEN_SECONDS, count=4)] == [0, 2.5, 5, 7.5]
    assert len(times(TEN_SECONDS, count=100_000)) == 250


def test_times_come_in_order_and_once() -> None:
    assert [time for time, _ in times(TEN_SECONDS, times=(3.0, 1.5, 3.0))] == [1.5, 3.0]


@pytest.mark.parametrize("selection", [{"times": (10.0,)}, {"interval": 1, "start": 11}])
def test_what_lies_beyond_the_end_is_refused(selection: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=r"beyond the end of the video: it has 10\.00 s"):
        plan(TEN_SECONDS, Selection(**selection))


def test_a_range_without_a_keyframe_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no such frame"):
        plan(TEN_SECONDS, Selection(keyframes=True, start=0.1, stop=0.3))


def test_segments_are_whole_gops_and_number_all_frames_once() -> None:
    segments = plan(TEN_SECONDS, Selection(every=True), segments=5)
    assert 4 <= len(segments) <= 6
    assert [target.index for segment in segments for target in segment.targets] == list(range(250))
    for segment in segments:
        assert len(segment.runs) == 1
        assert segment.runs[0].entry == (segment.targets[0].pts,) * 2
        assert (segment.targets[0].pts - 500) % 400 == 0


def test_frames_far_apart_are_decoded_apart() -> None:
    [segment] = plan(TEN_SECONDS, Selection(times=(0.0, 0.1, 5.0)))
    assert [run.pts for run in segment.runs] == [(500, 580), (5500,)]


def test_a_segment_survives_json() -> None:
    for segment in plan(TEN_SECONDS, Selection(interval=1), segments=3):
        assert Segment.from_dict(json.loads(json.dumps(segment.to_dict()))) == segment


def test_a_three_hour_film_is_cut_into_segments_of_seconds() -> None:
    film = an_index(range(0, 3 * 3600 * 1000, 40), gop=250)
    segments = plan(film, Selection(interval=5))
    assert sum(len(segment.targets) for segment in segments) == 3 * 720
    assert all(segment.cost < 6 for segment in segments)


@pytest.mark.parametrize(
    ("selection", "duration", "total"),
    [
        ({"interval": 2.5}, None, None),
        ({"interval": 2.5}, 10.0, 4),
        ({"interval": 2.5}, 10.1, 5),
        ({"interval": 60}, 10.0, 1),
        ({"fps": 2, "start": 1.0, "stop": 2.5}, None, 3),
        ({"fps": 2, "start": 1.0, "stop": 60.0}, 10.0, 18),
        ({"times": (9.0, 3.0, 3.0, 10.0)}, 10.0, 2),
        ({"times": (9.0, 3.0, 3.0, 10.0)}, None, 3),
        ({"every": True}, 10.0, None),
        ({"keyframes": True}, 10.0, None),
    ],
)
def test_a_stream_is_one_segment_and_its_total_is_known_where_its_end_is(
    selection: dict[str, Any], duration: float | None, total: int | None
) -> None:
    segment, found = plan_live(Selection(**selection), duration)
    assert (segment.live, segment.targets, found) == (True, (), total)
    assert Segment.from_dict(json.loads(json.dumps(segment.to_dict()))) == segment


@pytest.mark.parametrize("selection", [{"count": 4}, {"scenes": 0.3}, {"interval": 1, "start": 11}])
def test_what_cannot_be_had_of_a_stream_is_refused(selection: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="stream"):
        plan_live(Selection(**selection), 10.0)


def test_a_segment_that_was_planned_before_there_were_streams_is_none() -> None:
    [segment] = plan(TEN_SECONDS, Selection(times=(0.0,)))
    document = segment.to_dict()
    del document["live"]
    assert Segment.from_dict(document) == segment


def test_a_file_of_a_stream_is_named_for_its_time_and_not_as_the_one_before() -> None:
    assert next_file_name(0.0, None) == "0.00.jpg"
    assert next_file_name(0.2, 0.1) == "0.20.jpg"
    assert next_file_name(0.204, 0.2) == "0.204000.jpg"


def test_files_are_named_for_their_time_and_never_alike() -> None:
    assert file_names([0, 1.5, 2.001, 2.004, 12.5]) == [
        "0.00.jpg", "1.50.jpg", "2.001000.jpg", "2.004000.jpg", "12.50.jpg",
    ]  # fmt: skip


def test_a_clip_gives_its_frames_as_jpegs(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", seconds=10, fps=30, gop=60, b_frames=2)
    for interval, number in ((1, 10), (5, 2)):
        segments = plan(read_index(str(clip)), Selection(interval=interval))
        frames = [frame for segment in segments for frame in extract(str(clip), segment)]
        assert [frame.time for frame in frames] == [n * interval for n in range(number)]
        assert all(frame.data.startswith(b"\xff\xd8\xff") and frame.width == 160 for frame in frames)


def test_a_frame_on_screen_at_several_times_comes_for_each(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", seconds=1, fps=5)
    [segment] = plan(read_index(str(clip)), Selection(interval=0.1))
    frames = list(extract(str(clip), segment))
    assert [frame.index for frame in frames] == list(range(10))
    assert frames[0].data == frames[1].data != frames[2].data


def test_scenes_begin_where_the_picture_changes(tmp_path: Path) -> None:
    from tests.integration.extraction import ffmpeg

    parts = "[0][1][2]concat=n=3"
    sources = [f"color=c={colour}:s=128x72:r=25:d=1" for colour in ("black", "white", "gray")]
    inputs = [word for source in sources for word in ("-f", "lavfi", "-i", source)]
    ffmpeg.run(*inputs, "-filter_complex", parts, "-c:v", "libx264", "-bf", "2", str(tmp_path / "three.mp4"))
    index = read_index(str(tmp_path / "three.mp4"))
    assert [time for time, _ in times(index, scenes=0.3)] == [0, 1, 2]
