"""`Arrivals`: frames of a source as they come in."""

from collections.abc import Callable
from datetime import datetime, timedelta

from framedb.frame import Frame
from framedb.stores.base import FrameStore

_PAGE = 64  # frames handed out in one go
_AHEAD = timedelta(days=1)  # clocks of cameras may run before ours


class Arrivals:
    """Remembers how far a reader of a source has come. It takes nothing away: other readers see the same frames."""

    def __init__(self, store: Callable[[], FrameStore], source: str, since: datetime) -> None:
        """`store` is asked at each look, so that one that is closed by then can say so."""
        self._store = store
        self._source = source
        self._position = since
        self._seen: set[str] = set()  # keys captured at the very position

    def next_page(self, now: datetime) -> list[Frame]:
        """Frames that came since, in order of capture. One that was captured before what was given is left out."""
        page: list[Frame] = []
        for frame in self._store().range(self._source, self._position, now + _AHEAD):
            if frame.key in self._seen:
                continue
            if frame.captured_at > self._position:
                self._position = frame.captured_at
                self._seen.clear()
            self._seen.add(frame.key)
            page.append(frame)
            if len(page) == _PAGE:
                break
        return page
