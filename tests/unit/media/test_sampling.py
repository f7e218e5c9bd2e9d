"""The rate that is asked for, and the work it takes."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from framedb.media import Picture, Sampler, open_video
from framedb.media.sparse import SparseDecoder
from tests.unit.media.clips import write_clip

RATES = [0.3, 0.5, 1.0, 2.0, 3.0, 7.5, 10.0, 25.0, 30.0]
KINDS = {
    "short GOPs": {"gop": 20},
    "short GOPs with B-frames": {"gop": 20, "b_frames": 3},
    "open GOPs": {"gop": 25, "b_frames": 3, "options": {"x264-params": "open-gop=1"}},
    "long GOPs": {"gop": 250, "b_frames": 3},
    "long GOPs without B-frames": {"gop": 250},
    "intra refresh": {"gop": 25, "options": {"x264-params": "intra-refresh=1"}},
    "HEVC": {"gop": 30, "b_frames": 3, "codec": "libx265"},
    "VP9": {"gop": 30, "codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "MPEG-4": {"gop": 12, "b_frames": 2, "codec": "mpeg4"},
    "MJPEG": {"codec": "mjpeg", "options": {"strict": "unofficial"}},
}


@pytest.fixture(scope="module", params=list(KINDS))
def decoded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Picture]]:
    """A clip of eight seconds and all its frames."""
    path = write_clip(tmp_path_factory.mktemp("clips") / "clip.mkv", seconds=8, **KINDS[request.param])  # type: ignore[arg-type]
    with open_video(str(path)) as video:
        return path, list(video.pictures())


@pytest.mark.parametrize("fps", RATES)
def test_each_sample_is_the_very_frame_a_full_decode_has_there(decoded: tuple[Path, list[Picture]], fps: float) -> None:
    path, everything = decoded
    by_pts = {picture.pts: picture for picture in everything}
    with open_video(str(path)) as video:
        sampled = list(video.pictures(fps=fps))
    for picture in sampled:
        assert picture.pts is not None
        assert np.array_equal(picture.array(), by_pts[picture.pts].array()), picture.pts_seconds
    expected = min(8 * fps, 200)
    assert expected - 1.5 <= len(sampled) <= expected + 1.5
    assert _largest_gap(sampled) < 2 / min(fps, 25)  # one in each period, wherever in it


@pytest.mark.parametrize("fps", [2.0, 5.0, 12.5])
@pytest.mark.parametrize("gop", [25, 250])
def test_where_keyframes_do_not_suffice_the_frames_are_those_of_a_full_decode(
    tmp_path: Path, fps: float, gop: int
) -> None:
    path = write_clip(tmp_path / "clip.mp4", seconds=6, gop=gop, b_frames=2)
    with open_video(str(path)) as video:
        sampler = Sampler(fps, time_base=video.time_base, frame_interval=1 / 25)
        expected = [picture.pts for picture in video.pictures() if sampler.take(picture.pts)]
    with open_video(str(path)) as video:
        assert [picture.pts for picture in video.pictures(fps=fps)] == expected


def test_with_short_gops_one_picture_is_decoded_per_sample(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", seconds=20, gop=25, b_frames=2, size=(64, 48))
    decoder, frames = _decode_sparsely(path, fps=0.5)
    assert frames == 10
    assert decoder.decoded < 60  # of 500: the first GOPs are watched, then a keyframe per sample


def test_with_long_gops_disposable_pictures_are_skipped(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", seconds=20, gop=250, b_frames=3, size=(64, 48))
    decoder, frames = _decode_sparsely(path, fps=1)
    assert frames == 20
    assert decoder.decoded < 60  # the others were fed to be skipped, or only referred to


def test_when_keyframes_become_rare_no_sample_is_lost(tmp_path: Path) -> None:
    """As cameras do that make long GOPs of a still scene."""
    short = write_clip(tmp_path / "short.ts", seconds=6, gop=25)
    long = write_clip(tmp_path / "long.ts", seconds=12, gop=300)
    names = [short, long, short]
    listing = tmp_path / "all.ts"
    listing.write_bytes(b"".join(_shifted(path, n * 20, tmp_path) for n, path in enumerate(names)))
    with open_video(str(listing)) as video:
        times = [picture.pts_seconds or 0.0 for picture in video.pictures(fps=1)]
    inside = [time - times[0] for time in times if 20 <= time - times[0] < 32]
    assert len(inside) >= 11
    assert max(b - a for a, b in pairwise(inside)) < 1.9


def test_jittering_timestamps_lose_no_frame_at_the_native_rate() -> None:
    sampler = Sampler(30.0, time_base=Fraction(1, 1000), frame_interval=1 / 30)
    times = [round(n * 1000 / 30) + (n * 7 % 11) - 5 for n in range(3000)]
    assert all(sampler.take(pts) for pts in times)


@pytest.mark.parametrize("fps", [1.0, 10.0, 40.0])
def test_a_test_pattern_is_sampled_too(fps: float) -> None:
    with open_video("test://testsrc2?size=64x48&rate=25&duration=4") as video:
        assert len(list(video.pictures(fps=fps))) == min(fps, 25) * 4


def test_a_frame_is_the_one_nearest_its_target() -> None:
    sampler = Sampler(10.0, time_base=Fraction(1, 1000), frame_interval=0.04)
    taken = [pts for pts in range(0, 1000, 40) if sampler.take(pts)]
    assert taken == [0, 80, 200, 280, 400, 480, 600, 680, 800, 880]


def test_very_long_streams_do_not_drift() -> None:
    sampler = Sampler(1.0, time_base=Fraction(1, 90000), frame_interval=0.04)
    assert sampler.take(0)
    year = 365 * 86400
    assert not sampler.take(90000 * year - 90000 // 25 - 90000 * year)
    assert sampler.take(90000 * year)
    assert not sampler.take(90000 * year + 3600)
    assert sampler.take(90000 * (year + 1))


def _decode_sparsely(path: Path, *, fps: float) -> tuple[SparseDecoder, int]:
    with open_video(str(path)) as video:
        sampler = Sampler(fps, time_base=video.time_base, frame_interval=1 / 25)
        decoder = SparseDecoder(video.stream, sampler, longest_gop=round((1 / fps + 0.02) / video.time_base))
        frames = sum(1 for packet in video.packets() for _ in decoder.feed(packet))
        return decoder, frames + sum(1 for _ in decoder.finish())


def _largest_gap(pictures: Sequence[Picture]) -> float:
    times = [picture.pts_seconds or 0.0 for picture in pictures]
    return max((b - a for a, b in pairwise(times)), default=0.0)


def _shifted(path: Path, seconds: int, folder: Path) -> bytes:
    """The same MPEG-TS, its timestamps that much later."""
    import av

    target = folder / f"shifted-{seconds}.ts"
    with av.open(str(path)) as source, av.open(str(target), "w", options={"mpegts_copyts": "1"}) as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None and packet.pts is not None and packet.time_base:
                shift = round(seconds / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                output.mux(packet)
    return target.read_bytes()
