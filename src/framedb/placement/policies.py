"""Metadata of a mapping: the source's policy, what readers want to know, and whatever else its owner keeps there."""

import math
import re
from dataclasses import fields, replace
from typing import Any, get_args

from framedb.clusters.service import ClusterService
from framedb.config import Policy
from framedb.errors import InvalidInputError, NotFoundError
from framedb.routing import Route
from framedb.routing.checks import check_document
from framedb.stores.policy import SourcePolicy

POLICY_FIELDS = tuple(each.name for each in fields(SourcePolicy))
"""policy, max_frames, max_bytes, max_age_s, ttl_s. `null` for one of them: no such cap."""

_SIZE = re.compile(r"[1-9]\d{0,5}x[1-9]\d{0,5}")
_MOST_SIZES = 64
_LARGEST = 2**53  # beyond it scripts of the server cannot count


class Policies:
    """What is in force for a source: what its mapping says, and the default for what it leaves open."""

    def __init__(self, clusters: ClusterService, default: SourcePolicy) -> None:
        self._clusters = clusters
        self.default = default
        """The policy of a source whose mapping says nothing."""

    def of(self, route: Route) -> SourcePolicy:
        """The route's policy. One source takes at most an eighth of its cluster by default."""
        default = self.default
        if default.max_bytes is not None and route.cluster is not None and "max_bytes" not in route.metadata:
            try:
                eighth = self._clusters.info(route.cluster).spec.maxmemory_bytes // 8
            except NotFoundError:
                eighth = default.max_bytes
            default = replace(default, max_bytes=min(default.max_bytes, eighth))
        return replace(default, **{name: route.metadata[name] for name in POLICY_FIELDS if name in route.metadata})


def as_metadata(policy: SourcePolicy) -> dict[str, Any]:
    """The policy as metadata say it."""
    return {name: getattr(policy, name) for name in POLICY_FIELDS}


def check_metadata(metadata: Any) -> dict[str, Any]:
    """`metadata` themselves, if a mapping can have them; {} for None.

    Fields that FrameDB reads have their types: `policy`, `max_frames`, `max_bytes`, `max_age_s`, `ttl_s`, `sizes` (a list
    of `WxH`), `ref_count` and `fps`. Others are their owner's. Raises InvalidInputError that names the field.
    """
    checked = check_document("metadata", metadata)
    for name, check in _CHECKS.items():
        if name in checked:
            check(name, checked[name])
    return checked


def _check_policy(name: str, value: Any) -> None:
    if value not in get_args(Policy):
        raise InvalidInputError(f"metadata field {name} must be one of {', '.join(get_args(Policy))}")


def _check_count(name: str, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST):
        raise InvalidInputError(f"metadata field {name} must be a whole number of at least 1, or null for no such cap")


def _check_seconds(name: str, value: Any) -> None:
    if value is not None and not _is_positive(value):
        raise InvalidInputError(f"metadata field {name} must be a number of seconds over 0, or null for no such cap")


def _check_sizes(name: str, value: Any) -> None:
    if not isinstance(value, list) or len(value) > _MOST_SIZES or not all(_is_size(each) for each in value):
        raise InvalidInputError(
            f'metadata field {name} must be a list of sizes like ["416x416"], at most {_MOST_SIZES}'
        )


def _check_ref_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise InvalidInputError(f"metadata field {name} must be a whole number: how many consumers read each frame")


def _check_fps(name: str, value: Any) -> None:
    if not _is_positive(value):
        raise InvalidInputError(f"metadata field {name} must be a number over 0: frames per second")


def _is_size(value: Any) -> bool:
    return isinstance(value, str) and _SIZE.fullmatch(value) is not None


def _is_positive(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 < value <= 1e9 and math.isfinite(value)


_CHECKS = {
    "policy": _check_policy,
    "max_frames": _check_count,
    "max_bytes": _check_count,
    "max_age_s": _check_seconds,
    "ttl_s": _check_seconds,
    "sizes": _check_sizes,
    "ref_count": _check_ref_count,
    "fps": _check_fps,
}
