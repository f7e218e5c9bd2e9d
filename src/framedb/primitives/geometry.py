"""Shapes under the names that Savant's `primitives.geometry` has for them."""

from framedb.attributes.boxes import BBox, RBBox
from framedb.attributes.geometry import Intersection, IntersectionKind, Point, Segment
from framedb.attributes.polygons import PolygonalArea

__all__ = ["BBox", "Intersection", "IntersectionKind", "Point", "PolygonalArea", "RBBox", "Segment"]
