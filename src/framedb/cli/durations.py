"""Seconds, as people type them."""

import math
import re

from framedb.errors import InvalidInputError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def seconds(text: str) -> float:
    """The seconds of `5`, `5s`, `500ms`, `1m30s`, `1:30` or `01:02:03.5`. Raises InvalidInputError for anything else."""
    text = text.strip().lower()
    try:
        if ":" in text:
            parts = [float(part) for part in text.split(":")]
            found = sum(part * 60.0**power for power, part in enumerate(reversed(parts)))
            legal = len(parts) <= 3 and min(parts) >= 0
        elif match := re.fullmatch(f"(?:{_PART.pattern})+", text):
            found = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(match[0]))
            legal = True
        else:
            found, legal = float(text), True
    except ValueError:
        legal = False
    if not legal or not math.isfinite(found):
        raise InvalidInputError(f"{text!r} is no time: give seconds, as 5, 0.5, 500ms, 1m30s or 1:30")
    return found
