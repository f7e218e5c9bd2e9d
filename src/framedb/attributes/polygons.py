"""Areas bounded by polygons."""

from collections.abc import Iterable, Sequence
from typing import final

from framedb.attributes import crossings
from framedb.attributes.geometry import Intersection, IntersectionKind, Point, PointContent, Segment
from framedb.attributes.scalars import optional_text
from framedb.errors import InvalidInputError

PolygonContent = tuple[tuple[PointContent, ...], tuple[str | None, ...] | None]
"""The vertices, and the tag of each edge, which begins at the vertex of the same index."""

_KINDS = {
    (True, True): IntersectionKind.Inside,
    (False, True): IntersectionKind.Enter,
    (True, False): IntersectionKind.Leave,
}
"""By whether the beginning is inside, and the end."""


@final
class PolygonalArea:
    """An area bounded by a polygon, whose edges may carry tags. It is never changed."""

    __slots__ = ("_content",)

    def __init__(self, vertices: Iterable[Point], tags: Sequence[str | None] | None = None) -> None:
        """Raises InvalidInputError unless there are as many tags as vertices, or none at all."""
        self._content = polygon_content(tuple([_content_of(vertex) for vertex in vertices]), tags)

    def get_tag(self, edge: int) -> str | None:
        """The tag of the edge that begins at this vertex. Raises InvalidInputError for one that is not there."""
        tags = self._content[1]
        if tags is None:
            return None
        if not 0 <= edge < len(tags):
            raise InvalidInputError(f"there is no edge {edge}: the area has {len(tags)}")
        return tags[edge]

    def contains(self, p: Point) -> bool:
        """Whether the point is within the area; on its edge it is not. Of one that crosses itself, by even-odd."""
        return crossings.is_within(self._content[0], _content_of(p))

    def contains_many_points(self, points: Iterable[Point]) -> list[bool]:
        """Of each point, whether it is within the area."""
        return [self.contains(point) for point in points]

    def crossed_by_segment(self, segment: Segment) -> Intersection:
        """How the segment lies to the area, and the edges it touches in the order it comes to them; the edge is inside."""
        points, tags = self._content
        begin, end = _content_of(segment.begin), _content_of(segment.end)
        edges = crossings.crossed_edges(points, begin, end)
        inside = crossings.is_covered(points, begin), crossings.is_covered(points, end)
        kind = _KINDS.get(inside, IntersectionKind.Cross if edges else IntersectionKind.Outside)
        return Intersection(kind, [(edge, None if tags is None else tags[edge]) for edge in edges])

    def crossed_by_segments(self, segments: Iterable[Segment]) -> list[Intersection]:
        """How each segment lies to the area."""
        return [self.crossed_by_segment(segment) for segment in segments]

    def is_self_intersecting(self) -> bool:
        """Whether two of its edges cross or run along each other."""
        return crossings.crosses_itself(self._content[0])

    def build_polygon(self) -> None:
        """Nothing: it is there because Savant's area prepares itself here."""

    @staticmethod
    def points_positions(
        polys: Iterable["PolygonalArea"], points: Sequence[Point], no_gil: bool = False
    ) -> list[list[bool]]:
        """Of each area, which of the points are within. `no_gil` changes nothing."""
        return [area.contains_many_points(points) for area in polys]

    @staticmethod
    def segments_intersections(
        polys: Iterable["PolygonalArea"], segments: Sequence[Segment], no_gil: bool = False
    ) -> list[list[Intersection]]:
        """To each area, how the segments lie. `no_gil` changes nothing."""
        return [area.crossed_by_segments(segments) for area in polys]

    def __eq__(self, other: object) -> bool:
        return self._content == other._content if isinstance(other, PolygonalArea) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._content)

    def __repr__(self) -> str:
        points, tags = self._content
        return f"PolygonalArea(vertices={list(points)}, tags={tags if tags is None else list(tags)})"


def polygon_content(points: tuple[PointContent, ...], tags: Iterable[str | None] | None) -> PolygonContent:
    """What an area says. Raises InvalidInputError unless there are as many tags as points, or none at all."""
    if tags is None:
        return points, None
    named = tuple([optional_text(tag) for tag in tags])
    if len(named) != len(points):
        raise InvalidInputError(
            f"{len(points)} vertices, {len(named)} tags: give one, or None, for each edge, or none at all"
        )
    return points, named


def polygon_of(content: PolygonContent) -> PolygonalArea:
    """An area with this content."""
    area = object.__new__(PolygonalArea)
    area._content = content
    return area


def _content_of(vertex: Point) -> PointContent:
    if not isinstance(vertex, Point):
        raise TypeError(f"a vertex is a Point, not {type(vertex).__name__}")
    return vertex._content
