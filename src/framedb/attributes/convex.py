"""Areas of convex polygons and of what two of them share."""

from collections.abc import Sequence
from itertools import pairwise

from framedb.attributes.crossings import Position, edges_of, turn


def area(points: Sequence[Position]) -> float:
    """The area of a polygon, whichever way it is drawn."""
    return abs(_signed_area(points))


def shared_area(one: Sequence[Position], other: Sequence[Position]) -> float:
    """The area that two convex polygons share."""
    shared = list(one)
    side = 1.0 if _signed_area(other) >= 0 else -1.0
    for begin, end in edges_of(other):
        shared = _cut(shared, begin, end, side)
    return area(shared)


def _signed_area(points: Sequence[Position]) -> float:
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in edges_of(points)) / 2


def _cut(points: Sequence[Position], begin: Position, end: Position, side: float) -> list[Position]:
    """What is left of a polygon on one side of a line."""
    kept: list[Position] = []
    sides = [side * turn(begin, end, point) for point in points]
    around = list(zip(points, sides, strict=True))
    for (point, here), (following, there) in pairwise([*around, *around[:1]]):
        if here >= 0:
            kept.append(point)
        if (here < 0 < there) or (there < 0 < here):
            share = here / (here - there)
            kept.append((point[0] + share * (following[0] - point[0]), point[1] + share * (following[1] - point[1])))
    return kept
