"""Attributes, their values and shapes, under the names that Savant's `primitives` has for them.

Here: the import path: `framedb.primitives` for `savant_rs.primitives`, its `geometry` included.
Not here: the classes themselves, which live in `attributes`.
"""

from framedb.attributes.attribute import Attribute
from framedb.attributes.kinds import AttributeValueType
from framedb.attributes.values import AttributeValue, AttributeValuesView
from framedb.primitives.geometry import BBox, Intersection, IntersectionKind, Point, PolygonalArea, RBBox, Segment

__all__ = [
    "Attribute",
    "AttributeValue",
    "AttributeValueType",
    "AttributeValuesView",
    "BBox",
    "Intersection",
    "IntersectionKind",
    "Point",
    "PolygonalArea",
    "RBBox",
    "Segment",
]
