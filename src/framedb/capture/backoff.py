"""How long to wait before trying again."""

import random
import time


class Backoff:
    """Doubles from `first` to `longest` seconds, with jitter, so that fifty cameras of one switch do not come back at once."""

    def __init__(self, *, first: float = 0.5, longest: float = 30.0) -> None:
        self._first = first
        self._longest = longest
        self.attempts = 0
        """Failures since it last worked."""
        self.until = 0.0
        """When to try again, by `time.monotonic()`."""

    @property
    def due(self) -> bool:
        """It is time to try."""
        return time.monotonic() >= self.until

    def failed(self) -> float:
        """It did not work: seconds to wait now, half to all of the current step."""
        step: float = min(self._longest, self._first * 2.0 ** min(self.attempts, 32))
        self.attempts += 1
        pause = step * random.uniform(0.5, 1.0)  # noqa: S311  (no secret)
        self.until = time.monotonic() + pause
        return pause

    def worked(self) -> bool:
        """It worked; whether it had failed before."""
        had_failed = self.attempts > 0
        self.attempts, self.until = 0, 0.0
        return had_failed
