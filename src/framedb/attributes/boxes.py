"""Boxes around what was seen, upright and rotated, with Savant's constructors and accessors."""

from math import atan2, ceil, copysign, cos, degrees, floor, hypot, radians, sin
from typing import Self, final

from framedb.attributes import convex
from framedb.attributes.geometry import Point
from framedb.attributes.polygons import PolygonalArea
from framedb.attributes.scalars import float32
from framedb.errors import InvalidInputError

BoxContent = tuple[float, float, float, float, float | None]
"""x and y of the centre, width, height, and the angle in degrees, or None."""


class _Box:
    """What both boxes have. What they hold is a tuple that is never changed, only replaced, so that values can share it."""

    __slots__ = ("_content", "_is_modified")
    _content: BoxContent
    _is_modified: bool

    @classmethod
    def ltrb(cls, left: float, top: float, right: float, bottom: float) -> Self:
        """The upright box between these sides."""
        return cls.ltwh(left, top, right - left, bottom - top)

    @classmethod
    def ltwh(cls, left: float, top: float, width: float, height: float) -> Self:
        """The upright box with this corner and size."""
        return cls._of((left + width / 2, top + height / 2, width, height, None))

    @classmethod
    def _of(cls, content: BoxContent) -> Self:
        box = object.__new__(cls)
        xc, yc, width, height, angle = content
        box._content = (
            float32(xc),
            float32(yc),
            float32(width),
            float32(height),
            None if angle is None else float32(angle),
        )
        box._is_modified = False
        return box

    @property
    def xc(self) -> float:
        """Pixels from the left to the centre."""
        return self._content[0]

    @xc.setter
    def xc(self, xc: float) -> None:
        self._modify((xc, *self._content[1:]))

    @property
    def yc(self) -> float:
        """Pixels from the top to the centre."""
        return self._content[1]

    @yc.setter
    def yc(self, yc: float) -> None:
        xc, _, width, height, angle = self._content
        self._modify((xc, yc, width, height, angle))

    @property
    def width(self) -> float:
        """Pixels."""
        return self._content[2]

    @width.setter
    def width(self, width: float) -> None:
        xc, yc, _, height, angle = self._content
        self._modify((xc, yc, width, height, angle))

    @property
    def height(self) -> float:
        """Pixels."""
        return self._content[3]

    @height.setter
    def height(self, height: float) -> None:
        xc, yc, width, _, angle = self._content
        self._modify((xc, yc, width, height, angle))

    @property
    def left(self) -> float:
        """Pixels from the left to the box; to set it moves the box. Raises InvalidInputError for a rotated one."""
        xc, _, width, _ = self._upright()
        return float32(xc - width / 2)

    @left.setter
    def left(self, left: float) -> None:
        self._upright()
        self.xc = left + self.width / 2

    @property
    def top(self) -> float:
        """Pixels from the top to the box; to set it moves the box. Raises InvalidInputError for a rotated one."""
        _, yc, _, height = self._upright()
        return float32(yc - height / 2)

    @top.setter
    def top(self, top: float) -> None:
        self._upright()
        self.yc = top + self.height / 2

    @property
    def right(self) -> float:
        """Pixels from the left to the far side. Raises InvalidInputError for a rotated box."""
        xc, _, width, _ = self._upright()
        return float32(xc + width / 2)

    @property
    def bottom(self) -> float:
        """Pixels from the top to the far side. Raises InvalidInputError for a rotated box."""
        _, yc, _, height = self._upright()
        return float32(yc + height / 2)

    @property
    def vertices(self) -> list[tuple[float, float]]:
        """The four corners: x, y."""
        return [(float32(x), float32(y)) for x, y in self._corners()]

    @property
    def vertices_rounded(self) -> list[tuple[float, float]]:
        """The four corners to the hundredth of a pixel."""
        return [(_hundredth(x), _hundredth(y)) for x, y in self._corners()]

    @property
    def vertices_int(self) -> list[tuple[int, int]]:
        """The four corners, fractions cut off."""
        return [(int(x), int(y)) for x, y in self.vertices]

    @property
    def wrapping_box(self) -> "BBox":
        """The smallest upright box around this one."""
        xs, ys = zip(*self._corners(), strict=True)
        return BBox.ltrb(min(xs), min(ys), max(xs), max(ys))

    def as_ltrb(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom. Raises InvalidInputError for a rotated box."""
        return self.left, self.top, self.right, self.bottom

    def as_ltrb_int(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the largest box of whole pixels within. Raises InvalidInputError for a rotated box."""
        return ceil(self.left), ceil(self.top), floor(self.right), floor(self.bottom)

    def as_ltwh(self) -> tuple[float, float, float, float]:
        """Left, top, width, height. Raises InvalidInputError for a rotated box."""
        return self.left, self.top, self.width, self.height

    def as_ltwh_int(self) -> tuple[int, int, int, int]:
        """Left and top rounded down, width and height rounded up. Raises InvalidInputError for a rotated box."""
        return floor(self.left), floor(self.top), ceil(self.width), ceil(self.height)

    def as_xcycwh(self) -> tuple[float, float, float, float]:
        """Centre, width, height."""
        return self._content[:4]

    def as_xcycwh_int(self) -> tuple[int, int, int, int]:
        """Centre, width, height, fractions cut off."""
        return int(self.xc), int(self.yc), int(self.width), int(self.height)

    def as_polygonal_area(self) -> PolygonalArea:
        """The area within the box."""
        return PolygonalArea([Point(x, y) for x, y in self._corners()])

    def shift(self, dx: float, dy: float) -> None:
        """Move the box by so many pixels."""
        xc, yc, width, height, angle = self._content
        self._modify((xc + dx, yc + dy, width, height, angle))

    def scale(self, scale_x: float, scale_y: float) -> None:
        """Fit the box to a picture that was scaled by these factors. A rotated one turns as its upright side does."""
        xc, yc, width, height, angle = self._content
        if not angle:
            self._modify((xc * scale_x, yc * scale_y, width * scale_x, height * scale_y, angle))
            return
        across, along = sin(radians(angle)), cos(radians(angle))
        width *= hypot(along * scale_x, across * scale_y)
        height *= hypot(across * scale_x, along * scale_y)
        self._modify((xc * scale_x, yc * scale_y, width, height, degrees(atan2(across * scale_x, along * scale_y))))

    def iou(self, other: Self) -> float:
        """What both boxes share, as a part of what they cover together. Raises InvalidInputError for a box without area."""
        mine, others, shared = self._areas(other)
        return float32(shared / (mine + others - shared))

    def ios(self, other: Self) -> float:
        """What both boxes share, as a part of this one. Raises InvalidInputError for a box without area."""
        mine, _, shared = self._areas(other)
        return float32(shared / mine)

    def ioo(self, other: Self) -> float:
        """What both boxes share, as a part of the other one. Raises InvalidInputError for a box without area."""
        _, others, shared = self._areas(other)
        return float32(shared / others)

    def eq(self, other: Self) -> bool:
        """Whether they are the same box."""
        return self == other

    def almost_eq(self, other: Self, eps: float) -> bool:
        """Whether each number differs by less than `eps`; no angle is an angle of 0."""
        pairs = zip(self._content, other._content, strict=True)
        return all(abs((mine or 0) - (others or 0)) < eps for mine, others in pairs)

    def copy(self) -> Self:
        """A box of its own, not modified."""
        return self._of(self._content)

    def is_modified(self) -> bool:
        """Whether it was changed since it was made."""
        return self._is_modified

    def _modify(self, content: BoxContent) -> None:
        self._content = self._of(content)._content
        self._is_modified = True

    def _upright(self) -> tuple[float, float, float, float]:
        xc, yc, width, height, angle = self._content
        if angle:
            raise InvalidInputError("a rotated box has no left, top, right or bottom: take those of its wrapping_box")
        return xc, yc, width, height

    def _corners(self) -> list[tuple[float, float]]:
        xc, yc, width, height, angle = self._content
        x, y = width / 2, height / 2
        if not angle:
            return [(xc - x, yc - y), (xc + x, yc - y), (xc + x, yc + y), (xc - x, yc + y)]
        across, along = sin(radians(angle)), cos(radians(angle))
        corners = ((x, y), (x, -y), (-x, -y), (-x, y))
        return [(xc + dx * along - dy * across, yc + dx * across + dy * along) for dx, dy in corners]

    def _areas(self, other: Self) -> tuple[float, float, float]:
        """This one's, the other's, and that of what they share."""
        if type(other) is not type(self):
            raise TypeError(f"a {type(self).__name__} is compared with its like, not with {type(other).__name__}")
        one, two = self._corners(), other._corners()
        mine, others = convex.area(one), convex.area(two)
        if not mine or not others:
            raise InvalidInputError("one of the boxes has no area, so that nothing can be a part of it")
        return mine, others, convex.shared_area(one, two)

    def __eq__(self, other: object) -> bool:
        return self._content == other._content if type(other) is type(self) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


@final
class RBBox(_Box):
    """A box by its centre, width and height, in pixels, and a rotation about the centre; single precision, as on the wire."""

    __slots__ = ()

    def __init__(self, xc: float, yc: float, width: float, height: float, angle: float | None = None) -> None:
        """`angle` is in degrees, clockwise as pictures are drawn. Raises TypeError for what is no number."""
        self._content = self._of((xc, yc, width, height, angle))._content
        self._is_modified = False

    @staticmethod
    def constructor(xc: float, yc: float, width: float, height: float, angle: float | None = None) -> "RBBox":
        """The same as the class itself."""
        return RBBox(xc, yc, width, height, angle)

    @property
    def angle(self) -> float | None:
        """Degrees, or None for an upright box."""
        return self._content[4]

    @angle.setter
    def angle(self, angle: float | None) -> None:
        self._modify((*self._content[:4], angle))

    @property
    def area(self) -> float:
        """Square pixels."""
        return float32(self.width * self.height)

    @property
    def width_to_height_ratio(self) -> float:
        """The width divided by the height. Raises InvalidInputError for a box without height."""
        if not self.height:
            raise InvalidInputError("a box without height has no ratio of width to height")
        return float32(self.width / self.height)

    def set_modifications(self, value: bool) -> None:
        """Say whether it counts as modified."""
        self._is_modified = bool(value)

    def __repr__(self) -> str:
        xc, yc, width, height, angle = self._content
        return f"RBBox(xc={xc}, yc={yc}, width={width}, height={height}, angle={angle})"


@final
class BBox(_Box):
    """An upright box by its centre, width and height, in pixels; single precision, as on the wire."""

    __slots__ = ()

    def __init__(self, xc: float, yc: float, width: float, height: float) -> None:
        """Raises TypeError for what is no number."""
        self._content = self._of((xc, yc, width, height, None))._content
        self._is_modified = False

    @staticmethod
    def constructor(xc: float, yc: float, width: float, height: float) -> "BBox":
        """The same as the class itself."""
        return BBox(xc, yc, width, height)

    def as_rbbox(self) -> RBBox:
        """The same box as one that may be rotated."""
        return box_of(self._content)

    def __repr__(self) -> str:
        xc, yc, width, height, _ = self._content
        return f"BBox(xc={xc}, yc={yc}, width={width}, height={height})"


def box_of(content: BoxContent) -> RBBox:
    """A box of the caller's own with this content."""
    box = object.__new__(RBBox)
    box._content = content
    box._is_modified = False
    return box


def _hundredth(number: float) -> float:
    """The nearest hundredth; from the middle away from 0."""
    return float32(copysign(floor(abs(float32(float32(number) * 100)) + 0.5), number) / 100)
