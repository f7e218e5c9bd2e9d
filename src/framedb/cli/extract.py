"""`framedb extract`: frames of a video into a folder, without a node."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from framedb.cli.durations import seconds
from framedb.cli.output import console, errors, fail, failures, log_for_people, print_json, size
from framedb.cli.signals import stop_on_signals
from framedb.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from framedb.extraction.local import LocalExtraction, WrittenFrame
    from framedb.extraction.selection import Selection

EXAMPLE = "Example: framedb extract talk.mp4 --every 5s --out frames"


def extract(
    video: Annotated[str, typer.Argument(help="A file, or an http:// or https:// URL of one.")],
    every: Annotated[
        str | None, typer.Option(help="The frame on screen every so many seconds: 5s (the default).")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="So many frames a second.")] = None,
    count: Annotated[int | None, typer.Option(help="So many frames, spread evenly.")] = None,
    at: Annotated[str | None, typer.Option(help="The frames on screen at these times: 1.5,3,1:30.")] = None,
    keyframes: Annotated[bool, typer.Option("--keyframes", help="All keyframes.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="Every frame.")] = False,
    scenes: Annotated[bool, typer.Option("--scenes", help="The first frame of every scene.")] = False,
    start: Annotated[str | None, typer.Option(help="Nothing before this time.")] = None,
    stop: Annotated[str | None, typer.Option(help="Nothing from this time on.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the JPEGs.")] = Path("frames"),
    quality: Annotated[int, typer.Option(min=2, max=31, help="Of the JPEGs: 2 is best, 31 smallest.")] = 3,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Threads; by default one per core.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was extracted as JSON.")] = False,
) -> None:
    """Write frames of a video as JPEGs, named for their time; no more of it is decoded than they need."""
    log_for_people()
    stopped = stop_on_signals()
    with failures():
        selection = _selection(every, fps, count, at, keyframes, all_, scenes, start, stop)
        from framedb.extraction.local import LocalExtraction  # what only prints help starts at once

        try:
            work = LocalExtraction(video, selection, out, quality=quality, workers=workers)
            with _progress(work.total, shown=not json) as advance:
                frames = _run(work, stopped.is_set, advance)
        except OSError as exc:
            if not exc.filename:
                raise
            raise fail(f"{exc.filename} cannot be written: {exc.strerror}; choose another --out") from exc
    _report(work, frames, out, stopped=stopped.is_set(), json=json)


def _selection(
    every: str | None,
    fps: float | None,
    count: int | None,
    at: str | None,
    keyframes: bool,
    all_: bool,
    scenes: bool,
    start: str | None,
    stop: str | None,
) -> "Selection":
    from framedb.extraction.selection import SCENE_THRESHOLD, Selection

    given = {"--every": every, "--fps": fps, "--count": count, "--at": at}
    flags = {"--keyframes": keyframes, "--all": all_, "--scenes": scenes}
    ways = [way for way, value in given.items() if value is not None] + [way for way, on in flags.items() if on]
    if len(ways) > 1:
        raise InvalidInputError(f"{' and '.join(ways)} do not go together: give one of them")
    return Selection(
        interval=seconds(every or "5") if not ways or every is not None else None,
        fps=fps,
        every=all_,
        keyframes=keyframes,
        count=count,
        times=None if at is None else tuple(seconds(time) for time in at.split(",")),
        scenes=SCENE_THRESHOLD if scenes else None,
        start=None if start is None else seconds(start),
        stop=None if stop is None else seconds(stop),
    )


def _run(
    work: "LocalExtraction", should_stop: "Callable[[], bool]", advance: "Callable[[int], None]"
) -> list["WrittenFrame"]:
    frames = []
    for frame in work.run(should_stop=should_stop):
        frames.append(frame)
        advance(1)
    return sorted(frames, key=lambda frame: frame.index)


@contextmanager
def _progress(total: int, *, shown: bool) -> Iterator["Callable[[int], None]"]:
    if not shown or not errors.is_terminal:
        yield lambda number: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=errors, transient=True) as bar:
        task = bar.add_task("frames", total=total)
        yield lambda number: bar.advance(task, number)


def _report(work: "LocalExtraction", frames: list["WrittenFrame"], out: Path, *, stopped: bool, json: bool) -> None:
    lost = 0 if stopped else work.total - len(frames)
    if json:
        print_json({"frames": [_document(frame) for frame in frames], "total": work.total, "lost": work.index.lost})
    else:
        written = size(sum(frame.size for frame in frames))
        console.print(f"{len(frames)} frames, {written}, in {out}", markup=False)
    if work.index.lost:
        errors.print(f"warning: {work.index.lost}", markup=False)
    if lost:
        errors.print(f"warning: {lost} of {work.total} frames could not be decoded", markup=False)
    if stopped:
        raise fail(f"stopped with {len(frames)} of {work.total} frames written")


def _document(frame: "WrittenFrame") -> dict[str, Any]:
    return {
        "index": frame.index,
        "timestamp": frame.time,
        "frame_path": str(frame.path),
        "file_size": frame.size,
        "pts": frame.pts,
        "width": frame.width,
        "height": frame.height,
        "keyframe": frame.keyframe,
        "corrupt": frame.corrupt,
    }
