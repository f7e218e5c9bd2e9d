"""What a source may take up in memory, and what happens when it has."""

from dataclasses import dataclass

from framedb.config import Policy


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """Caps of one source. None: no such cap."""

    policy: Policy = "drop-oldest"
    """At a cap: the oldest frame goes, the new one is turned away, or the writer waits."""
    max_frames: int | None = None
    """Frames."""
    max_bytes: int | None = None
    """Bytes of data."""
    max_age_s: float | None = None
    """Seconds since capture. Holds under `drop-oldest`."""
    ttl_s: float | None = None
    """Seconds a frame is kept when it is put without a TTL of its own."""

    def fields(self) -> dict[str, str]:
        """As the memory store keeps it."""
        values = {
            "policy": self.policy,
            "max_frames": self.max_frames,
            "max_bytes": self.max_bytes,
            "max_age_s": self.max_age_s,
            "ttl_s": self.ttl_s,
        }
        return {name: str(value) for name, value in values.items() if value is not None}
