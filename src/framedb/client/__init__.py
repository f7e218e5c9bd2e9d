"""The SDK: what a program uses to put frames in and get them out.

Here: `connect` and what it answers; the node is found over HTTP, the bytes then go straight to the engines. Not here:
anything that opens a database or starts a server (`node`): this room installs light.
"""

from framedb.client.asynchronous import AsyncFrameDB, connect_async
from framedb.client.database import FrameDB, connect

__all__ = ["AsyncFrameDB", "FrameDB", "connect", "connect_async"]
