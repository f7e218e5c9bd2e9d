"""The web page of a node.

Here: its templates, styles and scripts, and the routes that hand them out, with the newest jobs already in the page. Not here:
all other data, which the page's script asks of the node's own HTTP API, as any other client does.
"""

from framedb.server.ui.page import PARTS, Part, ui_router

__all__ = ["PARTS", "Part", "ui_router"]
