"""What a video job is submitted with."""

from collections.abc import Mapping
from typing import Any, Self

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from framedb.extraction.selection import Selection

INTERVAL = 5.0
"""Seconds between frames, where nothing else is asked for."""

_WAYS = ("fps", "every", "keyframes", "count", "times", "scenes")
_MOST_TIMES = 1_000_000
_LONGEST = 1e9  # seconds


class NewJob(BaseModel):
    """A video, and which of its frames: those at 0, interval, 2 * interval, ... seconds, or chosen in one of the other ways."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"video_source": "my-awesome-video.mp4", "interval": 5.0},
                {"video_source": "my-awesome-video.mp4", "count": 20, "start": 60.0},
            ]
        },
    )

    video_source: str = Field(
        min_length=1,
        max_length=4096,
        repr=False,
        description="A path below VIDEO_ROOTS, an http, https or rtsp URL on one of VIDEO_HOSTS, or the key of an object.",
    )
    interval: float | None = Field(
        default=None, gt=0, le=_LONGEST, allow_inf_nan=False, description="Seconds between frames; 5 by default."
    )
    fps: float | None = Field(
        default=None, gt=0, le=_LONGEST, allow_inf_nan=False, description="So many frames a second, evenly."
    )
    every: bool = Field(default=False, description="All frames.")
    keyframes: bool = Field(default=False, description="The frames that are decodable by themselves.")
    count: int | None = Field(default=None, ge=1, le=1_000_000, description="So many frames, spread evenly.")
    times: list[float] | None = Field(
        default=None, min_length=1, max_length=_MOST_TIMES, description="The frames on screen at these seconds."
    )
    scenes: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="The first frame, and each that differs from the one before by more than this, of 1.",
    )
    start: float | None = Field(default=None, ge=0, le=_LONGEST, description="Seconds; nothing before it.")
    stop: float | None = Field(default=None, ge=0, le=_LONGEST, description="Seconds; nothing from there on.")
    webhook: str | None = Field(
        default=None, max_length=2000, repr=False, description="URL that is told, by POST, when the job has ended."
    )

    @model_validator(mode="after")
    def _chooses_in_one_way(self) -> Self:
        self.selection()
        return self

    def selection(self) -> Selection:
        """Which frames. Raises InvalidInputError for what cannot be meant."""
        chosen = any(getattr(self, way) not in (None, False) for way in _WAYS)
        return Selection(
            interval=INTERVAL if self.interval is None and not chosen else self.interval,
            fps=self.fps,
            every=self.every,
            keyframes=self.keyframes,
            count=self.count,
            times=None if self.times is None else tuple(self.times),
            scenes=self.scenes,
            start=self.start,
            stop=self.stop,
        )


class Submitted(BaseModel):
    """A job that was taken on."""

    job_id: str
    status: str
    message: str


def from_json(body: bytes) -> NewJob:
    """What a JSON body says. Raises RequestValidationError."""
    try:
        return NewJob.model_validate_json(body, strict=True)
    except ValidationError as exc:
        raise _refused(exc) from exc


def from_fields(fields: Mapping[str, str], *, video_source: str) -> NewJob:
    """What the fields of a form say; those left empty are not given. Raises RequestValidationError."""
    given: dict[str, Any] = {name: text for name, text in fields.items() if text.strip()}
    if "times" in given:
        given["times"] = given["times"].split(",")
    try:
        return NewJob.model_validate({**given, "video_source": video_source})
    except ValidationError as exc:
        raise _refused(exc) from exc


def _refused(exc: ValidationError) -> RequestValidationError:
    return RequestValidationError([{**error, "loc": ("body", *error["loc"])} for error in exc.errors()])
