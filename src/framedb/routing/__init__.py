"""Which cluster a source's frames go to, and which instance holds an object.

Here: `Locator`, the questions a reader or writer asks, and the tables' side of it. Not here: which cluster to choose
(`placement`), whether it is alive (`clusters`), or where a cluster's master is (`resp`).
"""

from framedb.routing.locator import Copy, Locator, ObjectRoute, Previous, Route
from framedb.routing.sql import SQLLocator

__all__ = ["Copy", "Locator", "ObjectRoute", "Previous", "Route", "SQLLocator"]
