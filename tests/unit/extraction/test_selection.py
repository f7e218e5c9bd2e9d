"""Choosing frames."""

import json
from math import inf, nan
from typing import Any

import pytest

from framedb.errors import InvalidInputError
from framedb.extraction.selection import Selection


@pytest.mark.parametrize(
    "document",
    [
        {"interval": 5.0},
        {"fps": 2, "start": 1.0, "stop": 2.5},
        {"every": True},
        {"keyframes": True},
        {"count": 20},
        {"times": [1.5, 3.0]},
        {"scenes": 0.3},
    ],
)
def test_a_selection_survives_json(document: dict[str, Any]) -> None:
    selection = Selection.from_dict(document)
    assert Selection.from_dict(json.loads(json.dumps(selection.to_dict()))) == selection


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "nothing is chosen"),
        ({"every": False}, "nothing is chosen"),
        ({"interval": 1, "fps": 1}, "interval and fps"),
        ({"interval": 0}, "more than 0"),
        ({"interval": -1}, "more than 0"),
        ({"interval": nan}, "more than 0"),
        ({"interval": inf}, "more than 0"),
        ({"interval": "5"}, "cannot be '5'"),
        ({"interval": True}, "cannot be True"),
        ({"fps": 0}, "more than 0"),
        ({"count": 0}, "from 1"),
        ({"count": 2.5}, "cannot be 2.5"),
        ({"times": []}, "from 1"),
        ({"times": [-1]}, "0 or more"),
        ({"times": [nan]}, "0 or more"),
        ({"times": [1], "start": 0}, "leave start and stop out"),
        ({"scenes": 1.5}, "between 0 and 1"),
        ({"interval": 1, "start": -1}, "0 or more"),
        ({"interval": 1, "start": 3, "stop": 3}, "not after"),
        ({"intervall": 1}, "no such choice"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_reason(document: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        Selection.from_dict(document)
