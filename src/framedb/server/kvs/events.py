"""What a watcher is sent of a change, made once however many watch."""

import json
from functools import cached_property

from framedb.attributes.encoding import encode
from framedb.attributes.subscriptions import Change

_NANOS = 1_000_000_000


class Event:
    """One change, as it goes over the wire."""

    def __init__(self, change: Change) -> None:
        self._change = change

    @cached_property
    def size(self) -> int:
        """About the bytes that wait while it does."""
        return sum(record.size for record in self._change.records)

    @cached_property
    def meta(self) -> str:
        """A JSON array with an object for each attribute; a change that touched nothing has none."""
        change = self._change
        seconds, nanos = divmod(change.timestamp_ns, _NANOS)
        said = {
            "operation": change.operation,
            "timestamp": {"nanos_since_epoch": nanos, "secs_since_epoch": seconds},
            **({"ttl": change.ttl} if change.operation == "set" else {}),
        }
        told = [{"name": record.name, "namespace": record.namespace, **said} for record in change.records]
        return json.dumps(told, ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def attributes(self) -> bytes:
        """The attributes themselves: an AttributeSet."""
        return encode(self._change.records)
