"""The node: the one place that chooses backends, opens and closes them in order.

Here: starting the embedded engines, keeping them running, and handing everybody what they need. Not here: what is done
with frames (the flows below), or what people and programs touch (the faces above).
"""

from framedb.node.backends import Backends, open_backends
from framedb.node.node import Node

__all__ = ["Backends", "Node", "open_backends"]
