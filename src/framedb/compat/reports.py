"""`Reports`: failures, told to the logger that a program brought along."""

import logging
from typing import Any

from framedb.compat.logger import AIOSLogger, ErrorSeverity
from framedb.redaction import redacted

logger = logging.getLogger(__name__)


class Reports:
    """Called with an action, what failed, and why."""

    def __init__(self, given: Any, env: Any) -> None:
        """`given` has the methods of `AIOSLogger`; None: one of those."""
        self.logger = AIOSLogger() if given is None else given
        self._env = env

    def __call__(self, action: str, message: str, exception: BaseException | None = None) -> None:
        """Tell it, whatever the logger makes of it."""
        extras = {name: getattr(self._env, name, "") for name in ("mdag_id", "block_id")}
        try:
            self.logger.error(
                action=action, severity=ErrorSeverity.HIGH, message=message, exception=exception, extras=extras
            )
        except Exception:  # noqa: BLE001  # of somebody else's code, another kind of logger perhaps: our threads go on
            logger.warning("%s", redacted(f"{message}: {exception}"), extra={"action": action})
