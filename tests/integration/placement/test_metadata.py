"""What a mapping's metadata may be."""

from typing import Any

import pytest

from framedb.errors import InvalidInputError
from framedb.placement.policies import as_metadata, check_metadata
from framedb.stores.policy import SourcePolicy


@pytest.mark.parametrize(
    "metadata",
    [
        {"policy": "keep"}, {"policy": None}, {"policy": ["wait"]}, {"max_frames": 0}, {"max_frames": 1.5},
        {"max_frames": True}, {"max_bytes": "1gb"}, {"max_bytes": 2**60}, {"max_age_s": -1}, {"ttl_s": 0},
        {"ttl_s": "3600"}, {"sizes": "416x416"}, {"sizes": ["416"]}, {"sizes": ["0x1"]}, {"sizes": [416]},
        {"sizes": ["1x1"] * 65}, {"ref_count": -1}, {"ref_count": 1.0}, {"fps": 0}, {"fps": False}, {"fps": [1]},
    ],
)  # fmt: skip
def test_fields_that_are_read_have_types(metadata: dict[str, Any]) -> None:
    (field,) = metadata
    with pytest.raises(InvalidInputError, match=f"metadata field {field} must be"):
        check_metadata(metadata)


@pytest.mark.parametrize("metadata", [[1], "x", 1, {"a": float("nan")}, {"a": "\ud800"}, {"a": "x" * 70_000}])
def test_what_is_no_json_object_is_refused(metadata: Any) -> None:
    with pytest.raises(InvalidInputError, match="metadata"):
        check_metadata(metadata)


def test_metadata_that_nest_without_end_are_refused() -> None:
    nested: dict[str, Any] = {}
    for _ in range(100_000):
        nested = {"a": nested}
    with pytest.raises(InvalidInputError, match="metadata cannot be kept as JSON"):
        check_metadata(nested)


def test_the_rest_is_its_owners() -> None:
    metadata = {
        "policy": "wait", "max_frames": None, "max_bytes": 1, "max_age_s": 0.5, "ttl_s": None, "sizes": ["416x416"],
        "ref_count": 0, "fps": 12.5, "é": {"x": [None, True, "y"]},
    }  # fmt: skip
    assert check_metadata(metadata) == metadata
    assert check_metadata(None) == {}
    policy = SourcePolicy(policy="wait", max_frames=3, ttl_s=60.0)
    assert check_metadata(as_metadata(policy)) == as_metadata(policy)
