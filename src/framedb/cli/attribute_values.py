"""Values of attributes as people type and read them: `42`, `1.5`, `true`, `hello`, or `TYPE:VALUE`."""

from collections.abc import Callable
from pathlib import Path

from framedb.attributes.boxes import RBBox
from framedb.attributes.geometry import Point
from framedb.attributes.values import AttributeValue
from framedb.errors import InvalidInputError

HELP = (
    "A whole number, a number, true, false, or text; else, and for what begins with a dash, TYPE:VALUE with one of these "
    "types: int, float, bool, str, ints, floats, bools, strs (with commas between), bytes (of the file that VALUE names), "
    "point (x,y), bbox (xc,yc,width,height[,angle]), none, json (any value in its JSON form)."
)


def typed(text: str) -> AttributeValue:
    """The value that was typed. Raises InvalidInputError."""
    kind, colon, rest = text.partition(":")
    if not colon or kind not in _TYPES:
        return _guessed(text)
    try:
        return _TYPES[kind](rest)
    except InvalidInputError:
        raise
    except OSError as exc:
        raise InvalidInputError(f"cannot read {rest}: {exc.strerror}") from exc
    except (ValueError, TypeError) as exc:
        raise InvalidInputError(f"{rest!r} is no {kind}: {_FORMS.get(kind, 'see --help')}") from exc


def shown(value: AttributeValue) -> str:
    """The value on one line: text and numbers as they are, anything else as its JSON."""
    for plain in (value.as_string(), value.as_integer(), value.as_float()):
        if plain is not None:
            return str(plain)
    truth = value.as_boolean()
    if truth is not None:
        return str(truth).lower()
    blob = value.as_bytes()
    if blob is not None:
        return f"{len(blob[1])} bytes, dims {list(blob[0])}"
    return "none" if value.is_none() else value.json


def _guessed(text: str) -> AttributeValue:
    for kind in ("int", "float", "bool"):
        try:
            return _TYPES[kind](text)
        except (ValueError, TypeError):
            continue
    return AttributeValue.string(text)


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _parts(text: str) -> list[str]:
    return text.split(",") if text else []


def _numbers(text: str) -> list[float]:
    return [float(part) for part in _parts(text)]


def _file(path: str) -> AttributeValue:
    blob = Path(path).read_bytes()
    return AttributeValue.bytes([len(blob)], blob)


def _none(text: str) -> AttributeValue:
    if text:
        raise ValueError(text)
    return AttributeValue.none()


_TYPES: dict[str, Callable[[str], AttributeValue]] = {
    "int": lambda text: AttributeValue.integer(int(text)),
    "float": lambda text: AttributeValue.float(float(text)),
    "bool": lambda text: AttributeValue.boolean(_boolean(text)),
    "str": AttributeValue.string,
    "ints": lambda text: AttributeValue.integers([int(part) for part in _parts(text)]),
    "floats": lambda text: AttributeValue.floats(_numbers(text)),
    "bools": lambda text: AttributeValue.booleans([_boolean(part) for part in _parts(text)]),
    "strs": lambda text: AttributeValue.strings(_parts(text)),
    "bytes": _file,
    "point": lambda text: AttributeValue.point(Point(*_numbers(text))),
    "bbox": lambda text: AttributeValue.bbox(RBBox(*_numbers(text))),
    "none": _none,
    "json": AttributeValue.from_json,
}
_FORMS = {
    "int": "give a whole number",
    "float": "give a number",
    "bool": "give true or false",
    "ints": "give whole numbers with commas between",
    "floats": "give numbers with commas between",
    "bools": "give true and false with commas between",
    "point": "give x,y",
    "bbox": "give xc,yc,width,height, and the angle if it has one",
    "none": "give nothing behind the colon",
}
