"""How a camera is doing."""

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from framedb.redaction import redacted

State = Literal["starting", "running", "reconnecting", "finished", "failed", "stopped"]
"""`finished`: a file came to its end. `failed`: it cannot be played, or somebody else has the camera now; it is not
tried again."""


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """A camera at one moment."""

    source: str
    state: State = "starting"
    fps: float = 0.0
    """Frames captured per second, over the last ten seconds or five sample periods."""
    frames: int = 0
    """Frames announced since it was started."""
    last_frame_at: datetime | None = None
    """Capture time of the last one, UTC."""
    reconnects: int = 0
    """Times the connection was lost."""
    stalls: int = 0
    """Those of them where the stream was connected and fell silent."""
    drops: dict[str, int] = field(default_factory=dict)
    """Frames captured but not announced, by reason."""
    last_error: str | None = None
    """The last thing that went wrong, without passwords."""


class HealthRecord:
    """Health as it changes; any thread may write and read it."""

    def __init__(self, source: str, *, fps: float | None) -> None:
        self._lock = threading.Lock()
        self._health = CameraHealth(source)
        self._drops: Counter[str] = Counter()
        self._window = max(10.0, 5 / fps) if fps else 10.0
        self._captured: deque[float] = deque(maxlen=10_000)
        self._began = time.monotonic()

    def enter(self, state: State, *, error: BaseException | None = None) -> bool:
        """The camera is in this state now; whether it was in another one before."""
        with self._lock:
            changed = self._health.state != state
            self._health = replace(self._health, state=state)
            if error is not None:
                self._health = replace(self._health, last_error=redacted(str(error)))
            return changed

    def lost(self, *, stalled: bool) -> None:
        """A connection that had worked is gone."""
        with self._lock:
            health = self._health
            self._health = replace(health, reconnects=health.reconnects + 1, stalls=health.stalls + stalled)

    def troubled(self, error: BaseException) -> None:
        """Something went wrong, and capture goes on."""
        with self._lock:
            self._health = replace(self._health, last_error=redacted(str(error)))

    def captured(self, at: datetime) -> None:
        """A frame was captured."""
        with self._lock:
            self._captured.append(time.monotonic())
            self._health = replace(self._health, last_frame_at=at)

    def announced(self, number: int) -> None:
        """Frames were stored and announced."""
        with self._lock:
            self._health = replace(self._health, frames=self._health.frames + number)

    def dropped(self, reason: str, number: int = 1) -> None:
        """Frames were captured and will not be announced."""
        with self._lock:
            self._drops[reason] += number

    def snapshot(self) -> CameraHealth:
        """The camera now."""
        with self._lock:
            now = time.monotonic()
            while self._captured and now - self._captured[0] > self._window:
                self._captured.popleft()
            seconds = min(self._window, max(now - self._began, 0.001))
            return replace(self._health, fps=round(len(self._captured) / seconds, 3), drops=dict(self._drops))
