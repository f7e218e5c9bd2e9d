"""Where points and segments lie to a polygon.

Coordinates are in single precision, so that in Python's floats the sign of a turn comes out exact for any picture.
"""

from collections.abc import Sequence
from itertools import combinations

Position = tuple[float, float]
Edge = tuple[Position, Position]


def edges_of(points: Sequence[Position]) -> list[Edge]:
    """The edges of a polygon, each from the vertex of its index to the next, the last one back to the first."""
    return [(points[i - 1], points[i]) for i in range(1, len(points))] + [(points[-1], points[0])] if points else []


def is_on_edge(points: Sequence[Position], at: Position) -> bool:
    """Whether the position is on the polygon itself."""
    return any(_is_between(edge, at) and turn(*edge, at) == 0 for edge in edges_of(points))


def is_within(points: Sequence[Position], at: Position) -> bool:
    """Whether the polygon surrounds the position; where it crosses itself, by the even-odd rule. On an edge it does not."""
    return not is_on_edge(points, at) and _is_surrounded(points, at)


def is_covered(points: Sequence[Position], at: Position) -> bool:
    """Whether the position is within the polygon, or on it."""
    return is_on_edge(points, at) or _is_surrounded(points, at)


def crossed_edges(points: Sequence[Position], begin: Position, end: Position) -> list[int]:
    """Which edges a segment touches, by their indices, in the order it comes to them."""
    crossed = [(_way_to((begin, end), edge), index) for index, edge in enumerate(edges_of(points))]
    return [index for _, index in sorted((way, index) for way, index in crossed if way is not None)]


def crosses_itself(points: Sequence[Position]) -> bool:
    """Whether two edges cross or run along each other; that a vertex touches an edge is no crossing."""
    if len(points) > 1 and points[0] == points[-1]:
        points = points[:-1]
    edges = edges_of(points)
    degenerate = len(points) > 1 and any(begin == end for begin, end in edges)
    return degenerate or any(_cross(one, other) or _overlap(one, other) for one, other in combinations(edges, 2))


def turn(a: Position, b: Position, c: Position) -> float:
    """Positive where the way from `a` over `b` to `c` turns to one side, negative to the other, 0 where it is straight."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _is_surrounded(points: Sequence[Position], at: Position) -> bool:
    surrounded = False
    for begin, end in edges_of(points):
        if (begin[1] > at[1]) != (end[1] > at[1]) and (turn(begin, end, at) > 0) == (end[1] > begin[1]):
            surrounded = not surrounded
    return surrounded


def _is_between(edge: Edge, at: Position) -> bool:
    """Whether the position is in the upright rectangle around the edge."""
    (x1, y1), (x2, y2) = edge
    return min(x1, x2) <= at[0] <= max(x1, x2) and min(y1, y2) <= at[1] <= max(y1, y2)


def _cross(one: Edge, other: Edge) -> bool:
    """Whether each has its ends on both sides of the other."""
    return _parts(one, other) and _parts(other, one)


def _parts(line: Edge, edge: Edge) -> bool:
    a, b = turn(*line, edge[0]), turn(*line, edge[1])
    return (a < 0 < b) or (b < 0 < a)


def _overlap(one: Edge, other: Edge) -> bool:
    """Whether they run along each other for a way, however short."""
    if turn(*one, other[0]) != 0 or turn(*one, other[1]) != 0:
        return False
    shared = {at for at in (*one, *other) if _is_between(one, at) and _is_between(other, at)}
    return len(shared) > 1


def _way_to(segment: Edge, edge: Edge) -> float | None:
    """How much of a segment, from 0 to 1, lies before the first position it shares with an edge; None if there is none."""
    begin, end = segment
    ahead, behind = turn(*edge, begin), turn(*edge, end)
    if ahead == behind == 0:
        met = [_share(segment, at) for at in edge if _is_between(segment, at)]
        met += [_share(segment, at) for at in segment if _is_between(edge, at)]
        return min(met, default=None)
    if _same_side(ahead, behind) or _same_side(turn(*segment, edge[0]), turn(*segment, edge[1])):
        return None
    return ahead / (ahead - behind)


def _same_side(a: float, b: float) -> bool:
    return (a > 0 and b > 0) or (a < 0 and b < 0)


def _share(segment: Edge, at: Position) -> float:
    (x1, y1), (x2, y2) = segment
    if x1 == x2 and y1 == y2:
        return 0.0
    return (at[0] - x1) / (x2 - x1) if abs(x2 - x1) >= abs(y2 - y1) else (at[1] - y1) / (y2 - y1)
