"""`Env`: where a `FrameDB` runs."""

from framedb.compat.env import Env

__all__ = ["Env"]
