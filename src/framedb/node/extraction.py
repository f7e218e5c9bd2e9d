"""What video jobs work with where there is no node: the registry, the folder of frames, and objects. No Redis is needed."""

from dataclasses import dataclass
from pathlib import Path

from framedb.config import Settings
from framedb.extraction.jobs import Jobs
from framedb.node.control_plane import ControlPlane, open_control_plane
from framedb.node.objects import open_objects
from framedb.stores.files import FrameFolder
from framedb.tiering.objects import Objects


@dataclass(frozen=True, slots=True)
class ExtractionBackends:
    """Whoever opened them closes them."""

    settings: Settings
    plane: ControlPlane
    objects: Objects
    jobs: Jobs
    frames: FrameFolder

    def close(self) -> None:
        """Close everything, the registry last."""
        self.plane.close()


def open_extraction(settings: Settings, data_dir: Path) -> ExtractionBackends:
    """Everything over the registry of the data folder, or of TIDB_URL; nothing is started."""
    plane = open_control_plane(settings, data_dir)
    objects = open_objects(plane)
    frames = FrameFolder((settings.frames_base_path or data_dir / "frames").resolve())
    return ExtractionBackends(
        settings, plane, objects, Jobs(plane.registry, frames, remove_object=objects.delete), frames
    )
