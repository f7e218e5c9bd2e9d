"""Putting the commands together."""

import typer

from framedb import __version__
from framedb.cli import camera, capture, cluster, doctor, extract, frames, kvs, member, serve, up, work
from framedb.cli.demo import command as demo

app = typer.Typer(
    name="framedb",
    help="A frame store for video and AI pipelines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"framedb {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


app.command("up", epilog=up.EXAMPLE)(up.up)
app.add_typer(serve.app, name="serve")
app.command("member", epilog=member.EXAMPLE)(member.member)
app.command("demo", epilog=demo.EXAMPLE)(demo.demo)
app.add_typer(cluster.app, name="cluster")
app.add_typer(camera.app, name="camera")
app.command("capture", epilog=capture.EXAMPLE)(capture.capture)
app.command("extract", epilog=extract.EXAMPLE)(extract.extract)
app.command("work", epilog=work.EXAMPLE)(work.work)
app.command("put", epilog=frames.PUT_EXAMPLE)(frames.put)
app.command("get", epilog=frames.GET_EXAMPLE)(frames.get)
app.command("ls", epilog=frames.LS_EXAMPLE)(frames.ls)
app.command("rm", epilog=frames.RM_EXAMPLE)(frames.rm)
app.add_typer(kvs.app, name="kvs")
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)


def main() -> None:
    """The `framedb` program."""
    app()
