"""The control server, as the queues see it: its failures are theirs."""

from collections.abc import Iterator
from contextlib import contextmanager

from framedb.errors import QueueError, QueueFullError, QueueUnavailableError, StoreError
from framedb.errors import StoreFullError as ControlFullError
from framedb.errors import StoreUnavailableError as ControlUnavailableError
from framedb.resp import Endpoint, Redis, open_redis, translated

Control = Endpoint | Redis
"""The control server: where it is, or a client that whoever opened it will close."""


def control_client(control: Control, *, timeout: float) -> tuple[Redis, bool]:
    """A client, and whether it was opened here and is to be closed here. Does not need the server to be up."""
    if isinstance(control, Endpoint):
        return open_redis(control, timeout=timeout), True
    return control, False


@contextmanager
def queue_errors(where: str) -> Iterator[None]:
    """Errors of the server behind a queue become the queue's, with their cause."""
    try:
        with translated(where):
            yield
    except ControlFullError as exc:
        raise QueueFullError(f"{where} is at its maxmemory: let workers drain the queue, or raise maxmemory") from exc
    except ControlUnavailableError as exc:
        raise QueueUnavailableError(str(exc)) from exc
    except StoreError as exc:
        raise QueueError(str(exc)) from exc
