"""python -m benchmarks [--only NAME] [--json] [--rounds 5]: every figure beside what it should be.

`--only frame_queue` and `--only jpeg` run those that compare what FrameDB itself chose between, and print in their own way.
"""

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.comparison import Figure
from benchmarks.node import running_target
from benchmarks.rounds import measure

FILES = (
    "write_frame", "read_frame", "push_batch", "hand_over", "large_object", "kvs", "kvs_http",
    "extract", "decode", "cameras",
)  # fmt: skip
CHOICES = ("frame_queue", "jpeg")


def main() -> None:
    """Measure what was asked for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="FrameDB beside the alternatives.")
    parser.add_argument(
        "--only", choices=(*FILES, *CHOICES), action="append", help="this comparison (repeatable); default: all"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    parser.add_argument("--rounds", type=int, default=5, help="processes per side, at most (default: %(default)s)")
    options = parser.parse_args()

    names = options.only or FILES
    for name in set(names).intersection(CHOICES):
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
    names = [name for name in names if name in FILES]
    if names:
        run(names, rounds=options.rounds, as_json=options.json)


def run(names: Sequence[str], *, rounds: int, as_json: bool) -> None:
    """Measure the comparisons of these files, and print them as a table or as JSON."""
    console = Console(stderr=as_json, width=None if sys.stdout.isatty() else 180)  # a pipe has room for whole lines
    figures: list[Figure] = []
    with running_target() as target:
        for name in names:
            with console.status(name):
                file = importlib.import_module(f"benchmarks.{name}")
                getattr(file, "prepare", lambda: None)()
                most = getattr(file, "ROUNDS", rounds)
                figures += measure(name, file.COMPARISONS, target, rounds=min(rounds, most), times=file.TIMES)
    if as_json:
        print(json.dumps([figure.to_dict() for figure in figures], indent=2))
    else:
        console.print(table(figures))


def table(figures: list[Figure]) -> Table:
    """The figures as people read them."""
    shown = Table(caption="Medians of the rounds; in brackets the least and greatest of a round.")
    for heading in ("work", "against"):
        shown.add_column(heading, ratio=1)
    for heading in ("ours", "theirs", "reached", "wanted", "ok"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for figure in figures:
        row = figure.row
        least, most = map(row.written, figure.spread)
        shown.add_row(
            row.work,
            row.against,
            _time(figure.ours),
            _time(figure.theirs),
            f"{row.written(figure.value)} ({least} - {most})",
            row.wanted,
            "[green]yes[/]" if figure.ok else "[red]no[/]",
        )
    return shown


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-4 else f"{seconds * 1e6:.2f} us"


if __name__ == "__main__":
    main()
