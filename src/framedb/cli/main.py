"""Putting the commands together."""

import sys
from importlib import import_module

import typer

from framedb import __version__

_MODULES = {
    "up": "up",
    "serve": "serve",
    "member": "member",
    "demo": "demo.command",
    "cluster": "cluster",
    "camera": "camera",
    "capture": "capture",
    "extract": "extract",
    "work": "work",
    "put": "frames",
    "get": "frames",
    "ls": "frames",
    "rm": "frames",
    "kvs": "kvs",
    "doctor": "doctor",
}
"""Where each command is: a function of its name and an example of it, or an `app` with commands of its own."""


def program(*names: str) -> typer.Typer:
    """The commands of these names, or all. No other's module is imported: half a second, for those that need a node's."""
    app = typer.Typer(
        name="framedb",
        help="A frame store for video and AI pipelines.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name in names or _MODULES:
        module = import_module(f"framedb.cli.{_MODULES[name]}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            example = getattr(module, f"{name.upper()}_EXAMPLE", None) or module.EXAMPLE
            app.command(name, epilog=example)(getattr(module, name))
    return app


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"framedb {__version__}")
        raise typer.Exit


def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main() -> None:
    """The `framedb` program."""
    program(*(word for word in sys.argv[1:2] if word in _MODULES))()
