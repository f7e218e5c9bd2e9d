"""Which cluster a source's frames go to, and which instance holds an object.

Here: `Locator`, the questions a reader or writer asks, and the tables' side of it, with the choice of the cluster that has
least to carry, which must be made in the transaction that takes it. Not here: moving frames, policies and epochs onto
clusters (`placement`), whether a cluster is alive (`clusters`), or where its master is (`resp`).
"""

from framedb.routing.locator import ClusterLoad, Copy, Locator, ObjectRoute, Previous, Route, StreamRoute
from framedb.routing.sql import SQLLocator

__all__ = ["ClusterLoad", "Copy", "Locator", "ObjectRoute", "Previous", "Route", "SQLLocator", "StreamRoute"]
