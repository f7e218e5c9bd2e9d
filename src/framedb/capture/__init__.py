"""Capture: one camera's frames into a store, and their keys onto the queue.

Here: connecting and connecting again, capture times, the rate, back-pressure, health. Not here: how video is decoded
(`media`), where frames lie (`stores`), how keys travel (`queueing`), or who runs which camera (`worker`, `node`).
"""

from framedb.capture.camera import Camera
from framedb.capture.capture import CameraCapture, capture
from framedb.capture.health import CameraHealth
from framedb.capture.publisher import AnnouncingStore, Publisher

__all__ = ["AnnouncingStore", "Camera", "CameraCapture", "CameraHealth", "Publisher", "capture"]
