"""`AIOSLogger`: how readers of earlier deployments log. Here it writes to Python's own logging."""

import logging
from collections.abc import Mapping
from enum import Enum
from typing import Any

from framedb.redaction import redacted

NAME = "framedb_api"
"""Of the logger of Python's that it writes to."""


class ErrorSeverity(Enum):
    """How bad it is."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class AIOSLogger:
    """Says what happened, in what action. Fields stand in the record: `action`, `severity`, `extras`."""

    def __init__(self, config: object = None) -> None:
        """`config` is not used: Python's logging is configured where programs do that."""
        self._logger = logging.getLogger(NAME)

    def info(self, action: str, message: str, extras: Mapping[str, Any] | None = None) -> None:
        """What went as it should."""
        self._log(logging.INFO, action, message, extras, None)

    def warning(
        self,
        action: str,
        message: str,
        extras: Mapping[str, Any] | None = None,
        exception: BaseException | None = None,
    ) -> None:
        """What did not, and was helped."""
        self._log(logging.WARNING, action, message, extras, exception)

    def error(
        self,
        action: str,
        severity: ErrorSeverity = ErrorSeverity.HIGH,
        message: str = "",
        extras: Mapping[str, Any] | None = None,
        exception: BaseException | None = None,
    ) -> None:
        """What failed."""
        self._log(logging.ERROR, action, message, extras, exception, severity=severity.name)

    def _log(
        self,
        level: int,
        action: str,
        message: str,
        extras: Mapping[str, Any] | None,
        exception: BaseException | None,
        **more: str,
    ) -> None:
        why = "" if exception is None else f": {exception}"
        known = {name: redacted(value) if isinstance(value, str) else value for name, value in (extras or {}).items()}
        fields = {"action": action, "extras": known, **more}
        self._logger.log(level, "%s", redacted(f"{message}{why}"), extra=fields)
