"""What video jobs work with where there is no node: the registry, the folder of frames, and objects. No Redis is needed."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from framedb.config import Settings
from framedb.extraction.contents import FrameContents, SharedContents
from framedb.extraction.jobs import Jobs
from framedb.extraction.uploads import uploads_before
from framedb.node.control_plane import ControlPlane, open_control_plane
from framedb.node.objects import open_objects
from framedb.placement.databases import LOCAL
from framedb.stores.files import FrameFolder
from framedb.tiering.objects import Objects


@dataclass(frozen=True, slots=True)
class ExtractionBackends:
    """Whoever opened them closes them."""

    settings: Settings
    plane: ControlPlane
    objects: Objects
    jobs: Jobs
    frames: FrameContents

    def close(self) -> None:
        """Close everything, the registry last."""
        self.plane.close()


def open_extraction(settings: Settings, data_dir: Path) -> ExtractionBackends:
    """Everything over the registry of the data folder, or of TIDB_URL; nothing is started."""
    plane = open_control_plane(settings, data_dir)
    objects = open_objects(plane)
    frames = open_contents(plane, data_dir)
    jobs = Jobs(plane.registry, frames, remove_object=objects.delete, uploads_before=partial(uploads_before, objects))
    return ExtractionBackends(settings, plane, objects, jobs, frames)


def open_contents(plane: ControlPlane, data_dir: Path) -> FrameContents:
    """The bytes of jobs' frames: in a folder, and where other machines may share the registry, where they can read them."""
    settings = plane.settings
    folder = FrameFolder((settings.frames_base_path or data_dir / "frames").resolve())
    if settings.tidb_url is None:
        return folder
    return SharedContents(folder, plane.registry, lambda: plane.instances.store(LOCAL), plane.routing.exclusively)
