"""`framedb camera`: which cameras a node captures."""

from typing import Annotated
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Table

from framedb.cli.output import console, database, print_json

app = typer.Typer(help="Cameras the node captures.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command("add", epilog="Example: framedb camera add plant-a gate rtsp://USER:PASSWORD@CAMERA:554/stream1 --fps 1")
def add(
    site: Annotated[str, typer.Argument(help="Where it is; no colon.")],
    camera: Annotated[str, typer.Argument(help="Its name there; no colon.")],
    url: Annotated[str, typer.Argument(help="rtsp://, http://, a file, /dev/video0, test://testsrc2")],
    fps: Annotated[float, typer.Option(help="Frames per second to keep; 0: every frame.")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="A file starts over at its end.")] = False,
    encoding: Annotated[str, typer.Option(help="jpeg, or base64-jpeg for older consumers.")] = "jpeg",
    policy: Annotated[str, typer.Option(help="At a cap: drop-oldest, drop-newest or wait.")] = "drop-oldest",
    max_frames: Annotated[int | None, typer.Option(help="Keep at most so many frames.")] = None,
    max_bytes: Annotated[int | None, typer.Option(help="Keep at most so many bytes.")] = None,
    ttl: Annotated[float | None, typer.Option(help="Seconds a frame nobody acknowledges is kept.")] = None,
) -> None:
    """Capture a camera from now on."""
    body = {
        "site": site,
        "camera": camera,
        "url": url,
        "fps": fps or None,
        "loop": loop,
        "encoding": encoding,
        "policy": policy,
        "max_frames": max_frames,
        "max_bytes": max_bytes,
        "ttl_s": ttl,
    }
    with database() as db:
        added = db.node.json("POST", "/v1/cameras", body=body)
    console.print(f"camera {added['source']} added: its frames are frame:{added['source']}:...", markup=False)


@app.command("list", epilog="Example: framedb camera list --json")
def list_cameras(json: Json = False) -> None:
    """Every camera, and how it is."""
    with database() as db:
        cameras = db.node.json("GET", "/v1/cameras")["cameras"]
    if json:
        print_json(cameras)
        return
    table = Table(
        "camera", "state", "fps", "frames", "last frame", "reconnects", "dropped", "url", box=None, pad_edge=False
    )
    for each in cameras:
        health = each["health"]
        drops = sum(health.get("drops", {}).values())
        table.add_row(
            escape(each["source"]),
            health["state"],
            f"{health.get('fps', 0):.1f}",
            str(health.get("frames", 0)),
            (health.get("last_frame_at") or "-")[:19],
            str(health.get("reconnects", 0)),
            str(drops),
            escape(each["url"]),
        )
    console.print(table)
    for each in cameras:
        if each["health"].get("last_error"):
            console.print(f"{each['source']}: {each['health']['last_error']}", markup=False, style="yellow")


@app.command("remove", epilog="Example: framedb camera remove plant-a:gate")
def remove(source: Annotated[str, typer.Argument(help="The camera as SITE:CAMERA.")]) -> None:
    """Stop capturing a camera, and forget it."""
    with database() as db:
        db.node.json("DELETE", f"/v1/cameras/{quote(source)}")
    console.print(f"camera {source} removed; its frames stay until they expire", markup=False)
