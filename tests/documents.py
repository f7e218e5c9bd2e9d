"""The pages a reader meets, and the blocks of code in them.

A block of Python or shell says on the line above it what becomes of it:

    <!-- runs -->                 it is run, and must succeed; Python blocks of a page are one program, in order
    <!-- runs until "some text" -->  it is run until it prints that, and then stopped as Ctrl-C would
    <!-- file score.py -->        it is a file of that name, for the blocks below it
    <!-- shown: why -->           it is not run, for that reason
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
"""Every page, as absolute paths."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)\s*$")
_MARK = re.compile(r'^<!-- (?:(?P<runs>runs)(?: until "(?P<until>[^"]+)")?|file (?P<file>\S+)|shown: (?P<why>.+)) -->$')
_HEADING = re.compile(r"^(#+) (.+?)\s*$", re.MULTILINE)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
_PLAIN = {"text", "json", "ini", "yaml"}  # languages nobody runs
_DEADLINE = 60.0


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    where: str
    """Page and line, for messages."""
    language: str
    code: str
    runs: bool = False
    until: str | None = None
    """Text after which it has run long enough."""
    file: str | None = None
    """The file it is."""


def blocks(page: Path) -> list[Block]:
    """Python and shell blocks of a page, in order. Raises AssertionError for one that does not say what becomes of it."""
    found = []
    lines = iter(enumerate(page.read_text().splitlines(), start=1))
    above = ""
    for number, line in lines:
        fence = _FENCE.match(line)
        if fence:
            where = f"{page.name}:{number}"
            code = "\n".join(_until_fence(lines)) + "\n"
            if fence["language"] not in _PLAIN:
                found.append(_block(where, fence["language"], code, above))
        above = line.strip() or above
    return found


def run_page(page: Path, folder: Path, *, environment: Mapping[str, str], replace: Mapping[str, str]) -> int:
    """Run a page's blocks in `folder`, with what stands in `replace` put for what the page says; how many ran.

    Raises AssertionError, with what it printed, for a block that fails. The working directory and `os.environ` are the
    caller's to set for Python blocks.
    """
    namespace: dict[str, Any] = {"__name__": "__page__"}
    ran = 0
    for block in blocks(page):
        code = block.code
        for old, new in replace.items():
            code = code.replace(old, new)
        if block.file:
            (folder / block.file).write_text(code)
        elif block.runs:
            ran += 1
            if block.language == "python":
                _run_python(block.where, code, namespace)
            else:
                _run_shell(block, code, folder, environment)
    return ran


def links(page: Path) -> list[str]:
    """Targets of the page's links and pictures, outside its code."""
    return [first or second for first, second in _LINK.findall(_without_code(page))]


def anchors(page: Path) -> set[str]:
    """What `#fragment` links to the page may name: its headings, as GitHub writes them."""
    names = set()
    for _, heading in _HEADING.findall(_without_code(page)):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        names.add(plain.replace(" ", "-"))
    return names


def sections(page: Path) -> dict[str, str]:
    """Text under each heading, up to the next heading of whatever level."""
    parts = _HEADING.split(page.read_text())
    return dict(zip(parts[2::3], parts[3::3], strict=True))


def _until_fence(lines: Iterator[tuple[int, str]]) -> Iterator[str]:
    for _, line in lines:
        if line.strip() == "```":
            return
        yield line


def _block(where: str, language: str, code: str, above: str) -> Block:
    assert language in ("python", "sh"), f"{where}: a block of {language!r}: use python, sh, or one of {sorted(_PLAIN)}"
    mark = _MARK.match(above)
    assert mark, (
        f"{where}: the block does not say whether it runs: put `<!-- runs -->` or `<!-- shown: why -->` above it"
    )
    return Block(where, language, code, bool(mark["runs"]), mark["until"], mark["file"])


def _run_python(where: str, code: str, namespace: dict[str, Any]) -> None:
    try:
        exec(compile(code, where, "exec"), namespace)
    except Exception as exc:
        raise AssertionError(f"{where} failed: {exc!r}") from exc


def _run_shell(block: Block, code: str, folder: Path, environment: Mapping[str, str]) -> None:
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    printed: list[str] = []
    # It ends the reading below, whatever the block does.
    timer = threading.Timer(_DEADLINE, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    assert process.stdout is not None
    seen = False
    with process.stdout as lines:
        for line in lines:
            printed.append(line)
            if block.until and not seen and block.until in line:
                seen = True
                os.killpg(process.pid, signal.SIGINT)
    status = process.wait()
    timer.cancel()
    timer.join()
    output = "".join(printed)
    if block.until:
        assert seen, f"{block.where} never printed {block.until!r}:\n{output}"
        # A block that is stopped by its signal has not failed; one that stops in order ends with 0.
        assert status in (0, -signal.SIGINT, 128 + signal.SIGINT), f"{block.where} ended with {status}:\n{output}"
    else:
        assert status == 0, f"{block.where} ended with {status}:\n{output}"


def _without_code(page: Path) -> str:
    kept, inside = [], False
    for line in page.read_text().splitlines():
        if _FENCE.match(line) or line.strip() == "```":
            inside = not inside
        elif not inside:
            kept.append(re.sub(r"`[^`]*`", lambda found: found[0].replace("[", "").replace("]", ""), line))
    return "\n".join(kept)


def path_of_tools() -> str:
    """PATH with this very installation's programs first."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
