"""`POST /shutdown/{token}/{mode}`: a program that serves the store can be asked to stop, as Savant's pipelines can."""

import hmac
import logging
import os
import signal
from collections.abc import Sequence

from framedb.errors import InvalidInputError
from framedb.server.kvs.answers import Answer, failed, json_answer
from framedb.server.kvs.paths import decoded
from framedb.server.kvs.routes import Route

logger = logging.getLogger(__name__)


class Shutdown:
    """Whether a program runs, and whether somebody asked it to stop."""

    def __init__(self) -> None:
        self.is_running = False
        """Whether the program says that it works."""
        self.is_set = False
        """Whether somebody asked it to stop."""
        self._token: str | None = None
        self._signal = signal.SIGINT

    def status(self) -> str:
        """What `GET /status` says: `stopped` until it runs, `running`, `shutdown`."""
        if self.is_set:
            return "shutdown"
        return "running" if self.is_running else "stopped"

    def set_token(self, token: str) -> None:
        """Let whoever knows this ask it to stop. The first one stays."""
        if self._token is not None and self._token != token:
            logger.error("another shutdown token is set already: it stays")
            return
        self._token = token

    def set_signal(self, number: int) -> None:
        """The signal that it sends itself when asked to. Raises InvalidInputError for what is no signal."""
        try:
            self._signal = signal.Signals(number)
        except ValueError as exc:
            raise InvalidInputError(f"{number} is no signal of this system: use one of the module `signal`") from exc

    def route(self) -> Route:
        """Where it is asked to."""
        return Route("POST", "/shutdown/{token}/{mode}", self._ask)

    async def _ask(self, path: Sequence[bytes], body: bytes) -> Answer:
        token, mode = map(decoded, path)
        if mode not in ("graceful", "signal"):
            return failed(404, "there is no such way to stop: use `graceful` or `signal`")
        if self._token is None:
            return failed(403, "this program cannot be asked to stop: it has to call set_shutdown_token first")
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return failed(401, "this is not the shutdown token")
        self.is_set = True
        if mode == "signal":
            os.kill(os.getpid(), self._signal)
        return json_answer("ok")
