"""Choosing the backend of the frame queue by its URL."""

from typing import Any
from urllib.parse import urlsplit

from framedb.config import Settings
from framedb.errors import InvalidSettingError
from framedb.queueing.base import FRAME_QUEUE, Bounds, FrameQueue
from framedb.queueing.control import Control
from framedb.queueing.streams import StreamsQueue


def open_queue(
    control: Control,
    *,
    broker_url: str | None = None,
    name: str = FRAME_QUEUE,
    hold: float = 10.0,
    max_deliveries: int = 5,
    bounds: Bounds | None = None,
    timeout: float = 5.0,
) -> FrameQueue:
    """The frame queue: on RabbitMQ for an `amqp://` or `amqps://` URL, without one on the control server's streams.

    `hold` and `timeout` are in seconds. The servers need not be up yet. Raises InvalidSettingError for any other URL, and
    when RabbitMQ is asked for and its client library is not installed.
    """
    if not broker_url:
        return StreamsQueue(
            control, name=name, hold=hold, max_deliveries=max_deliveries, bounds=bounds, timeout=timeout
        )
    if urlsplit(broker_url).scheme not in ("amqp", "amqps"):
        # Not the URL itself: without `scheme://` nothing tells where in it a password may be.
        raise InvalidSettingError("the broker's URL is no amqp:// one: leave it out for streams on the control server")
    try:
        from framedb.queueing.amqp import AMQPQueue
    except ModuleNotFoundError as exc:
        raise InvalidSettingError(
            f'the frame queue on RabbitMQ needs {exc.name}: pip install "framedb[queue]"'
        ) from exc
    return AMQPQueue(
        broker_url, control, name=name, hold=hold, max_deliveries=max_deliveries, bounds=bounds, timeout=timeout
    )


def queue_options(settings: Settings) -> dict[str, Any]:
    """Options of `open_queue` as they are set: hold, deliveries, bound and policy."""
    return {
        "hold": settings.hold,
        "max_deliveries": settings.max_deliveries,
        "bounds": Bounds(settings.queue_max_length, settings.queue_policy),
    }
