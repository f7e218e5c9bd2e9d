"""Every extracted frame is the one ffmpeg decodes, to the pixel, whatever is skipped on the way to it."""

import random
from fractions import Fraction
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from framedb.media import Picture, each_frame, open_video, shown_at
from framedb.media.exact import pictures_at
from framedb.media.index import VideoIndex, read_index
from tests.integration.extraction import ffmpeg

X264 = ["-c:v", "libx264", "-preset", "veryfast", "-g", "25"]
OPEN = ["-bf", "3", "-x264-params", "open-gop=1:b-pyramid=normal:scenecut=0"]
X265 = ["-c:v", "libx265", "-preset", "ultrafast", "-g", "25"]
VP9 = ["-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "8", "-g", "25"]
KINDS = {
    "h264.mp4": [*X264, "-bf", "0"],
    "h264-b-frames.mp4": [*X264, "-bf", "3"],
    "h264-b-frames.ts": [*X264, "-bf", "3"],
    "h264-b-frames.avi": [*X264, "-bf", "3"],
    "h264-without-timestamps.h264": [*X264, "-bf", "3"],
    "h264-open-gops.mp4": [*X264, *OPEN],
    "h264-open-gops.mkv": [*X264, *OPEN],
    "h264-open-gops.ts": [*X264, *OPEN],
    "h264-intra-refresh.mp4": [*X264, "-x264-params", "intra-refresh=1"],
    "h264-interlaced.mp4": [*X264, "-bf", "3", "-flags", "+ildct+ilme", "-x264-params", "tff=1"],
    "h264-10-bit.mp4": ["-vf", "format=yuv420p10le", *X264, "-bf", "3", "-pix_fmt", "yuv420p10le"],
    "h264-fragmented.mp4": [*X264, "-bf", "3", "-movflags", "frag_keyframe+empty_moov"],
    "hevc-open-gops.mp4": [*X265, "-x265-params", "log-level=none:bframes=3:open-gop=1"],
    "hevc-temporal-layers.mp4": [*X265, "-x265-params", "log-level=none:bframes=3:b-adapt=0:temporal-layers=3"],
    "vp8.webm": ["-c:v", "libvpx", "-deadline", "good", "-cpu-used", "5", "-auto-alt-ref", "1", "-g", "25"],
    "vp9.webm": [*VP9, "-auto-alt-ref", "1", "-lag-in-frames", "16"],
    "av1.mp4": ["-c:v", "libsvtav1", "-preset", "12", "-g", "25"],
    "mpeg2.ts": ["-c:v", "mpeg2video", "-g", "25", "-bf", "2"],
    "mjpeg.avi": ["-c:v", "mjpeg"],
    "vfr.mp4": [
        "-vf", "select='not(mod(n*n\\,7))+not(mod(n\\,3))'", "-fps_mode", "passthrough", *X264, "-bf", "3",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_frames_are_identical_to_those_of_a_full_decode(name: str, tmp_path: Path) -> None:
    clip = ffmpeg.make(tmp_path / name, *KINDS[name], seconds=3.2, size="128x72")
    truth = ffmpeg.decoded(clip)
    index = read_index(str(clip))
    assert len(index) == len(truth)
    assert index.lost is None
    every = list(range(len(index)))
    few = random.Random(4)
    for chosen in (every, few.sample(every, 12), few.sample(every, 3), *([number] for number in every[4::9])):
        assert seen(clip, index, chosen) == {number: truth[number][1] for number in chosen}
    if index.timed:
        assert [index.seconds(n) for n in every] == pytest.approx([time - truth[0][0] for time, _ in truth], abs=1e-3)


@pytest.mark.parametrize("name", [name for name in KINDS if not name.endswith((".avi", ".h264"))])
def test_a_stream_that_is_read_in_order_shows_at_each_time_what_a_full_decode_does(name: str, tmp_path: Path) -> None:
    clip = ffmpeg.make(tmp_path / name, *KINDS[name], seconds=3.2, size="128x72")
    truth = ffmpeg.decoded(clip)
    for step in (Fraction(1, 10), Fraction(7, 10), Fraction(13, 10)):
        with open_video(str(clip)) as video:
            shown = {time: ffmpeg.digest(picture) for time, picture in shown_at(video, (step * n for n in count()))}
        assert list(shown) == [step * n for n in range(len(shown))]
        assert shown == {time: on_screen(truth, float(time)) for time in shown}
        assert step * len(shown) >= Fraction(31, 10)


def on_screen(truth: list[tuple[float, str]], time: float) -> str:
    """The digest of the last frame that is not shown after that time, in whole milliseconds."""
    return [digest for at, digest in truth if at - truth[0][0] <= time + 0.0006][-1]


@pytest.mark.parametrize("name", ["h264-open-gops.ts", "h264-b-frames.mp4", "vp8.webm"])
def test_every_frame_and_keyframe_comes_from_a_stream_that_is_read_in_order(name: str, tmp_path: Path) -> None:
    clip = ffmpeg.make(tmp_path / name, *KINDS[name], seconds=3.2, size="128x72")
    index, truth = read_index(str(clip)), ffmpeg.decoded(clip)
    for keyframes, places in ((False, range(len(truth))), (True, np.flatnonzero(index.keyframe))):
        with open_video(str(clip)) as video:
            came = [(float(time), ffmpeg.digest(picture)) for time, picture in each_frame(video, keyframes=keyframes)]
        assert [digest for _, digest in came] == [truth[place][1] for place in places]
        assert [time for time, _ in came] == pytest.approx([index.seconds(int(place)) for place in places])


def test_frames_before_the_cut_of_an_edit_list_are_not_there(tmp_path: Path) -> None:
    whole = ffmpeg.make(tmp_path / "whole.mp4", *X264, "-bf", "3", size="128x72")
    cut = tmp_path / "cut.mp4"
    ffmpeg.run(
        "-ss", "1.5", "-i", str(whole), "-c", "copy", str(cut)
    )  # begins at a keyframe, and hides what is before 1.5 s
    truth = ffmpeg.decoded(cut)
    index = read_index(str(cut))
    assert len(index) == len(truth) < 75
    assert seen(cut, index, [0, 1, 30]) == {number: truth[number][1] for number in (0, 1, 30)}


def test_what_is_left_of_a_truncated_file_is_read_and_the_rest_is_told(tmp_path: Path) -> None:
    whole = ffmpeg.make(tmp_path / "whole.mp4", *X264, "-bf", "3", "-movflags", "+faststart")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    index = read_index(str(cut))
    assert 30 < len(index) < 90
    assert index.lost is not None
    assert "cut off" in index.lost
    truth = ffmpeg.decoded(whole)
    assert seen(cut, index, [0, 20]) == {number: truth[number][1] for number in (0, 20)}


def test_a_frame_that_damage_took_is_replaced_by_what_full_decoding_shows(tmp_path: Path) -> None:
    clip = ffmpeg.make(tmp_path / "clip.ts", *X264, "-bf", "0", seconds=3)
    data = bytearray(clip.read_bytes())
    middle = len(data) // 188 // 2 * 188
    data[middle : middle + 188 * 12] = bytes(188 * 12)
    clip.write_bytes(data)
    index = read_index(str(clip))
    pictures = list(pictures_at(str(clip), index, [int(pts) for pts in index.pts]))
    assert len(pictures) == len(index)


def test_extraction_stops_between_packets_when_told_to(tmp_path: Path) -> None:
    clip = ffmpeg.make(tmp_path / "clip.mp4", *X264, "-bf", "3")
    index = read_index(str(clip))
    got: list[Picture] = []
    for picture in pictures_at(str(clip), index, [int(pts) for pts in index.pts], should_stop=lambda: len(got) >= 3):
        got.append(picture)
    assert 3 <= len(got) < 20


def seen(clip: Path, index: VideoIndex, chosen: list[int]) -> dict[int, str]:
    """The digests of the chosen frames, by number."""
    wanted = sorted(chosen)
    pictures = list(pictures_at(str(clip), index, [int(index.pts[number]) for number in wanted]))
    if not index.timed:
        return {number: ffmpeg.digest(picture) for number, picture in zip(wanted, pictures, strict=True)}
    return {int((index.pts == picture.pts).argmax()): ffmpeg.digest(picture) for picture in pictures}


def test_a_full_decode_of_ours_is_that_of_ffmpeg(tmp_path: Path) -> None:
    clip = ffmpeg.make(tmp_path / "clip.mp4", *X264, "-bf", "3", seconds=1)
    with open_video(str(clip)) as video:
        assert [ffmpeg.digest(picture) for picture in video.pictures()] == [
            digest for _, digest in ffmpeg.decoded(clip)
        ]
