"""`AIOSLogger`: what a `FrameDB` logs to."""

from framedb.compat.logger import AIOSLogger, ErrorSeverity

__all__ = ["AIOSLogger", "ErrorSeverity"]
