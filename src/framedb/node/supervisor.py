"""Keeps things running: looks at each again and again, and starts anew what died."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from framedb.periodic import Periodic

logger = logging.getLogger(__name__)

_LOOK = 1.0  # seconds between two looks
_LONGEST_PAUSE = 30.0  # seconds between attempts to start what will not start


@dataclass(slots=True)
class Supervised:
    """One thing that should run."""

    name: str
    check: Callable[[], bool]
    """Whether it runs and answers."""
    restart: Callable[[], object]
    """Start it again; raises if that fails."""
    patience: int = 3
    """Looks in a row it may fail before it is started again."""
    failures: int = 0
    attempts: int = 0
    not_before: int = field(default=0)
    """Number of the look before which it is not tried again."""


class Supervisor:
    """A thread over all supervised things of a node."""

    def __init__(self, things: list[Supervised]) -> None:
        self._things = things
        self._looks = 0
        self._thread = Periodic("supervisor", self._look, period=_LOOK)

    def start(self) -> None:
        """Begin to look after them."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; nothing is started any more once this returns."""
        self._thread.stop()

    def _look(self) -> None:
        self._looks += 1
        for thing in self._things:
            if self._thread.is_stopping:
                return
            self._look_at(thing)

    def _look_at(self, thing: Supervised) -> None:
        try:
            if thing.check():
                thing.failures = thing.attempts = 0
                return
            thing.failures += 1
            if thing.failures < thing.patience or self._looks < thing.not_before:
                return
            thing.attempts += 1
            thing.not_before = self._looks + round(min(2**thing.attempts, _LONGEST_PAUSE / _LOOK))
            logger.warning("%s does not answer, starting it again", thing.name, extra={"part": thing.name})
            thing.restart()
            thing.failures = 0
            logger.info("%s runs again", thing.name, extra={"part": thing.name})
        except Exception as exc:  # noqa: BLE001  (whatever it was, the others must still be looked after)
            logger.error(  # noqa: TRY400  (a traceback each time would bury the reason)
                "%s could not be started: %s", thing.name, exc, extra={"part": thing.name}
            )
