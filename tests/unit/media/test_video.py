"""Opening videos and reading their frames."""

import logging
import traceback
from pathlib import Path

import pytest

from framedb.errors import InvalidInputError, MediaUnavailableError, NotVideoError
from framedb.media import JPEGEncoder, open_video, probe
from tests.unit.media.clips import write_clip, write_sound


def test_a_video_tells_what_it_is(clip: Path) -> None:
    info = probe(str(clip))
    assert (info.width, info.height, info.codec, info.fps, info.live) == (160, 120, "h264", 25, False)
    assert info.duration == pytest.approx(4.0)


def test_every_frame_comes_with_its_own_time_in_order_of_presentation(clip: Path) -> None:
    with open_video(str(clip)) as video:
        pictures = list(video.pictures())
    assert [round(picture.pts_seconds or 0, 2) for picture in pictures] == [round(n / 25, 2) for n in range(100)]
    assert [n for n, picture in enumerate(pictures) if picture.keyframe] == [0, 25, 50, 75]
    assert not any(picture.corrupt for picture in pictures)
    assert pictures[0].array().shape == (120, 160, 3)
    assert pictures[0].array(format="gray").shape == (120, 160)


@pytest.mark.parametrize("name", ["text.mp4", "text.txt", "noise.mp4"])
def test_a_file_that_is_no_video_says_so(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"this is a text\n" * 500 if "text" in name else bytes(range(256)) * 100)
    with pytest.raises(NotVideoError, match=name):
        open_video(str(path))


def test_sound_is_no_video_not_even_with_a_cover(tmp_path: Path) -> None:
    with pytest.raises(NotVideoError, match="audio"):
        open_video(str(write_sound(tmp_path / "sound.mp4")))
    with open_video("test://color?size=64x48&duration=0.04") as pattern:
        cover = JPEGEncoder().encode(next(pattern.pictures()).image)
    with pytest.raises(NotVideoError, match="no video stream"):
        open_video(str(write_sound(tmp_path / "song.mp4", cover=cover)))


def test_a_file_that_was_cut_off_gives_what_it_has(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", seconds=4).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    with open_video(str(cut)) as video:
        assert 20 < len(list(video.pictures())) < 80
    no_index = tmp_path / "cut.mp4"
    no_index.write_bytes(write_clip(tmp_path / "whole.mp4").read_bytes()[:5000])
    with pytest.raises(NotVideoError, match="cut"):
        open_video(str(no_index))


def test_damage_is_marked_or_left_out_and_the_rest_is_read(tmp_path: Path) -> None:
    damaged = bytearray(write_clip(tmp_path / "whole.ts", seconds=4, size=(320, 240)).read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 5000] = b"\x55" * 5000
    (tmp_path / "damaged.ts").write_bytes(damaged)
    with open_video(str(tmp_path / "damaged.ts")) as video:
        pictures = list(video.pictures())
    assert 70 < len(pictures) <= 100
    assert any(picture.corrupt for picture in pictures) or len(pictures) < 100
    assert not pictures[-1].corrupt


def test_a_video_without_timestamps_is_sampled_by_its_rate(tmp_path: Path) -> None:
    raw = write_clip(tmp_path / "raw.h264", seconds=4)
    with open_video(str(raw)) as video:
        assert len(list(video.pictures())) == 100
    with open_video(str(raw)) as video:
        assert 3 <= len(list(video.pictures(fps=1))) <= 5


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), 1e9])
def test_a_rate_that_cannot_be_is_refused(clip: Path, fps: float) -> None:
    with open_video(str(clip)) as video, pytest.raises(InvalidInputError, match="rate"):
        video.pictures(fps=fps)


def test_no_error_holds_a_password_not_even_in_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    url = "rtsp://user:{}@127.0.0.1:1/stream?token={}".format("hunter2", "sesame")  # so that it is in no source line
    with pytest.raises(MediaUnavailableError) as caught:
        open_video(url)
    logging.getLogger("test").error("failed", exc_info=caught.value)
    for text in (str(caught.value), "".join(traceback.format_exception(caught.value)), caplog.text):
        assert "127.0.0.1" in text
        assert "hunter2@" not in text
        assert "token=sesame" not in text
