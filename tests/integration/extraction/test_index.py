"""What is known of a video before anything is decoded: where its frames are, and what of it is missing."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import chain, pairwise, repeat
from pathlib import Path

import numpy as np
import pytest

from framedb.extraction.plan import plan
from framedb.extraction.segment import extract
from framedb.extraction.selection import Selection
from framedb.media import VideoIndex, read_index
from tests.integration.extraction import ffmpeg
from tests.integration.extraction.servers import WebServer, web_server
from tests.integration.extraction.test_exactness import KINDS, OPEN, X264

TS = 188
MOVIES = {
    **{name: options for name, options in KINDS.items() if name.endswith(".mp4") and "fragmented" not in name},
    "h264-open-gops.mov": [*X264, *OPEN],
    "h264-faststart.mp4": [*X264, "-bf", "3", "-movflags", "+faststart"],
    "h264-intra.mp4": ["-c:v", "libx264", "-preset", "ultrafast", "-g", "1"],
    "mpeg4.mp4": ["-c:v", "mpeg4", "-bf", "2", "-g", "25"],
    "mjpeg.mov": ["-c:v", "mjpeg"],
}


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A server of videos."""
    with web_server() as served:
        yield served


def assert_same(remote: VideoIndex, local: VideoIndex) -> None:
    """Everything but where it is."""
    for field in fields(VideoIndex):
        if field.name != "url":
            assert np.array_equal(getattr(remote, field.name), getattr(local, field.name)), field.name


@pytest.mark.parametrize("name", MOVIES)
def test_of_a_movie_on_a_server_the_header_alone_tells_what_all_its_packets_do(
    name: str, tmp_path: Path, web: WebServer
) -> None:
    clip = ffmpeg.make(tmp_path / name, *MOVIES[name], seconds=2, size="128x72")
    web.files[f"/{name}"] = clip.read_bytes()
    assert_same(read_index(f"{web.url}/{name}"), read_index(str(clip)))


def test_an_edit_list_and_sound_are_in_the_header_too(tmp_path: Path, web: WebServer) -> None:
    whole = ffmpeg.make(tmp_path / "whole.mp4", *X264, "-bf", "3")
    cut = tmp_path / "cut.mp4"
    sound = ["-f", "lavfi", "-i", "sine=duration=4", "-c:a", "aac"]
    ffmpeg.run("-ss", "1.5", "-i", str(whole), *sound, "-c:v", "copy", str(cut))
    web.files["/cut.mp4"] = cut.read_bytes()
    assert_same(read_index(f"{web.url}/cut.mp4"), read_index(str(cut)))


@pytest.mark.parametrize("options", [[], ["-movflags", "+faststart"]])
def test_planning_a_movie_on_a_server_takes_little_of_it(tmp_path: Path, web: WebServer, options: list[str]) -> None:
    clip = ffmpeg.make(tmp_path / "clip.mp4", *X264, "-bf", "3", *options, "-crf", "8", size="480x270")
    web.files["/clip.mp4"] = clip.read_bytes()
    assert clip.stat().st_size > 2_000_000
    assert len(read_index(f"{web.url}/clip.mp4")) == 100
    assert 0 < web.sent < 600_000


def cut(data: bytes) -> bytes:
    return data[: len(data) * 6 // 10]


@pytest.mark.parametrize(
    ("name", "options", "change", "sends_parts"),
    [
        ("in-one-piece.mp4", ["-bf", "3", "-movflags", "+faststart"], bytes, False),
        ("cut-off.mp4", ["-bf", "3", "-movflags", "+faststart"], cut, True),
        ("fragmented.mp4", ["-bf", "3", "-movflags", "frag_keyframe+empty_moov"], bytes, True),
        ("packets.ts", ["-bf", "3"], bytes, True),
        ("other.mkv", ["-bf", "3"], cut, True),
    ],
)
def test_what_no_header_tells_is_read_from_end_to_end(
    name: str, options: list[str], change: Callable[[bytes], bytes], sends_parts: bool, tmp_path: Path, web: WebServer
) -> None:
    clip = ffmpeg.make(tmp_path / name, *X264, *options, size="128x72")
    clip.write_bytes(change(clip.read_bytes()))
    web.files["/video.mp4"] = clip.read_bytes()
    web.sends_parts = sends_parts
    assert_same(read_index(f"{web.url}/video.mp4"), read_index(str(clip)))
    assert web.sent >= clip.stat().st_size


def test_frames_of_a_movie_planned_from_its_header_are_decoded(tmp_path: Path, web: WebServer) -> None:
    clip = ffmpeg.make(tmp_path / "clip.mp4", *X264, *OPEN, size="128x72")
    web.files["/clip.mp4"] = clip.read_bytes()
    index = read_index(f"{web.url}/clip.mp4")
    [remote] = plan(index, Selection(interval=0.7))
    [local] = plan(read_index(str(clip)), Selection(interval=0.7))
    assert [f.data for f in extract(index.url, remote)] == [f.data for f in extract(str(clip), local)]


def spoilt(*, at: float, packets: int, by: bytes | None) -> Callable[[bytes], bytes]:
    """Some packets of an MPEG-TS overwritten, or gone."""

    def change(data: bytes) -> bytes:
        begin = int(len(data) // TS * at) * TS
        return data[:begin] + (b"" if by is None else by * (packets * TS)) + data[begin + packets * TS :]

    return change


@pytest.mark.parametrize(
    "change",
    [
        spoilt(at=0.5, packets=1, by=b"\0"),
        spoilt(at=0.5, packets=12, by=b"\0"),
        spoilt(at=0.5, packets=16, by=b"\0"),  # the counter of packets, of four bits, fits again behind them
        spoilt(at=0.5, packets=7, by=None),
        spoilt(at=0.5, packets=150, by=None),
    ],
)
def test_damage_inside_an_mpeg_ts_is_told_with_its_place(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    clip = ffmpeg.make(tmp_path / "clip.ts", *X264, "-bf", "2", seconds=6)
    assert read_index(str(clip)).lost is None
    clip.write_bytes(change(clip.read_bytes()))
    lost = str(read_index(str(clip)).lost)
    assert lost.startswith("the video is damaged in 1 place, first at ")
    assert 2.5 < float(lost.split(" first at ")[1].split(" s")[0]) < 3.5


@pytest.mark.parametrize("codec", [[*X264, "-bf", "2"], ["-c:v", "mpeg2video", "-bf", "2", "-g", "25"]])
@pytest.mark.parametrize("odd", [0, 77])
def test_an_mpeg_ts_that_ends_in_the_middle_of_a_picture_is_told(tmp_path: Path, codec: list[str], odd: int) -> None:
    clip = ffmpeg.make(tmp_path / "clip.ts", *codec, seconds=3)
    data = clip.read_bytes()
    begins = [at for at in range(len(data) // 2, len(data), TS) if begins_picture(data[at : at + TS])]
    middle = next(at + 3 * TS for at, end in pairwise(begins) if end - at >= 6 * TS)
    clip.write_bytes(data[: middle + odd])
    assert "it was cut off" in str(read_index(str(clip)).lost)


def begins_picture(packet: bytes) -> bool:
    """Whether a packet of an MPEG-TS, as ffmpeg writes it, is the first one of a picture."""
    return packet[1] & 0x5F == 0x41 and packet[2] == 0


@pytest.mark.parametrize(
    "name", ["h264-b-frames.ts", "h264-open-gops.ts", "mpeg2.ts", "h264-open-gops.mkv", "vp9.webm"]
)
@pytest.mark.parametrize("offset", ["0", "20"])
def test_a_video_that_is_whole_has_lost_nothing_wherever_its_clock_begins(
    tmp_path: Path, name: str, offset: str
) -> None:
    clip = ffmpeg.make(tmp_path / name, *KINDS[name], "-output_ts_offset", offset, seconds=2, size="128x72")
    assert read_index(str(clip)).lost is None


@pytest.mark.parametrize(
    ("name", "options"), [("clip.mp4", ["-movflags", "+faststart"]), ("clip.mkv", []), ("clip.webm", [])]
)
@pytest.mark.parametrize("left", [0.6, 0.98])
def test_the_missing_end_of_a_file_is_told_however_short(
    tmp_path: Path, name: str, options: list[str], left: float
) -> None:
    codec = KINDS["vp9.webm"] if name.endswith("webm") else [*X264, "-bf", "2"]
    clip = ffmpeg.make(tmp_path / name, *codec, *options, seconds=3)
    data = clip.read_bytes()
    clip.write_bytes(data[: int(len(data) * left)])
    assert "it was cut off" in str(read_index(str(clip)).lost)


def test_reading_stops_between_packets_when_told_to(tmp_path: Path) -> None:
    clip = ffmpeg.make(tmp_path / "clip.ts", *X264, "-bf", "2")
    answers = chain(repeat(False, 20), repeat(True))
    assert len(read_index(str(clip), should_stop=lambda: next(answers))) <= 20


def test_looking_for_scenes_stops_between_frames_when_told_to_and_there_is_no_plan(tmp_path: Path) -> None:
    clip = ffmpeg.make(tmp_path / "clip.mp4", *X264, "-bf", "2", seconds=1)
    index = read_index(str(clip))
    asked: list[None] = []

    def should_stop() -> bool:
        asked.append(None)
        return len(asked) > 5

    assert plan(index, Selection(scenes=0.3), should_stop=should_stop) == []
    assert len(asked) < 10
