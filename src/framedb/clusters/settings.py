"""`ClusterSettings`: what the servers and sentinels of a cluster are told, while they run and ever after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from framedb.clusters.backup import Backup, Snapshot
from framedb.clusters.directives import check_directive, check_settings, published
from framedb.clusters.discovery import Discovery
from framedb.clusters.drivers.base import ClusterDriver, Member
from framedb.clusters.service import ClusterService
from framedb.clusters.spec import SentinelSettings
from framedb.errors import InvalidInputError, StoreUnavailableError
from framedb.resp import Endpoint, close_redis, open_redis, translated

_TIMEOUT = 2.0  # seconds for an answer


@dataclass(frozen=True, slots=True)
class SentinelOption:
    """A setting of sentinels that may be changed."""

    name: str
    field: str
    """Of `SentinelSettings`."""
    least: int
    most: int
    unit: str

    def read(self, value: object) -> int:
        """The value, checked. Raises InvalidInputError."""
        form = f"{self.name} must be a whole number{self.unit and ' of ' + self.unit} from {self.least} to {self.most}"
        text = str(value).strip()
        if isinstance(value, bool) or not isinstance(value, str | int) or not (text.isascii() and text.isdecimal()):
            raise InvalidInputError(form)
        if len(text) > 9 or not self.least <= int(text) <= self.most:
            raise InvalidInputError(form)
        return int(text)


SENTINEL_OPTIONS: Mapping[str, SentinelOption] = {
    option.name: option
    for option in (
        SentinelOption("failover-timeout", "failover_timeout_ms", 1000, 600_000, "milliseconds"),
        SentinelOption("down-after-milliseconds", "down_after_ms", 1000, 600_000, "milliseconds"),
        SentinelOption("parallel-syncs", "parallel_syncs", 1, 100, ""),
    )
}
"""What sentinels may be told, by name."""


class ClusterSettings:
    """Reads and sets published settings. A `framedb_id` is a cluster's or a member's; either way the whole cluster is meant.

    What is set is registered before a server is told, and so holds for members that are dead now, that restart, and that
    come later. Raises NotFoundError for an id nobody registered.
    """

    def __init__(self, service: ClusterService, discovery: Discovery, driver: ClusterDriver) -> None:
        self._service = service
        self._discovery = discovery
        self._password = driver.password
        self._backup = Backup(service, discovery, driver)

    # Of the servers

    def get_config(self, framedb_id: str, name: str) -> str:
        """The value its servers have now, of the member named, or of one that answers.

        Raises InvalidInputError for a name that is not published, StoreUnavailableError if none answers.
        """
        directive = published(name).name
        return self._current(framedb_id, [directive])[directive]

    def set_config(self, framedb_id: str, name: str, value: str | int) -> None:
        """Set a published directive on every member, now and ever after.

        Raises InvalidInputError for a name or value that may not be set, InsufficientRoomError for a `maxmemory` the machine
        cannot hold, EngineError if a server refuses; then all is as it was.
        """
        self.set_configs(framedb_id, {name: value})

    def set_configs(self, framedb_id: str, settings: Mapping[str, str | int]) -> None:
        """Set several directives, as `set_config`, all or none."""
        checked = dict(check_directive(name, value) for name, value in settings.items())
        cluster, _ = self._service.resolve(framedb_id)
        with self._service.changing(cluster) as info:
            spec = info.spec
            check_settings(checked, accepts_sources=spec.accepts_sources)
            maxmemory = checked.pop("maxmemory", spec.maxmemory_bytes)
            # A server keeps what it was told: what was never registered must be told again to be taken back.
            before = self._current(cluster, list(checked))
            self._service.change(
                replace(spec, maxmemory_bytes=int(maxmemory), settings={**spec.settings, **checked}),
                otherwise=replace(spec, settings={**before, **spec.settings}),
            )

    # Snapshots

    def set_snapshot_interval(self, framedb_id: str, interval: int, n_keys_changed: int = 1) -> None:
        """Let each member write a snapshot every `interval` seconds (0: never) in which that many keys changed."""
        for name, given in (("interval", interval), ("n_keys_changed", n_keys_changed)):
            if isinstance(given, bool) or not isinstance(given, int):
                raise InvalidInputError(f"{name} must be a whole number")
        self.set_config(framedb_id, "save", f"{interval} {n_keys_changed}" if interval else "")

    def take_snapshot(self, framedb_id: str) -> Snapshot:
        """Write what the master holds to disk now; see `backup.Backup.take`."""
        return self._backup.take(self._service.resolve(framedb_id)[0])

    def restore(self, framedb_id: str) -> Snapshot:
        """Put back the data of the last snapshot, on the master and with it on every replica; see `backup.Backup.restore`."""
        return self._backup.restore(self._service.resolve(framedb_id)[0])

    # Of the sentinels

    def get_sentinel_config(self, framedb_id: str, name: str) -> int:
        """What the cluster's sentinels are told. Raises InvalidInputError for a name that is not published."""
        option = _sentinel_option(name)
        cluster, _ = self._service.resolve(framedb_id)
        return int(getattr(self._service.info(cluster).spec.sentinel, option.field))

    def set_sentinel_config(self, framedb_id: str, name: str, value: str | int) -> None:
        """Tell every sentinel of the cluster, now and ever after.

        Raises InvalidInputError outside its bounds, StoreError if a sentinel refuses; then all is as it was.
        """
        option = _sentinel_option(name)
        checked = option.read(value)
        cluster, _ = self._service.resolve(framedb_id)
        with self._service.changing(cluster) as info:
            told: SentinelSettings = replace(info.spec.sentinel, **{option.field: checked})
            self._service.change(replace(info.spec, sentinel=told))

    def sentinel_options(self) -> dict[str, dict[str, int | str]]:
        """What sentinels may be told: bounds, unit and default of each, by name."""
        default = SentinelSettings()
        return {
            option.name: {
                "min": option.least,
                "max": option.most,
                "unit": option.unit,
                "default": int(getattr(default, option.field)),
            }
            for option in SENTINEL_OPTIONS.values()
        }

    def _current(self, framedb_id: str, names: Sequence[str]) -> dict[str, str]:
        """The values that the member, or a member of the cluster, has now."""
        cluster, ordinal = self._service.resolve(framedb_id)
        for member in self._service.addresses(cluster):
            if ordinal is None or member.ordinal == ordinal:
                try:
                    return self._asked(member, names)
                except StoreUnavailableError:
                    continue
        raise StoreUnavailableError(f"no member of {framedb_id} answers: try again when it runs")

    def _asked(self, member: Member, names: Sequence[str]) -> dict[str, str]:
        if not names:
            return {}
        client = open_redis(Endpoint(member.host, member.port, password=self._password), timeout=_TIMEOUT)
        try:
            with translated(member.name):
                answer = client.config_get(*names)
        finally:
            close_redis(client)
        missing = [name for name in names if name not in answer]
        if missing:
            raise InvalidInputError(f"this server has no {', '.join(missing)}")
        return {name: str(answer[name]) for name in names}


def _sentinel_option(name: object) -> SentinelOption:
    found = SENTINEL_OPTIONS.get(name.strip().lower()) if isinstance(name, str) else None
    if found is None:
        raise InvalidInputError(
            f"{str(name)[:64]!r} cannot be set on sentinels: choose one of {', '.join(SENTINEL_OPTIONS)}"
        )
    return found
