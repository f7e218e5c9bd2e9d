"""`framedb kvs`: the key-value store, from a terminal."""

import json as json_library
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from framedb.cli.attribute_values import HELP, shown, typed
from framedb.cli.output import console, errors, fail, failures

if TYPE_CHECKING:
    from framedb.attributes.attribute import Attribute
    from framedb.client.attributes import AttributeClient, AttributeEvent

app = typer.Typer(help="The key-value store: attributes under a namespace and a name.", no_args_is_help=True)

Namespace = Annotated[str, typer.Argument(help="Namespace.", show_default=False)]
Name = Annotated[str, typer.Argument(help="Name.", show_default=False)]
Namespaces = Annotated[str, typer.Argument(help="Pattern of namespaces; `*` is any text, also `?`, `[ab]`, `{a,b}`.")]
Names = Annotated[str, typer.Argument(help="Pattern of names.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one line each.")]


@app.command("set", epilog="Example: framedb kvs set counter frames 42 --ttl 5000")
def set_(
    namespace: Namespace,
    name: Name,
    values: Annotated[list[str], typer.Argument(help=HELP, show_default=False)],
    ttl: Annotated[int | None, typer.Option(min=0, help="Milliseconds to keep it. Default: for good.")] = None,
    hint: Annotated[str | None, typer.Option(help="A word on what it is, for its readers.")] = None,
) -> None:
    """Set an attribute, whatever it was before. It may have several values."""
    with _store() as store:
        from framedb.attributes.attribute import Attribute

        store.set([Attribute.persistent(namespace, name, [typed(value) for value in values], hint)], ttl=ttl)


@app.command("get", epilog="Example: framedb kvs get counter frames")
def get(namespace: Namespace, name: Name, json: Json = False) -> None:
    """Print an attribute's values, one line each."""
    with _store() as store:
        attribute = store.get(namespace, name)
    if attribute is None:
        raise fail(f"there is no {name!r} in {namespace!r}: `framedb kvs search` shows what there is")
    if json:
        _print_line(attribute.json)
    else:
        for value in attribute.values:
            console.print(shown(value), markup=False)


@app.command("search", epilog="Example: framedb kvs search counter 'frames-*'")
def search(namespace: Namespaces = "*", name: Names = "*", json: Json = False) -> None:
    """List the attributes whose namespace and name match."""
    with _store() as store:
        found = store.search(namespace, name)
    if json:
        for attribute in found:
            _print_line(attribute.json)
    else:
        console.print(_table(found))


@app.command("delete", epilog="Example: framedb kvs delete counter 'frames-*'")
def delete(namespace: Namespaces, name: Names) -> None:
    """Delete the attributes whose namespace and name match; that there is none is no failure."""
    with _store() as store:
        store.delete_matching(namespace, name)


@app.command("watch", epilog="Example: framedb kvs watch counter")
def watch(
    namespace: Namespaces = "*",
    name: Names = "*",
    expiries: Annotated[bool, typer.Option("--expiries", help="Also what expires.")] = False,
    json: Json = False,
) -> None:
    """Print every change from now on, until Ctrl-C."""
    with _store() as store:
        from framedb.attributes.globs import glob

        namespaces, names = glob(namespace), glob(name)
        if sys.stderr.isatty():
            errors.print("[dim]watching; Ctrl-C ends[/]")
        try:
            for event in store.watch(expiries=expiries):
                if namespaces.matches(event.namespace) and names.matches(event.name):
                    _print_line(_as_json(event)) if json else _print_text(_as_text(event))
        except KeyboardInterrupt:
            raise typer.Exit from None


@contextmanager
def _store() -> Iterator["AttributeClient"]:
    """The store that `FRAMEDB_KVS_URL` names; its failures become one line."""
    with failures():
        from framedb.client.attributes import AttributeClient
        from framedb.config import read_settings

        settings = read_settings()
        token = settings.token.get_secret_value() if settings.token else None
        store = AttributeClient(settings.kvs_url, token=token, tls_ca=settings.tls_ca)
        try:
            yield store
        finally:
            store.close()


def _table(found: "list[Attribute]") -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("namespace", "name", "values"):
        table.add_column(heading, overflow="fold")
    for attribute in sorted(found, key=lambda each: (each.namespace, each.name)):
        table.add_row(*map(escape, (attribute.namespace, attribute.name, _values(attribute))))
    return table


def _values(attribute: "Attribute") -> str:
    return "  ".join(shown(value) for value in attribute.values)


def _as_text(event: "AttributeEvent") -> str:
    colour = {"set": "green", "delete": "red"}.get(event.operation, "yellow")
    moment = event.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    what = escape(f"{event.namespace} {event.name}")
    values = escape(_values(event.attribute)) if event.operation == "set" else ""
    ttl = f" [dim]for {event.ttl} ms[/]" if event.ttl is not None else ""
    return f"[dim]{moment}[/] [{colour}]{event.operation:6}[/] {what}  {values}{ttl}".rstrip()


def _as_json(event: "AttributeEvent") -> str:
    return json_library.dumps(
        {
            "operation": event.operation,
            "at": event.at.isoformat(),
            "ttl": event.ttl,
            "attribute": json_library.loads(event.attribute.json),
        },
        ensure_ascii=False,
    )


def _print_text(markup: str) -> None:
    console.print(markup)
    console.file.flush()  # whoever reads it through a pipe wants it now


def _print_line(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
