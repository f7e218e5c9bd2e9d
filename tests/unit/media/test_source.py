"""URLs of cameras, files and patterns."""

from pathlib import Path

import pytest

from framedb.errors import InvalidInputError, MediaUnavailableError, NotVideoError
from framedb.media import open_video, parse_url


def test_a_camera_is_read_over_tcp_and_named_without_its_password() -> None:
    source = parse_url("rtsp://admin:pa:ss@10.0.0.1:554/cam?channel=2&password=secret")
    assert source.live
    assert source.options["rtsp_transport"] == "tcp"
    assert "pa:ss" not in source.name
    assert "secret" not in source.name
    assert "pa:ss" not in repr(source)


@pytest.mark.parametrize(
    ("url", "live"),
    [
        ("/dev/video0", True),
        ("http://camera/video.mjpg", True),
        ("https://server/clip.mp4?x=1", False),
        ("clip.mp4", False),
        ("test://", False),
    ],
)
def test_what_has_its_own_pace_is_live(url: str, live: bool) -> None:
    assert parse_url(url).live is live


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gopher://host/x",
        "file://otherhost/clip.mp4",
        "test://movie?filename=/etc/hostname",
        "test://testsrc2?size=64x48,movie=/etc/hostname",
        "test://testsrc2?rate=25:duration",
        "test://nonsense",
    ],
)
def test_a_url_of_no_known_kind_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_url(url)


def test_a_pattern_has_defaults_and_takes_options() -> None:
    with open_video("test://?duration=0.2") as video:
        assert (video.width, video.height, video.fps) == (640, 360, 25)
        assert len(list(video.pictures())) == 5
    with open_video("test://smptebars?size=64x48&rate=10&duration=1") as video:
        assert (video.width, video.height, video.fps) == (64, 48, 10)


def test_a_file_may_be_called_anything(tmp_path: Path, clip: Path) -> None:
    odd = tmp_path / "concat:a|b %20 ü.mp4"
    odd.write_bytes(clip.read_bytes())
    for url in (str(odd), odd.as_uri()):
        with open_video(url) as video:
            assert video.codec == "h264"


def test_a_missing_file_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(MediaUnavailableError, match="no such file"):
        open_video(str(tmp_path / "missing.mp4"))
    with pytest.raises(MediaUnavailableError):
        open_video("/dev/video97")
    with pytest.raises(MediaUnavailableError, match="legal path"):
        open_video("a\0b.mp4")


def test_what_is_no_file_with_something_in_it_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(NotVideoError, match="empty"):
        open_video(str(tmp_path / "empty.mp4"))
    with pytest.raises(NotVideoError, match="folder"):
        open_video(str(tmp_path))
    with pytest.raises(NotVideoError, match="regular"):
        open_video("/dev/zero")
