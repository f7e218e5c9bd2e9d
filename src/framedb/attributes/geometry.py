"""Points, segments and where a segment crosses an area, with Savant's constructors and accessors.

Each holds a tuple that is never changed, only replaced: values share it, and handing one out copies nothing but the handle.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple, final

from framedb.attributes.scalars import float32, optional_text, uint64

PointContent = tuple[float, float]
"""x, y."""

IntersectionContent = tuple[int, tuple[tuple[int, str | None], ...]]
"""The kind's number, and (id, tag) of each edge."""


class IntersectionKind(IntEnum):
    """How a segment lies to an area."""

    Enter = 0
    Inside = 1
    Leave = 2
    Cross = 3
    Outside = 4

    def __repr__(self) -> str:
        return self.name


@final
class Point:
    """A point, in pixels; single precision, as on the wire."""

    __slots__ = ("_content",)

    def __init__(self, x: float, y: float) -> None:
        """Raises TypeError for what is no number."""
        self._content: PointContent = (float32(x), float32(y))

    @property
    def x(self) -> float:
        """Pixels from the left."""
        return self._content[0]

    @x.setter
    def x(self, x: float) -> None:
        self._content = (float32(x), self._content[1])

    @property
    def y(self) -> float:
        """Pixels from the top."""
        return self._content[1]

    @y.setter
    def y(self, y: float) -> None:
        self._content = (self._content[0], float32(y))

    def __eq__(self, other: object) -> bool:
        return self._content == other._content if isinstance(other, Point) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Point(x={self.x}, y={self.y})"


class Segment(NamedTuple):
    """A way from one point to another."""

    begin: Point
    end: Point


@final
class Intersection:
    """How a segment lies to an area, and which of its edges it crosses, by index and tag."""

    __slots__ = ("_content",)

    def __init__(self, kind: IntersectionKind, edges: Iterable[tuple[int, str | None]]) -> None:
        """Raises InvalidInputError for an edge id that is no unsigned integer of 64 bits, TypeError for other types."""
        if not isinstance(kind, IntersectionKind):
            raise TypeError(f"an IntersectionKind is needed, not {type(kind).__name__}")
        crossed = tuple([(uint64(number), optional_text(tag)) for number, tag in edges])
        self._content: IntersectionContent = (int(kind), crossed)

    @property
    def kind(self) -> IntersectionKind:
        """How the segment lies to the area."""
        return IntersectionKind(self._content[0])

    @property
    def edges(self) -> list[tuple[int, str | None]]:
        """The edges it crosses: index and tag."""
        return list(self._content[1])

    def __eq__(self, other: object) -> bool:
        return self._content == other._content if isinstance(other, Intersection) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._content)

    def __repr__(self) -> str:
        return f"Intersection(kind={self.kind!r}, edges={self.edges})"


def point_of(content: PointContent) -> Point:
    """A point of the caller's own with this content."""
    point = object.__new__(Point)
    point._content = content
    return point


def intersection_of(content: IntersectionContent) -> Intersection:
    """An intersection with this content."""
    intersection = object.__new__(Intersection)
    intersection._content = content
    return intersection
