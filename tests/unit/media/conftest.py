"""Clips for the tests of media."""

from pathlib import Path

import pytest

from tests.unit.media.clips import write_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of H.264, 160x120 at 25 fps, a keyframe per second, with B-frames."""
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", b_frames=2)
