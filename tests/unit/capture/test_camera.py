"""What a camera may be called, and how it is read."""

from typing import Any

import pytest

from framedb.capture import Camera
from framedb.errors import InvalidInputError


@pytest.mark.parametrize(
    "wrong",
    [
        {"site": "a:b"},
        {"name": ""},
        {"url": "ftp://camera/"},
        {"fps": 0.0},
        {"fps": float("nan")},
        {"encoding": "bmp"},
        {"quality": 0},
        {"read_timeout": 0.0},
        {"max_waiting": 0},
        {"ttl": -1.0},
        {"ttl": 0.0},
    ],
)
def test_what_cannot_be_captured_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        Camera(**{"site": "lab", "name": "1", "url": "test://"} | wrong)


def test_a_camera_keeps_its_password_to_itself() -> None:
    camera = Camera("lab", "1", "rtsp://me:secret@host/x")
    assert "secret" not in repr(camera)
    assert camera.source == "lab:1"
    assert camera.live
    assert not Camera("lab", "1", "clip.mp4").live
