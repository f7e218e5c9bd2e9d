"""`framedb capture`: one camera or video, by this process."""

import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from framedb.cli.output import console, database, fail, log_for_people, print_json
from framedb.cli.signals import stop_on_signals

if TYPE_CHECKING:
    from framedb.capture import CameraHealth

EXAMPLE = "Example: framedb capture rtsp://USER:PASSWORD@CAMERA:554/stream1 --site plant-a --camera gate --fps 1"


def capture(
    url: Annotated[str, typer.Argument(help="rtsp://, http://, a file, /dev/video0, test://testsrc2")],
    site: Annotated[str, typer.Option(help="Where it is; no colon.")] = "local",
    camera: Annotated[str, typer.Option(help="Its name there; no colon.")] = "cam",
    fps: Annotated[float, typer.Option(help="Frames per second to keep; 0: every frame.")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="A file starts over at its end.")] = False,
    seconds: Annotated[float | None, typer.Option(help="Stop after so many seconds.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print how it went as JSON.")] = False,
) -> None:
    """Capture a camera or play a video into the store, and announce its frames to workers, until Ctrl-C or the end."""
    stop = stop_on_signals()
    log_for_people(ignore=lambda record: getattr(record, "state", "") == "failed")  # that ends this, and is told then
    with database() as db:
        from framedb.capture import Camera, CameraCapture, Publisher

        wanted = Camera(site, camera, url, fps=fps or None, loop=loop)
        connection = db.connection(source=wanted.source)
        with db.queue() as queue:
            publisher = Publisher(db.tiers, queue, framedb_id=connection.cluster or "local")
            running = CameraCapture(wanted, publisher)
            if seconds is not None:
                timer = threading.Timer(seconds, stop.set)
                timer.daemon = True
                timer.start()
            if not json:
                console.print(f"capturing {wanted.source}; stop with Ctrl-C", markup=False)
            running.run(stop)
    _report(running.health(), json=json)


def _report(health: "CameraHealth", *, json: bool) -> None:
    if json:
        print_json(asdict(health))
        return
    drops = ", ".join(f"{number} {reason}" for reason, number in health.drops.items()) or "none"
    console.print(f"{health.frames} frames announced, dropped: {drops}, reconnects: {health.reconnects}", markup=False)
    if health.state == "failed":
        raise fail(health.last_error or "the camera failed")
