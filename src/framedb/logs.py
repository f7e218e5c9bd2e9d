"""Logs of services: one JSON object a line, without passwords. The access log goes to standard output."""

import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

import structlog

from framedb.config import MiB
from framedb.redaction import RedactingFilter, redacted

ACCESS = "framedb.access"
"""The logger of requests."""

request_id_of_context: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that is being answered, in whatever thread: each line that is logged meanwhile names it."""

_LOG_BYTES = 10 * MiB  # of one log file; five are kept


def log_as_json(path: Path | None = None, level: int = logging.INFO) -> None:
    """Everything this process logs, ours and the libraries', as JSON lines: on standard error, or in a file.

    With a file a person on a terminal still sees warnings, and a program that collects standard error sees everything.
    """
    stderr = logging.StreamHandler(sys.stderr)
    stderr.addFilter(lambda record: record.name != ACCESS)
    handlers: list[logging.Handler] = [stderr]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(_LogFile(path, maxBytes=_LOG_BYTES, backupCount=4))
        if sys.stderr.isatty():
            stderr.setLevel(logging.WARNING)
    for handler in handlers:
        _make_json(handler)
    logging.basicConfig(level=level, handlers=handlers, force=True)
    stdout = _Output(sys.stdout)
    _make_json(stdout)
    logging.getLogger(ACCESS).handlers = [stdout]
    # What libraries say of every request or reconnection is noise beside our own lines about the same.
    for noisy in ("uvicorn", "uvicorn.access", "uvicorn.error", "celery", "kombu", "amqp", "libav", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class _Output(logging.StreamHandler[TextIO]):
    """Goes without a reader who has gone: nobody is served worse for it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  - its name in logging
        """As `Handler.handleError`, where it is our own fault."""
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)):
            super().handleError(record)


class _LogFile(RotatingFileHandler):
    """Goes without what the disk does not take: standard error has it, and needs no traceback beside every line."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  - its name in logging
        """As `Handler.handleError`, where it is our own fault."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def _make_json(handler: logging.Handler) -> None:
    handler.addFilter(RedactingFilter())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                _add_request_id,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redact,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )


def _add_request_id(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if request_id := request_id_of_context.get():
        event.setdefault("request_id", request_id)
    return event


def _redact(logger: Any, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """What the filter does not see: tracebacks, and fields that hold more than a text."""
    return {name: _redacted(value) for name, value in event.items()}


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {name: _redacted(each) for name, each in value.items()}
    return [_redacted(each) for each in value] if isinstance(value, (list, tuple)) else value
