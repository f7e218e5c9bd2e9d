"""Objects as messages, and what messages give as arguments."""

import json
from datetime import datetime
from math import isfinite
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from framedb.errors import InvalidInputError
from framedb.frame import to_microseconds
from framedb.proto import objects_pb2 as pb
from framedb.stores.base import KEEP
from framedb.tiering.objects import StoredObject

STREAM = "stream"
"""The type of what is put into a queue instead of under a key."""


def stat_of(stored: StoredObject) -> pb.ObjectStat:
    """What is known about an object."""
    return pb.ObjectStat(
        key=stored.key,
        framedb_id=stored.framedb_id,
        type=stored.type,
        size=stored.size,
        metadata=metadata_text(stored.metadata),
        version=stored.version,
        encoding=stored.encoding,
        stored_at=_timestamp(stored.stored_at),
        expires_at=None if stored.expires_at is None else _timestamp(stored.expires_at),
    )


def metadata_of(text: str) -> dict[str, Any] | None:
    """The JSON object that a message carries; None for nothing. Raises InvalidInputError for anything else."""
    if not text.strip():
        return None
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InvalidInputError(f"metadata is no JSON: {exc}") from exc
    if not isinstance(metadata, dict):
        raise InvalidInputError(f"metadata must be a JSON object, not {type(metadata).__name__}")
    return metadata


def metadata_text(metadata: Any) -> str:
    """Metadata as a message carries it: compact, in plain text."""
    return json.dumps(dict(metadata), ensure_ascii=False, separators=(",", ":"))


def lifetime_of(ttl: float) -> float:
    """Seconds to keep an object. Raises InvalidInputError for what is no time to live."""
    if not ttl > 0 or not isfinite(ttl):
        raise InvalidInputError(f"a time to live of {ttl} seconds is not possible: give more than 0, or none at all")
    return ttl


def optional_ttl(message: pb.PutObjectHeader) -> float | None:
    """The TTL of a new object; None: as the instance is set."""
    return lifetime_of(message.ttl) if message.HasField("ttl") else None


def expiry_of(message: pb.ExpireObjectRequest) -> float:
    """The TTL an object gets; KEEP for none."""
    return lifetime_of(message.ttl) if message.HasField("ttl") else KEEP


def _timestamp(time: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromMicroseconds(to_microseconds(time))
    return timestamp
