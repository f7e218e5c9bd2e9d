"""Which frames of a video are wanted."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from framedb.errors import InvalidInputError

SCENE_THRESHOLD = 0.3
"""How different two frames are, of 1, where a scene is taken to change: FFmpeg's documentation suggests 0.3 to 0.4."""

_WAYS = ("interval", "fps", "every", "keyframes", "count", "times", "scenes")
_MAX_COUNT = 1_000_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which frames: exactly one way of choosing, and the part of the video it applies to.

    Times are seconds since the first frame. A time stands for the frame on screen then: the last one not shown after it.
    Raises InvalidInputError for what cannot be meant.
    """

    interval: float | None = None
    """The frames on screen at `start`, and every so many seconds after it."""
    fps: float | None = None
    """So many frames a second, evenly; the frame on screen at each time."""
    every: bool = False
    """All frames."""
    keyframes: bool = False
    """The frames that are decodable by themselves."""
    count: int | None = None
    """So many frames, spread evenly; fewer where the video has fewer."""
    times: tuple[float, ...] | None = None
    """The frames on screen at these times."""
    scenes: float | None = None
    """The first frame, and each that differs from the one before it by more than this, of 1."""
    start: float | None = None
    """Seconds; nothing before it."""
    stop: float | None = None
    """Seconds; nothing from there on."""

    def __post_init__(self) -> None:
        ways = [name for name in _WAYS if _is_given(getattr(self, name))]
        if len(ways) != 1:
            chosen = " and ".join(ways) or "nothing"
            raise InvalidInputError(f"{chosen} is chosen: choose frames in exactly one way, of {', '.join(_WAYS)}")
        _positive("interval", self.interval, "seconds")
        _positive("fps", self.fps, "frames per second")
        _not_negative("start", self.start)
        _not_negative("stop", self.stop)
        if self.stop is not None and self.stop <= (self.start or 0):
            raise InvalidInputError(
                f"stop {self.stop:g} is not after start {self.start or 0:g}: nothing is between them"
            )
        if self.scenes is not None and not 0 < self.scenes < 1:
            raise InvalidInputError(f"a scene threshold of {self.scenes:g} is not possible: give one between 0 and 1")
        if self.count is not None and not 1 <= self.count <= _MAX_COUNT:
            raise InvalidInputError(f"{self.count} frames are not possible: give a count from 1 to {_MAX_COUNT}")
        self._check_times()

    def _check_times(self) -> None:
        if self.times is None:
            return
        if not self.times or len(self.times) > _MAX_COUNT:
            raise InvalidInputError(f"{len(self.times)} times are given: give from 1 to {_MAX_COUNT}")
        for time in self.times:
            _not_negative("time", time)
        if self.start is not None or self.stop is not None:
            raise InvalidInputError("times are given, and start or stop with them: leave start and stop out")

    def check_live(self) -> None:
        """Raises InvalidInputError for what cannot be chosen while a stream comes, before its end is known."""
        if self.count is not None or self.scenes is not None:
            raise InvalidInputError(
                f"{'count' if self.scenes is None else 'scenes'} takes all of the video, and this is a stream: "
                "choose interval, fps, every, keyframes or times"
            )

    def to_dict(self) -> dict[str, Any]:
        """As JSON: what was chosen, and nothing else."""
        return {key: value for key, value in asdict(self).items() if _is_given(value)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """From JSON. Raises InvalidInputError for what is not a selection."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(document) - known):
            raise InvalidInputError(f"{', '.join(unknown)}: there is no such choice; use {', '.join(sorted(known))}")
        return cls(**{key: _value(key, value) for key, value in document.items()})


def _value(key: str, value: Any) -> Any:
    if value is None:
        return None
    if key in ("every", "keyframes"):
        good = isinstance(value, bool)
    elif key == "times":
        good = isinstance(value, (list, tuple)) and all(_is_number(item) for item in value)
    else:
        good = _is_number(value) and (key != "count" or isinstance(value, int))
    if not good:
        raise InvalidInputError(f"{key} cannot be {value!r}; see the reference for what it takes")
    return tuple(value) if key == "times" else value


def _is_given(value: Any) -> bool:
    return value is not None and value is not False  # 0 is given, and is to be refused


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _positive(name: str, value: float | None, unit: str) -> None:
    if value is not None and not (math.isfinite(value) and 1e-6 <= value <= 1e9):
        raise InvalidInputError(f"{name} {value:g} is not possible: give {unit}, more than 0")


def _not_negative(name: str, value: float | None) -> None:
    if value is not None and not (math.isfinite(value) and 0 <= value <= 1e9):
        raise InvalidInputError(f"{name} {value:g} is not possible: give seconds from the first frame, 0 or more")
