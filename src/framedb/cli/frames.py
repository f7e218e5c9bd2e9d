"""`framedb put`, `get`, `ls`, `rm`: frames by key."""

import mmap
import os
import stat
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from framedb.cli.output import console, database, fail, print_json, size

if TYPE_CHECKING:
    from framedb.frame import Frame

PUT_EXAMPLE = "Example: framedb put reference:gate gate.jpg --durable"
GET_EXAMPLE = "Example: framedb get reference:gate copy.jpg"
LS_EXAMPLE = "Example: framedb ls frame:plant-a: --limit 20"
RM_EXAMPLE = "Example: framedb rm reference:gate"

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Source = Annotated[str | None, typer.Option(help="The source, for keys that do not tell it themselves.")]


def put(
    key: Annotated[str, typer.Argument(help="The key to store under.")],
    file: Annotated[str, typer.Argument(help="The file to store; `-` is standard input.")],
    durable: Annotated[bool, typer.Option("--durable", help="On disk rather than in memory.")] = False,
    ttl: Annotated[float | None, typer.Option(help="Seconds to keep it. Default: as its source says.")] = None,
    source: Source = None,
) -> None:
    """Store a file under a key."""
    data = _contents(file)
    with database() as db:
        result = db.put(key, data, source=source, durable=durable, ttl=ttl)
        if not result:
            raise fail(f"{key} was not stored: its source's policy turned it away ({result.dropped})")
    console.print(f"stored {key} ({size(len(data))}, {'durable' if durable else 'in memory'})", markup=False)


def get(
    key: Annotated[str, typer.Argument(help="The key to read.")],
    file: Annotated[str, typer.Argument(help="Where to write it; `-` is standard output.")],
    source: Source = None,
    json: Annotated[bool, typer.Option("--json", help="Print what is known about the frame, as JSON.")] = False,
) -> None:
    """Read the frame of a key into a file."""
    with database() as db:
        frame = db.get(key, source=source)
    if frame is None:
        raise fail(f"there is nothing under the key {key!r}: `framedb ls` shows what there is")
    try:
        if file == "-":
            sys.stdout.buffer.write(frame.view())
            sys.stdout.flush()
        else:
            Path(file).write_bytes(frame.view())
    except OSError as exc:
        raise fail(f"cannot write {file}: {exc.strerror}") from exc
    if json:
        from framedb.stores.description import describe

        print_json({**describe(frame), "bytes": frame.nbytes})
    elif file != "-":
        console.print(f"{file}: {size(frame.nbytes)}, {_what(frame)}", markup=False)


def ls(
    prefix: Annotated[str, typer.Argument(help="Only keys that begin so.")] = "",
    source: Annotated[str | None, typer.Option(help="Only frames of this source.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many keys.")] = 1000,
    sources: Annotated[bool, typer.Option("--sources", help="List sources rather than keys.")] = False,
    json: Json = False,
) -> None:
    """List keys, or sources with what they hold and have dropped."""
    with database() as db:
        if sources:
            stats = {name: db.stats(name) for name in db.sources() if name.startswith(prefix)}
            if json:
                print_json(
                    {name: {"count": of.count, "bytes": of.bytes, "drops": of.drops} for name, of in stats.items()}
                )
                return
            table = Table("source", "frames", "size", "dropped", box=None, pad_edge=False)
            for name, of in stats.items():
                drops = ", ".join(f"{number} {reason}" for reason, number in sorted(of.drops.items()))
                table.add_row(escape(name), str(of.count), size(of.bytes), drops or "-")
            console.print(table)
            return
        keys = list(islice(db.scan(prefix, source=source), limit + 1))
    if json:
        print_json({"keys": sorted(keys[:limit]), "more": len(keys) > limit})
        return
    for key in sorted(keys[:limit]):
        console.print(key, markup=False)
    if len(keys) > limit:
        console.print(f"... and more: raise --limit {limit}, or give a longer prefix", style="dim")


def rm(
    keys: Annotated[list[str], typer.Argument(help="The keys to remove.")],
    source: Source = None,
) -> None:
    """Remove frames, wherever they are."""
    with database() as db:
        removed = db.delete(*keys, source=source)
    if removed < len(set(keys)):
        raise fail(f"removed {removed} of {len(set(keys))}: there was nothing under the others")
    console.print(f"removed {removed}")


def _contents(file: str) -> "bytes | mmap.mmap":
    """The bytes of a file, mapped rather than read: a video may be larger than the memory."""
    try:
        if file == "-":
            return sys.stdin.buffer.read()
        with Path(file).open("rb") as opened:
            status = os.fstat(opened.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size:
                return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
            return opened.read()
    except OSError as exc:
        raise fail(f"cannot read {file}: {exc.strerror}") from exc


def _what(frame: "Frame") -> str:
    pixels = f" {frame.width}x{frame.height}" if frame.width and frame.height else ""
    return f"{frame.encoding}{pixels}, captured {frame.captured_at.isoformat()}"
