"""What is known about stored bytes without reading them."""

from dataclasses import dataclass
from datetime import datetime

from framedb.frame import Frame


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known about a stored frame or object without reading its bytes."""

    frame: Frame
    """The frame, its data left out."""
    size: int
    """Bytes of the data."""
    version: str
    """Another one with every write of the key: fit for an ETag."""
    stored_at: datetime
    """UTC, on the store's own clock where it has one."""
    expires_at: datetime | None
    """UTC, on the store's own clock; None: it is kept."""
