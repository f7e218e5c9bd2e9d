"""The demo, step by step."""

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from framedb.cli.demo.clip import default_clip
from framedb.cli.output import console, failures, size
from framedb.errors import DeadlineExceededError, MediaError
from framedb.redaction import redacted

if TYPE_CHECKING:
    from framedb.cli.demo.parts import Tally
    from framedb.client import FrameDB

EXAMPLE = "Example: framedb demo   or: framedb demo street.mp4 rtsp://USER:PASSWORD@CAMERA:554/stream1"

_HOLD = 3.0  # seconds: short, so that the killed worker's frame comes back while somebody watches
_DRAIN = 60.0  # seconds for everything to settle once the cameras have stopped


@dataclass(slots=True)
class Outcome:
    """What came of it, for the closing table."""

    captured: int = 0
    done: int = 0
    redelivered: int = 0
    killed_in_hand: bool = False
    dropped: int = 0
    lost: int = 0
    seconds: float = 0.0
    bytes: int = 0
    waits: tuple[float, ...] = ()
    extracted: int = 0
    extracted_bytes: int = 0
    job_error: str | None = None
    places: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether everything that went in came out."""
        return (
            self.captured > 0 and self.lost == 0 and self.killed_in_hand and self.extracted > 0 and not self.job_error
        )


def demo(
    videos: Annotated[
        list[str] | None, typer.Argument(help="Videos or camera URLs; default: a clip of Big Buck Bunny.")
    ] = None,
    cameras: Annotated[int, typer.Option(min=1, max=64, help="Cameras; they play the videos in turn.")] = 4,
    fps: Annotated[float, typer.Option(help="Frames per second of each camera.")] = 5.0,
    seconds: Annotated[float, typer.Option(min=2, help="How long the cameras run.")] = 15.0,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the data folder for you to look at.")] = False,
) -> None:
    """Cameras to workers on this machine, one worker killed half-way; and frames of a video into the durable store."""
    with failures(), ExitStack() as stack:
        from framedb.cli.demo.parts import running_node
        from framedb.client import connect

        played = videos or [str(default_clip())]
        if keep:
            folder = Path(tempfile.mkdtemp(prefix="framedb-demo-"))
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="framedb-demo-")))
        console.print(f"starting a node in {folder} ...", style="dim", markup=False)
        url = stack.enter_context(running_node(folder, videos=played))
        db = stack.enter_context(connect(url))
        outcome = _run(db, url, folder, played, cameras=cameras, fps=fps, seconds=seconds)
        _print_outcome(outcome, folder if keep else None)
    if not outcome.good:
        raise typer.Exit(1)


def _run(
    db: "FrameDB", url: str, folder: Path, videos: list[str], *, cameras: int, fps: float, seconds: float
) -> Outcome:
    from framedb.cli.demo.parts import DemoWorker, Tally

    tally = Tally()
    outcome = Outcome()
    with ExitStack() as stack, Live(console=console, refresh_per_second=8, transient=True) as live:
        workers = [DemoWorker(url, tally, hold=_HOLD) for _ in range(2)]
        for worker in workers:
            stack.callback(worker.stop)
        sources = [
            db.node.json(
                "POST",
                "/v1/cameras",
                body={"site": "demo", "camera": f"cam{n}", "url": videos[n % len(videos)], "fps": fps, "loop": True},
            )["source"]
            for n in range(cameras)
        ]
        job = db.node.json("POST", "/video-job", body={"video_source": videos[0], "interval": 1.0})

        def show(step: str) -> None:
            _raise_if_failed(db)
            live.update(_progress(db, tally, sources, job["job_id"], step))

        began = time.monotonic()
        _until(
            lambda: time.monotonic() - began > seconds / 2 and tally.waits, "no frame reached a worker", show, "running"
        )
        outcome.killed_in_hand = workers[0].kill_with_a_frame_in_hand(timeout=20.0)
        show(f"killed worker {workers[0].pid} with a frame in its hand")
        _until(
            lambda: time.monotonic() - began > seconds, "", show, f"worker {workers[0].pid} is dead, the other goes on"
        )
        for source in sources:
            db.node.json("POST", f"/v1/cameras/{source}/stop")
        _until(lambda: _all_ended(db), "the cameras did not stop", show, "cameras stop")
        outcome.captured = sum(health["frames"] for health in _health(db))
        outcome.dropped = sum(sum(health["drops"].values()) for health in _health(db))
        with db.queue() as queue:
            _until(lambda: queue.depth() == 0, "the queue did not drain", show, "workers drain the queue")
        outcome.seconds = time.monotonic() - began
        _until(lambda: _job(db, job["job_id"])["status"] in ("completed", "failed"), "the job did not end", show, "job")
    outcome.done = len(tally.done)
    outcome.redelivered = len(tally.redelivered)
    outcome.lost = outcome.captured - outcome.done
    outcome.bytes = tally.bytes
    outcome.waits = tuple(sorted(tally.waits))
    _look_at_job(db, job["job_id"], outcome)
    left = sum(db.stats(source).count for source in sources)
    connection = db.connection()
    outcome.places = (
        f"memory: cluster {connection.cluster} at {connection.master.uds}, {left} frames left of the cameras",
        f"durable: {folder / 'persistent' / 'local.db'}",
    )
    return outcome


def _look_at_job(db: "FrameDB", job_id: str, outcome: Outcome) -> None:
    """Read every frame of the job back."""
    job = _job(db, job_id)
    outcome.job_error = job["error_message"]
    told = db.node.json("GET", f"/frames/{job_id}")["frames"]
    pictures = [_read(db, frame["url"]) for frame in told]
    whole = [data for data, frame in zip(pictures, told, strict=True) if sha256(data).hexdigest() == frame["checksum"]]
    outcome.extracted = len(whole)
    outcome.extracted_bytes = sum(map(len, whole))
    if not outcome.job_error and not len(whole) == len(told) == job["processed_frames"]:
        outcome.job_error = f"{job['processed_frames']} frames were extracted, but {len(whole)} can be read"


def _read(db: "FrameDB", path: str) -> bytes:
    with db.node.request("GET", path) as answer:
        return answer.data


def _until(condition: Callable[[], Any], failure: str, show: Callable[[str], None], step: str) -> None:
    deadline = time.monotonic() + _DRAIN
    while not condition():
        if time.monotonic() > deadline:
            raise DeadlineExceededError(f"{failure} within {_DRAIN:g} s: look at the logs with --keep")
        show(step)
        time.sleep(0.2)


def _health(db: "FrameDB") -> list[dict[str, Any]]:
    return [each["health"] for each in db.node.json("GET", "/v1/cameras")["cameras"]]


def _all_ended(db: "FrameDB") -> bool:
    return all(health["state"] in ("stopped", "finished") for health in _health(db))


def _raise_if_failed(db: "FrameDB") -> None:
    for health in _health(db):
        if health["state"] == "failed":
            raise MediaError(health["last_error"])


def _job(db: "FrameDB", job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = db.node.json("GET", f"/job-status/{job_id}")
    return job


def _progress(db: "FrameDB", tally: "Tally", sources: list[str], job_id: str, step: str) -> Table:
    job = _job(db, job_id)
    table = Table(title=f"[bold]{step}[/]", title_justify="left", box=None, pad_edge=False)
    for column in ("camera", "state", "fps", "announced", "last error"):
        table.add_column(column)
    for each in db.node.json("GET", "/v1/cameras")["cameras"]:
        health = each["health"]
        error = escape(redacted(health.get("last_error") or "")[:60])
        table.add_row(
            each["source"], health["state"], f"{health.get('fps', 0):.1f}", str(health.get("frames", 0)), error
        )
    table.add_row("workers", "", "", f"{len(tally.done)} done", f"{len(tally.redelivered)} redelivered")
    table.add_row("job", job["status"], "", f"{job['processed_frames']}/{job['total_frames'] or '?'}", "")
    return table


def _print_outcome(outcome: Outcome, kept: Path | None) -> None:
    mark = "[bold green]" if outcome.lost == 0 else "[bold red]"
    waits = outcome.waits
    table = Table(title="[bold]What happened[/]", title_justify="left", show_header=False, box=None, pad_edge=False)
    rows = [
        ("frames in", f"{outcome.captured} announced, {outcome.dropped} dropped"),
        ("frames out", f"{outcome.done} worked on by two workers"),
        ("killed", "one worker, a frame in its hand" if outcome.killed_in_hand else "one worker, but it had no frame"),
        ("redelivered", str(outcome.redelivered)),
        ("lost", f"{mark}{outcome.lost}[/]"),
        ("rate", f"{outcome.bytes / outcome.seconds / 1e6:.1f} MB/s, {outcome.done / outcome.seconds:.0f} frames/s"),
    ]
    if len(waits) > 1:
        p99 = waits[min(len(waits) - 1, round(len(waits) * 0.99))]
        rows.append(("capture to worker", f"p50 {statistics.median(waits) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"))
    rows.append(("extracted", f"{outcome.extracted} frames of the video, {size(outcome.extracted_bytes)}, durable"))
    if outcome.job_error:
        rows.append(("job", f"[bold red]{escape(outcome.job_error)}[/]"))
    rows += [(("they lie in" if n == 0 else ""), place) for n, place in enumerate(outcome.places)]
    if kept:
        rows.append(("kept", str(kept)))
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(
        "\nWhat to type next:\n"
        "  framedb up                                              your own node, in ./runtime\n"
        "  framedb camera add plant-a gate rtsp://... --fps 1      a camera\n"
        "  framedb work myjob:score                                your function on every frame\n"
        "  framedb doctor                                          is everything well?",
        markup=False,
    )
