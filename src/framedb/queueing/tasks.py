"""Tasks: Celery messages that say there is work. What the work is stands in the registry."""

import logging

from celery import Celery
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

QUEUE = "framedb.tasks"
"""Not Celery's default queue: others may share the broker."""
RUN_CAMERAS = "framedb.cameras.run"
"""Cameras were added or removed."""
RUN_JOBS = "framedb.jobs.run"
"""Segments wait to be claimed."""


def celery_app(url: str) -> Celery:
    """The Celery application over a broker; it sends, and workers receive with it."""
    app = Celery("framedb", broker=url, set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        # A message that is lost or comes twice does no harm: workers look at the registry, and it is looked at anyway.
        task_acks_late=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"global_keyprefix": "celery:", "socket_timeout": 10, "socket_connect_timeout": 5},
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_prefetch_multiplier=1,
    )
    return app


class TaskSender:
    """Tells workers that there is work; when the broker is away they find out a little later by themselves."""

    def __init__(self, url: str) -> None:
        self._app = celery_app(url)

    def send(self, task: str) -> None:
        """Send one of the task names above."""
        try:
            self._app.send_task(task, expires=60, retry=False)
        except (OperationalError, OSError) as exc:
            logger.warning("no worker could be told of new work: %s", exc, extra={"task": task})

    def close(self) -> None:
        """Close the broker's connections."""
        self._app.close()
