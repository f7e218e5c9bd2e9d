"""`framedb work`: a function is called with every frame."""

from dataclasses import asdict
from typing import Annotated

import typer

from framedb.cli.output import console, database, log_for_people, print_json
from framedb.cli.signals import stop_on_signals

EXAMPLE = "Example: framedb work myjob:score   (myjob.py has `def score(frame): ...`)"


def work(
    function: Annotated[str, typer.Argument(help="MODULE:FUNCTION; it is called with one Frame.")],
    hold: Annotated[
        float | None,
        typer.Option(help="Seconds of silence after which another worker takes over. Default: FRAMEDB_HOLD."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print every step as a JSON line.")] = False,
) -> None:
    """Call a function with every frame that is announced: read, work, acknowledge, release."""
    from framedb.config import read_settings
    from framedb.worker import Event, Worker, load_handler

    stop = stop_on_signals()
    log_for_people()

    def tell(event: Event) -> None:
        print_json(asdict(event))

    with database() as db:
        settings = read_settings(hold=hold)
        db.connection()  # a wrong FRAMEDB_URL is told at once; a node that goes away later is waited for
        worker = Worker(
            db,
            lambda: db.queue(hold=settings.hold),
            load_handler(function),
            hold=settings.hold,
            watch=tell if json else None,
        )
        if not json:
            console.print(f"working with {function}; stop with Ctrl-C", markup=False)
        worker.run(stop)
    if not json:
        stats = worker.stats
        console.print(
            f"{stats.done} frames done, {stats.redelivered} redelivered, {stats.failed} failed, {stats.gone} gone"
        )
