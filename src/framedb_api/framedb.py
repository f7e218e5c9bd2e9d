"""`FrameDB`: reads and writes frames by source and key."""

from framedb.compat.reader import FrameDB

__all__ = ["FrameDB"]
