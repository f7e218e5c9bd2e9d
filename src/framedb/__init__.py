"""FrameDB: a frame store for video and AI pipelines.

    import framedb

    with framedb.connect() as db:
        db.put("reference:gate", open("gate.jpg", "rb").read(), durable=True)
        frame = db.latest("plant-a:gate")
"""

from typing import TYPE_CHECKING, Any

from framedb.frame import CameraKey, Frame

if TYPE_CHECKING:
    from framedb.client import FrameDB, connect

__version__ = "0.1.0"
__all__ = ["CameraKey", "Frame", "FrameDB", "__version__", "connect"]


def __getattr__(name: str) -> Any:
    # The client brings network libraries with it; whoever only names a Frame need not load them.
    if name in ("FrameDB", "connect"):
        from framedb import client

        return getattr(client, name)
    raise AttributeError(f"module 'framedb' has no attribute {name!r}")
