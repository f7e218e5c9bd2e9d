"""What a node and its children work with, opened over engines that run already."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine

from framedb.capture.cameras import Cameras
from framedb.config import Settings
from framedb.errors import EngineError
from framedb.extraction.contents import FrameContents
from framedb.extraction.jobs import Jobs
from framedb.extraction.uploads import uploads_before
from framedb.frame import NO_SOURCE
from framedb.node.control_plane import ControlPlane, control_endpoint, open_control_plane
from framedb.node.extraction import open_contents
from framedb.node.objects import open_objects
from framedb.placement.placement import FIRST
from framedb.queueing.base import FrameQueue
from framedb.queueing.opening import open_queue, queue_options
from framedb.queueing.tasks import TaskSender
from framedb.registry import Leases
from framedb.resp import Endpoint
from framedb.tiering.durable import DurableTier
from framedb.tiering.objects import Objects
from framedb.tiering.tiers import Tiers


@dataclass(frozen=True, slots=True)
class Backends:
    """Every backend, chosen. Whoever opened them closes them."""

    settings: Settings
    data_dir: Path
    plane: ControlPlane
    tiers: Tiers
    durable: DurableTier
    objects: Objects
    leases: Leases
    cameras: Cameras
    jobs: Jobs
    frames: FrameContents
    tasks: TaskSender
    control: Endpoint

    def open_queue(self, **options: Any) -> FrameQueue:
        """One more connection to the frame queue, for one thread."""
        given = {**queue_options(self.settings), **options}
        return open_queue(self.control, broker_url=broker_url(self.settings), **given)

    def close(self) -> None:
        """Close everything, the registry last."""
        self.tasks.close()
        self.tiers.close()
        self.plane.close()


def open_backends(settings: Settings, data_dir: Path, *, registry: Engine | None = None) -> Backends:
    """Everything over running engines. The node starts them; its children find them in the data folder."""
    plane = open_control_plane(settings, data_dir, registry=registry)
    control = control_endpoint(settings, plane.driver)
    if control is None:
        raise EngineError(f"{data_dir} has no control server: start the node with `framedb up` first")
    objects = open_objects(plane)

    def superseded(source: str, keys: list[str]) -> None:
        if source == NO_SOURCE:
            plane.connections.memory(FIRST).delete_many(keys, source=source)
        else:
            plane.connections.release(plane.placement.route(source), keys)

    durable = DurableTier(
        plane.instances.store("local"),
        plane.routing,
        superseded=superseded,
        mark_durable=lambda source: plane.placement.place(source, durable=True),
        remove_copies=objects.remove_copies,
    )
    frames = open_contents(plane, data_dir)
    return Backends(
        settings=settings,
        data_dir=data_dir,
        plane=plane,
        tiers=Tiers(
            plane.placement,
            durable,
            clusters=plane.clusters_with_frames,
            timeout=settings.connect_timeout,
            wait=settings.wait,
        ),
        durable=durable,
        objects=objects,
        leases=Leases(plane.registry),
        cameras=Cameras(plane.registry),
        jobs=Jobs(
            plane.registry, frames, remove_object=objects.delete, uploads_before=partial(uploads_before, objects)
        ),
        frames=frames,
        tasks=TaskSender(tasks_url(settings, control)),
        control=control,
    )


def broker_url(settings: Settings) -> str | None:
    """The frame queue's broker, where it is not the control server."""
    return settings.broker_url.get_secret_value() if settings.broker_url else None


def tasks_url(settings: Settings, control: Endpoint) -> str:
    """Celery's broker: RabbitMQ where there is one, else the control server."""
    broker = broker_url(settings)
    if broker:
        return broker
    return f"redis://:{quote(control.password or '', safe='')}@{control.host}:{control.port}/0"
