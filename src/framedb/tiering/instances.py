"""`Instances`: clusters of memory and persistent instances, opened by the names that callers give them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from framedb.errors import NotFoundError
from framedb.routing import Copy
from framedb.routing.locator import InstanceType
from framedb.stores.memory import MemoryStore
from framedb.stores.sql import SQLStore
from framedb.stores.streams import Streams
from framedb.tiering.object_memory import MemoryObjects
from framedb.tiering.object_places import ObjectPlace, StoredObjects


class Instances:
    """Every instance there is."""

    def __init__(
        self,
        *,
        memory: Callable[[str], MemoryStore],
        persistent: Callable[[str], SQLStore],
        resolve_memory: Callable[[str], str],
        default: str,
    ) -> None:
        """See `Objects`, which is given the same."""
        self._memory = memory
        self._persistent = persistent
        self._resolve_memory = resolve_memory
        self._default = default

    @property
    def of_no_source(self) -> Copy:
        """The cluster of keys that belong to no source."""
        return Copy(self._default, "in-memory")

    @property
    def durable_tier(self) -> Copy:
        """The persistent instance of what is put as durable."""
        return Copy(self._default, "storage")

    def opened(self, framedb_id: str | None, kind: InstanceType) -> tuple[Copy, ObjectPlace]:
        """The instance of that name and kind. Raises NotFoundError."""
        name = self.cluster(framedb_id) if kind == "in-memory" else framedb_id or self._default
        copy = Copy(name, kind)
        with named(name):
            return copy, self.place(copy)

    def called(self, framedb_id: str, kinds: Sequence[InstanceType]) -> Sequence[Copy]:
        """The instances of that name and one of these kinds. Raises NotFoundError if there is none."""
        found = []
        for kind in kinds:
            with suppress(NotFoundError):
                found.append(self.opened(framedb_id, kind)[0])
        if not found:
            raise NotFoundError(f"FrameDB instance not found: {framedb_id}")
        return found

    def cluster(self, framedb_id: str | None) -> str:
        """The name of a cluster, given its own or that of a member. Raises NotFoundError."""
        with named(framedb_id or self._default):
            return self._resolve_memory(framedb_id or self._default)

    def place(self, copy: Copy) -> ObjectPlace:
        """What keeps objects there. Raises NotFoundError for an instance that was removed."""
        if copy.framedb_type == "in-memory":
            return MemoryObjects(self._memory(copy.framedb_id))
        return StoredObjects(self._persistent(copy.framedb_id))

    def streams(self, cluster: str) -> Streams:
        """The streams of a cluster. Raises NotFoundError."""
        return Streams(self._memory(cluster).master)


@contextmanager
def named(framedb_id: str) -> Iterator[None]:
    """Whoever does not know the instance says so in the published words."""
    try:
        yield
    except NotFoundError as exc:
        raise NotFoundError(f"FrameDB instance not found: {framedb_id}") from exc
