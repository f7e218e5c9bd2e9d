"""Printing: for people on a terminal, as JSON for programs; failures as one line."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from framedb.disk import is_full
from framedb.errors import FrameDBError
from framedb.redaction import RedactingFilter, redacted

if TYPE_CHECKING:
    from framedb.client import FrameDB
    from framedb.client.http import NodeClient

_PIPED = None if sys.stdout.isatty() else 200  # a program that reads tables wants them unbroken
# No emoji: `:camera:` may stand in a key.
console = Console(emoji=False, highlight=False, soft_wrap=True, width=_PIPED)
errors = Console(stderr=True, emoji=False, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON value on standard output, a line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def fail(message: str) -> typer.Exit:
    """Say what is wrong in one line; raise what this returns."""
    errors.print("[bold red]error:[/] ", end="")
    errors.print(redacted(message), markup=False)
    return typer.Exit(1)


def log_for_people(*, ignore: Callable[[logging.LogRecord], bool] = lambda record: False) -> None:
    """Warnings of this process as plain lines on standard error, without passwords; `ignore` those told otherwise."""
    handler = logging.StreamHandler()
    handler.addFilter(RedactingFilter())
    handler.addFilter(lambda record: not ignore(record))
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", handlers=[handler])
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it tells of every retry


@contextmanager
def failures() -> Iterator[None]:
    """FrameDB's errors in the block, and a full disk, become one line and exit status 1; so does a missing extra."""
    try:
        yield
    except FrameDBError as exc:
        raise fail(str(exc)) from exc
    except OSError as exc:
        if not is_full(exc):
            raise
        raise fail(f"{exc.filename or 'a file'} cannot be written: {exc.strerror}: make room, then try again") from exc
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.startswith("framedb"):
            raise
        raise fail(f'this needs {exc.name}, which is not installed: pip install "framedb[node]"') from exc


@contextmanager
def database() -> Iterator["FrameDB"]:
    """The database of the node that `FRAMEDB_URL` names; its failures become one line."""
    from framedb.client import connect  # what only prints help starts at once

    with failures(), connect() as db:
        yield db


@contextmanager
def node(*, timeout: float = 30.0) -> Iterator["NodeClient"]:
    """HTTP to the node that `FRAMEDB_URL` names, which may take so many seconds to answer; its failures become one line."""
    from framedb.client.http import NodeClient
    from framedb.config import read_settings

    with failures():
        settings = read_settings()
        token = settings.token.get_secret_value() if settings.token else None
        client = NodeClient(settings.url, token=token, timeout=timeout, tls_ca=settings.tls_ca)
        try:
            yield client
        finally:
            client.close()


def size(nbytes: float) -> str:
    """Bytes for people: `1.4 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(nbytes) < 1024 or unit == "GiB":
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1024
    raise AssertionError
