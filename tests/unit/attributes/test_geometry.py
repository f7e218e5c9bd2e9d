"""Shapes measure what Savant's measure; where floats allow more than one answer, to single precision."""

from collections.abc import Callable
from math import cos, isclose, radians, sin
from typing import Any

import pytest
import savant_rs
from hypothesis import assume, given
from hypothesis import strategies as st

from framedb.attributes.boxes import BBox, RBBox
from framedb.attributes.geometry import IntersectionKind, Point, Segment
from framedb.attributes.polygons import PolygonalArea
from framedb.errors import InvalidInputError

savant = vars(savant_rs)["geometry"]

# Quarters of pixels: exact in single precision, so that both sides compute the same.
COORDINATES = st.integers(-400, 400).map(lambda quarters: quarters / 4)
SIDES = st.integers(1, 400).map(lambda quarters: quarters / 4)
ANGLES = st.integers(-90, 180).filter(bool)
UPRIGHT = st.tuples(COORDINATES, COORDINATES, SIDES, SIDES)
ROTATED = st.tuples(COORDINATES, COORDINATES, SIDES, SIDES, ANGLES)
POSITION, SIZE = st.integers(-8, 8), st.integers(4, 20)
POSITIONS = st.tuples(st.integers(-4, 4), st.integers(-4, 4))
OUTLINES = st.lists(POSITIONS, min_size=3, max_size=6, unique=True)

UPRIGHT_MEASURES = [
    "left",
    "top",
    "right",
    "bottom",
    "vertices",
    "vertices_rounded",
    "vertices_int",
    "as_ltrb",
    "as_ltrb_int",
    "as_ltwh",
    "as_ltwh_int",
    "as_xcycwh",
    "as_xcycwh_int",
]


@pytest.mark.parametrize("measure", UPRIGHT_MEASURES)
@given(box=UPRIGHT)
def test_an_upright_box_measures_as_savants(measure: str, box: tuple[float, float, float, float]) -> None:
    assert measured(BBox(*box), measure) == measured(savant.BBox(*box), measure)
    assert measured(RBBox(*box), measure) == measured(savant.RBBox(*box), measure)


@given(UPRIGHT)
def test_an_upright_box_is_made_of_its_sides_or_its_corner_as_savants(box: tuple[float, float, float, float]) -> None:
    kinds: list[tuple[type[BBox] | type[RBBox], Any]] = [(BBox, savant.BBox), (RBBox, savant.RBBox)]
    for own, other in kinds:
        assert own.ltwh(*box).as_xcycwh() == other.ltwh(*box).as_xcycwh()
        assert own.ltrb(*box).as_xcycwh() == other.ltrb(*box).as_xcycwh()
        assert own.constructor(*box).as_xcycwh() == box


@given(ROTATED)
def test_a_rotated_box_measures_as_savants(box: tuple[float, float, float, float, float]) -> None:
    own, other = RBBox(*box), savant.RBBox(*box)
    assert (own.area, own.width_to_height_ratio) == (other.area, other.width_to_height_ratio)
    assert_close(own.vertices, other.vertices)
    assert_close(own.vertices_rounded, other.vertices_rounded, within=0.011)
    assert_close(own.wrapping_box.as_ltrb(), other.wrapping_box.as_ltrb())


@given(UPRIGHT, st.integers(-89, 89).filter(bool), st.integers(1, 12), st.integers(1, 12))
def test_a_rotated_box_is_scaled_as_savants(
    sides: tuple[float, float, float, float], angle: int, quarters_x: int, quarters_y: int
) -> None:
    box = (*sides, angle)
    own, other = RBBox(*box), savant.RBBox(*box)
    own.scale(quarters_x / 4, quarters_y / 4)
    other.scale(quarters_x / 4, quarters_y / 4)
    assert_close(own.as_xcycwh(), other.as_xcycwh())
    assert_close(own.vertices, other.vertices, within=0.1)
    assert own.is_modified()


@pytest.mark.parametrize("angle", [90, -90, 270])
def test_a_box_on_its_side_is_scaled_the_other_way_round(angle: float) -> None:
    box = RBBox(1, 2, 4, 6, angle)
    box.scale(2, 3)
    assert_close(box.as_xcycwh(), (2, 6, 12, 12))
    assert_close(box.wrapping_box.as_ltrb(), (-4, 0, 8, 12))


@given(ROTATED, st.integers(1, 12))
def test_a_picture_scaled_alike_both_ways_turns_nothing(
    box: tuple[float, float, float, float, float], quarters: int
) -> None:
    own = RBBox(*box)
    own.scale(quarters / 4, quarters / 4)
    assert_close(own.vertices, [(x * quarters / 4, y * quarters / 4) for x, y in RBBox(*box).vertices])


@given(UPRIGHT, UPRIGHT)
def test_upright_boxes_share_what_savants_share(
    one: tuple[float, float, float, float], two: tuple[float, float, float, float]
) -> None:
    for measure in ("iou", "ios", "ioo"):
        expected = getattr(savant.BBox(*one), measure)(savant.BBox(*two))
        assert_close(getattr(BBox(*one), measure)(BBox(*two)), expected)


# Of some size: of what is far off and thin, Savant's single precision sees nothing.
@given(st.tuples(POSITION, POSITION, SIZE, SIZE, ANGLES), st.tuples(POSITION, POSITION, SIZE, SIZE, ANGLES))
def test_rotated_boxes_share_what_savants_share(
    one: tuple[float, float, float, float, float], two: tuple[float, float, float, float, float]
) -> None:
    assume(one[4] != two[4])  # Savant takes boxes of the same angle for upright ones
    for measure in ("iou", "ios", "ioo"):
        expected = getattr(savant.RBBox(*one), measure)(savant.RBBox(*two))
        assert_close(getattr(RBBox(*one), measure)(RBBox(*two)), expected, within=0.01)


BOXES = st.tuples(POSITION, POSITION, SIZE, SIZE)


@given(BOXES, BOXES, ANGLES)
def test_boxes_turned_together_share_as_much_as_before(
    one: tuple[float, float, float, float], two: tuple[float, float, float, float], angle: float
) -> None:
    for measure in (RBBox.iou, RBBox.ios, RBBox.ioo):
        assert_close(measure(turned(one, angle), turned(two, angle)), measure(RBBox(*one), RBBox(*two)))


def test_boxes_without_area_share_nothing_that_could_be_measured() -> None:
    for measure in (BBox.iou, BBox.ios, BBox.ioo):
        with pytest.raises(InvalidInputError, match="no area"):
            measure(BBox(0, 0, 1, 1), BBox(0, 0, 0, 1))
    with pytest.raises(TypeError):
        BBox(0, 0, 1, 1).iou(RBBox(0, 0, 1, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize("side", ["left", "top", "right", "bottom", "as_ltrb", "as_ltrb_int", "as_ltwh", "as_ltwh_int"])
def test_a_rotated_box_has_no_sides(side: str) -> None:
    with pytest.raises(InvalidInputError, match="wrapping_box"):
        measured(RBBox(0, 0, 1, 2, 30), side)
    with pytest.raises(InvalidInputError, match="wrapping_box"):
        RBBox(0, 0, 1, 2, 30).left = 1


def test_a_box_without_height_has_no_ratio() -> None:
    with pytest.raises(InvalidInputError):
        _ = RBBox(0, 0, 1, 0).width_to_height_ratio


CHANGES: list[Callable[[Any], object]] = [
    lambda box: setattr(box, "xc", 7),
    lambda box: setattr(box, "yc", 7),
    lambda box: setattr(box, "width", 7),
    lambda box: setattr(box, "height", 7),
    lambda box: setattr(box, "left", 7),
    lambda box: setattr(box, "top", 7),
    lambda box: box.shift(1, 2),
    lambda box: box.scale(2, 3),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_box_is_changed_as_savants_and_knows_it(change: Callable[[Any], object]) -> None:
    for own, other in ((BBox(10, 20, 4, 6), savant.BBox(10, 20, 4, 6)), (RBBox(1, 2, 3, 4), savant.RBBox(1, 2, 3, 4))):
        mine = own.copy()
        change(mine)
        change(other)
        assert mine.as_xcycwh() == other.as_xcycwh()
        assert mine.is_modified()
        assert not mine.copy().is_modified()
        assert mine != own
        assert not own.is_modified()


def test_an_angle_can_be_set_and_taken_away() -> None:
    box = RBBox(10, 20, 4, 6)
    box.angle = 45
    assert box == RBBox(10, 20, 4, 6, 45)
    box.angle = None
    assert box == RBBox(10, 20, 4, 6)
    box.set_modifications(False)
    assert not box.is_modified()


def test_boxes_are_equal_or_almost() -> None:
    box = RBBox(1, 2, 3, 4)
    assert box.eq(RBBox(1, 2, 3, 4))
    assert not box.eq(RBBox(1, 2, 3, 4, 0))
    assert box.almost_eq(RBBox(1.05, 2, 3, 4, 0), 0.1)
    assert not box.almost_eq(RBBox(1.125, 2, 3, 4), 0.125)
    assert box.as_polygonal_area() == BBox(1, 2, 3, 4).as_polygonal_area()
    assert BBox(1, 2, 3, 4).as_rbbox() == box
    assert BBox(1, 2, 3, 4) != box


@given(OUTLINES, POSITIONS)
def test_an_area_contains_what_savants_contains(outline: list[tuple[int, int]], at: tuple[int, int]) -> None:
    own, other = areas(outline)
    assume(not own.is_self_intersecting())
    assert own.contains(Point(*at)) == other.contains(savant.Point(*at))


@given(OUTLINES)
def test_an_area_crosses_itself_where_savants_does(outline: list[tuple[int, int]]) -> None:
    own, other = areas(outline)
    assert own.is_self_intersecting() == other.is_self_intersecting()


@given(OUTLINES, POSITIONS, POSITIONS)
def test_a_segment_lies_to_an_area_as_to_savants(
    outline: list[tuple[int, int]], begin: tuple[int, int], end: tuple[int, int]
) -> None:
    own, other = areas(outline)
    assume(not own.is_self_intersecting())
    mine = own.crossed_by_segment(Segment(Point(*begin), Point(*end)))
    theirs = other.crossed_by_segment(savant.Segment(savant.Point(*begin), savant.Point(*end)))
    assert mine.kind.name == repr(theirs.kind)
    assert sorted(mine.edges) == sorted(theirs.edges)


def test_the_edges_come_in_the_order_of_the_way() -> None:
    square = PolygonalArea([Point(-1, 1), Point(1, 1), Point(1, -1), Point(-1, -1)], ["up", None, "down", None])
    across = square.crossed_by_segment(Segment(Point(-2, 0), Point(2, 0)))
    back = square.crossed_by_segment(Segment(Point(0, -2), Point(0, 2)))
    assert (across.kind, across.edges) == (IntersectionKind.Cross, [(3, None), (1, None)])
    assert (back.kind, back.edges) == (IntersectionKind.Cross, [(2, "down"), (0, "up")])


def test_many_are_asked_at_once() -> None:
    square = BBox(0, 0, 2, 2).as_polygonal_area()
    points = [Point(0, 0), Point(3, 3)]
    segments = [Segment(Point(0, 0), Point(0.5, 0)), Segment(Point(0, 0), Point(3, 0))]
    lies = [square.crossed_by_segment(segment) for segment in segments]
    assert [each.kind for each in lies] == [IntersectionKind.Inside, IntersectionKind.Leave]
    assert square.contains_many_points(points) == [True, False]
    assert square.crossed_by_segments(segments) == lies
    assert PolygonalArea.points_positions([square, square], points, no_gil=True) == [[True, False]] * 2
    assert PolygonalArea.segments_intersections([square], segments) == [lies]


def test_an_area_without_points_holds_nothing() -> None:
    nothing = PolygonalArea([])
    assert not nothing.contains(Point(0, 0))
    assert not nothing.is_self_intersecting()
    assert nothing.crossed_by_segment(Segment(Point(0, 0), Point(1, 1))).kind == IntersectionKind.Outside


def turned(box: tuple[float, float, float, float], angle: float) -> RBBox:
    """The box after the whole picture was turned about its origin."""
    xc, yc, width, height = box
    across, along = sin(radians(angle)), cos(radians(angle))
    return RBBox(xc * along - yc * across, xc * across + yc * along, width, height, angle)


def areas(outline: list[tuple[int, int]]) -> tuple[PolygonalArea, Any]:
    own = PolygonalArea([Point(x, y) for x, y in outline])
    return own, savant.PolygonalArea([savant.Point(x, y) for x, y in outline])


def measured(shape: Any, measure: str) -> Any:
    answer = getattr(shape, measure)
    return answer() if callable(answer) else answer


def assert_close(own: Any, other: Any, within: float = 1e-3) -> None:
    if isinstance(own, list | tuple):
        assert len(own) == len(other)
        for mine, theirs in zip(own, other, strict=True):
            assert_close(mine, theirs, within)
    else:
        assert isclose(own, other, rel_tol=1e-4, abs_tol=within), (own, other)
