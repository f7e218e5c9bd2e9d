"""FrameDB: a frame store for video and AI pipelines.

import framedb

with framedb.connect() as db:
    db.put("reference:gate", open("gate.jpg", "rb").read(), durable=True)
    frame = db.latest("plant-a:gate")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framedb.client import AsyncFrameDB, FrameDB, connect, connect_async
    from framedb.client.dataset import FrameDataset
    from framedb.frame import CameraKey, Frame

__version__ = "0.1.0"
__all__ = ["AsyncFrameDB", "CameraKey", "Frame", "FrameDB", "FrameDataset", "__version__", "connect", "connect_async"]

_HOMES = {
    "AsyncFrameDB": "framedb.client",
    "CameraKey": "framedb.frame",
    "Frame": "framedb.frame",
    "FrameDB": "framedb.client",
    "FrameDataset": "framedb.client.dataset",
    "connect": "framedb.client",
    "connect_async": "framedb.client",
}


def __getattr__(name: str) -> Any:
    # Loaded when first named: programs that only need a part of FrameDB, servers being started among them, start faster.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'framedb' has no attribute {name!r}")
