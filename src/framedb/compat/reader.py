"""`FrameDB`: frames by source and key, as programs of earlier deployments read and write them."""

import atexit
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from weakref import WeakKeyDictionary

from framedb.client.locator import FixedLocator
from framedb.compat.calls import ServiceCalls
from framedb.compat.fetching import Callback, Fetcher, Request
from framedb.compat.logger import AIOSLogger, ErrorSeverity
from framedb.compat.mapping import MappingLocator
from framedb.compat.releasing import Releaser, Unlinker
from framedb.config import Settings, read_settings
from framedb.errors import FrameDBError, InvalidInputError, StoreUnavailableError
from framedb.frame import check_source, source_of
from framedb.redaction import redacted
from framedb.resp import ClusterConnection, Endpoint, Redis, close_redis, open_redis, parse_redis_url, translated
from framedb.resp.connection import retire_redis
from framedb.stores.base import Put
from framedb.stores.references import COUNT, References
from framedb.tiering.references import SharedFrames

logger = logging.getLogger(__name__)

Serializer = Callable[[dict[str, Any]], tuple[bool, dict[str, Any]]]
"""Makes of outputs what is written; False: nothing is."""

_CLOSING = 5.0  # seconds for what was begun, when it is closed
_WITH_SIZE = re.compile(r".+__[0-9]+x[0-9]+", re.DOTALL)
_OF_SOURCE = re.compile(r"(?:ref__)?(.+)\?[^?]*\?[^?]*__.*", re.DOTALL)


class FrameDB:
    """Reads and writes frames of sources wherever routing says they are, also after a master has died or a source has moved.

    Methods answer `(ok, value)`, and a failure with the reason for it. Thread-safe. `close` it, or use it in a `with`; at the
    end of the program it closes itself, so that what was released is counted.
    """

    def __init__(self, svc_params: Mapping[str, Any] | None, env: Any, logger: Any = None) -> None:
        """`env` has the attributes of `Env`, those it lacks have their defaults; `svc_params` are not used."""
        self.svc_params = svc_params
        self.env = env
        self.logger = AIOSLogger() if logger is None else logger
        self.required_sizes: list[str] = []
        self._settings = read_settings()
        self._serializer: Serializer | None = None
        self._lock = threading.RLock()
        self._closed = False
        self._calls: ServiceCalls | None = None
        self._frames = self._open(self._settings)
        self._fetchers: dict[str, Fetcher] = {}
        self._releasers: dict[str, Releaser] = {}
        self._unlinker: Unlinker | None = None
        self._connections: dict[str, tuple[Endpoint, Redis]] = {}
        self._retired: list[Redis] = []
        self._source_of: WeakKeyDictionary[Redis, str] = WeakKeyDictionary()
        atexit.register(self.close)

    # Reading

    def set_required_sizes(self, sizes: list[str]) -> None:
        """From now on a key without a size, like `cam?0?0__7`, stands for that frame in each of these."""
        self.required_sizes = list(sizes)

    def get_frames_from(self, sourceID: str, keys_suffixed: list[str]) -> tuple[bool, Any]:  # noqa: N803
        """The frames' bytes in the order of the keys, None for each that is gone; or (False, why)."""
        try:
            self._check_open()
            return True, self._fetch(sourceID, self._expanded(keys_suffixed))
        except FrameDBError as exc:
            self._report("mget_frames", f"frames of source {sourceID} could not be read", exc)
            return False, _why(exc)

    def get_frames_async(
        self,
        sourceID: str,  # noqa: N803
        keys_suffixed: list[str],
        k: Mapping[str, Any] | None = None,
        cb: Callback | None = None,
    ) -> tuple[bool, str]:
        """Read frames in a thread, then call `cb(is_not_error=, frame_data=, frame_keys=, **k)`; waits while 500 are waiting.

        A source that was not registered is registered with `cb`, unless `env.on_demand_connections` is off.
        """
        try:
            with self._lock:
                fetcher = self._fetchers.get(sourceID)
            if fetcher is None:
                if not self._on_demand():
                    return False, f"Source {sourceID} not registered"
                if cb is None:
                    return False, f"Source {sourceID} not registered, and there is no callback"
                registered, why = self.register_frames_channel(sourceID, cb)
                if not registered:
                    return False, why
                fetcher = self._fetchers[sourceID]
            fetcher.submit(Request(self._expanded(keys_suffixed), dict(k or {}), cb))
        except FrameDBError as exc:
            return False, _why(exc)
        return True, f"Fetch request submitted for source {sourceID}"

    def register_frames_channel(self, sourceID: str, cb: Any) -> tuple[bool, str]:  # noqa: N803
        """Start the source's thread of asynchronous reads, with the callback of those that bring none."""
        if not callable(cb):
            return False, "the callback is nothing that can be called"
        try:
            with self._lock:
                if sourceID in self._fetchers:
                    return True, "Source already exist"
            self._connect(sourceID)
            with self._lock:
                self._check_open()
                if sourceID in self._fetchers:  # another thread was faster
                    return True, "Source already exist"
                self._fetchers[sourceID] = Fetcher(sourceID, self._fetch, cb, report=self._report)
        except FrameDBError as exc:
            self._report("framedb_redis_connect", f"source {sourceID} cannot be reached", exc)
            return False, _why(exc)
        return True, f"Registered Callback for source {sourceID}"

    # Releasing

    def register_frame_delete_channel(self, sourceID: str) -> tuple[bool, str]:  # noqa: N803
        """Start the source's thread of releases."""
        try:
            self._connect(sourceID)
            self._releaser(sourceID)
        except FrameDBError as exc:
            self._report("framedb_redis_connect", f"source {sourceID} cannot be reached", exc)
            return False, _why(exc)
        return True, f"Registered delete channel for source {sourceID}"

    def decr_batch_keys(
        self,
        sourceID: str,  # noqa: N803
        keys: Mapping[str, tuple[int, Sequence[str]]],
    ) -> tuple[bool, str]:
        """Have reference counts lowered in a thread: `{"ref__P": (decr_by, ["416x416", ...])}`; waits while 500 are waiting.

        At zero the frame goes in all of these sizes. It is tried until it has succeeded, and counted once.
        """
        try:
            self._releaser(sourceID).submit(keys)
        except FrameDBError as exc:
            self._report("framedb_release", f"frames of source {sourceID} cannot be released", exc)
            return False, _why(exc)
        return True, f"Release request submitted for source {sourceID}"

    # Writing

    def set_output_serializer(self, cb: Serializer | None) -> None:
        """Have outputs go through `cb`, which answers `(ok, outputs)`, before they are written."""
        self._serializer = cb

    def push_sync(self, connection: Any, outputs: dict[str, Any]) -> tuple[bool, str]:
        """Write frames, and reference counts (`ref__P`) with the frames they are for in one step, and each with a time to live.

        They go to the source that the connection was made for, wherever that is by now. On any other connection they go
        through it, each to the source that its key begins with.
        """
        try:
            self._check_open()
            if not isinstance(connection, Redis):
                raise InvalidInputError("the first argument is a connection: see the example of push_sync")
            written = self._serialized(outputs)
            source = self._source_of.get(connection)
            if source is None:
                puts = [put for each, values in _by_source(written) for put in self._through(connection, each, values)]
            else:
                puts = self._frames.push(source, written)
        except FrameDBError as exc:
            self._report("framedb_output_push", "outputs were not written", exc)
            return False, _why(exc)
        dropped = sorted({put.dropped for put in puts if put.dropped})
        if dropped:
            number = sum(1 for put in puts if put.dropped)
            return False, f"{number} of {len(puts)} frames were turned away: {', '.join(dropped)}"
        return True, "Wrote keys to FrameDB"

    # Ending

    def close(self) -> None:
        """End every thread and close every connection. Releases that wait are still tried, for a few seconds."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            fetchers, releasers = list(self._fetchers.values()), list(self._releasers.values())
            connections = [client for _, client in self._connections.values()] + self._retired
            self._connections.clear()
        atexit.unregister(self.close)
        for fetcher in fetchers:
            fetcher.close(_CLOSING)
        for releaser in releasers:
            releaser.close(_CLOSING)
        if self._unlinker is not None:
            self._unlinker.close(_CLOSING)
        for connection in connections:
            close_redis(connection)
        self._frames.close()
        if self._calls is not None:
            self._calls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Inside

    def __handle_new_connection(self, sourceID: str) -> tuple[bool, Any]:  # noqa: N803
        """A connection to the master of the source's cluster, for `push_sync`: published by its example, name and all."""
        try:
            return True, self._connection(sourceID)
        except FrameDBError as exc:
            self._report("framedb_redis_connect", f"source {sourceID} cannot be reached", exc)
            return False, _why(exc)

    def _open(self, settings: Settings) -> SharedFrames:
        """Where frames are, by routing or, in mode `test`, on one server."""
        locator: MappingLocator | FixedLocator
        folder = self._setting("uds_vmount", "")
        sockets = Path(folder) if folder and self._setting("enable_uds_connections", False) else None
        if self._setting("mode", "") == "test":
            locator = FixedLocator(
                _only_server(
                    settings,
                    str(self._setting("test_password", "")),
                    None if sockets is None else sockets / f"{self._setting('test_node_tag', 'local')}.sock",
                )
            )
        else:
            self._calls = ServiceCalls(self._setting("routing_url", settings.url))
            locator = MappingLocator(
                self._calls,
                node_tag=self._setting("framedb_node_tag", settings.node_tag),
                site=settings.cluster_id,
                password=self._setting("framedb_password", "") or "",
                sockets=sockets,
                place=self._on_demand,
            )
        return SharedFrames(
            locator,
            clusters=locator.clusters,
            timeout=settings.connect_timeout,
            wait=settings.wait,
            default_ttl=settings.frame_ttl,
        )

    def _fetch(self, source: str, keys: Sequence[str]) -> list[bytes | None]:
        check_source(source)
        frames = self._frames.get_many(keys, source=source)
        return [None if frame is None else cast(bytes, frame.data) for frame in frames]

    def _expanded(self, keys: Sequence[Any]) -> list[str]:
        """Keys without a size in each of the required ones."""
        if isinstance(keys, str | bytes):
            raise InvalidInputError("give a list of keys")
        sizes = self.required_sizes
        wanted: list[str] = []
        for key in (key.decode() if isinstance(key, bytes) else key for key in keys):
            if not isinstance(key, str):
                raise InvalidInputError(f"{key!r} is no key: give text")
            sized = _WITH_SIZE.fullmatch(key) or any(key.endswith(f"__{size}") for size in sizes)
            if not sizes or sized or key.startswith(("frame:", COUNT)):
                wanted.append(key)
            else:
                wanted += [f"{key}__{size}" for size in sizes]
        return wanted

    def _connect(self, source: str) -> None:
        """Make sure that the source can be reached. Raises why it cannot."""
        self._check_open()
        check_source(source)
        store = self._frames.store(source)
        store.master.run(lambda redis: redis.ping())

    def _connection(self, source: str) -> Redis:
        """The source's own; another one once it has another master."""
        self._connect(source)
        master = self._frames.store(source).master.connection.master
        with self._lock:
            self._check_open()
            known = self._connections.get(source)
            if known is not None and known[0] == master:
                return known[1]
            client = open_redis(master, timeout=self._settings.connect_timeout)
            self._connections[source] = (master, client)
            self._source_of[client] = source
        if known is not None:
            retire_redis(known[1])  # whoever has it may go on: it connects anew
            self._retired.append(known[1])
        self._ping(client, master)
        return client

    def _ping(self, client: Redis, master: Endpoint) -> None:
        """Try it as often as is set. Raises StoreUnavailableError."""
        tries = int(self._setting("framedb_ping_retries", 3))
        for left in reversed(range(max(1, tries))):
            try:
                with translated(master):
                    client.ping()
                return
            except StoreUnavailableError:
                if not left:
                    raise

    def _releaser(self, source: str) -> Releaser:
        check_source(source)
        with self._lock:
            self._check_open()
            found = self._releasers.get(source)
            if found is None:
                found = self._releasers[source] = Releaser(
                    source, self._frames, queue=self._queues, report=self._report
                )
            if self._queues():
                if self._unlinker is None:
                    self._unlinker = Unlinker(self._frames, report=self._report)
                self._unlinker.add(source)
            return found

    def _through(self, connection: Redis, source: str, values: Mapping[str, Any]) -> list[Put]:
        """Written on a connection that somebody else made."""

        def run(operation: Callable[[Redis], Any]) -> Any:
            with translated("the connection's server"):
                return operation(connection)

        return References(run, default_ttl=self._settings.frame_ttl).put(source, values)

    def _serialized(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Raises InvalidInputError for outputs that are not to be written."""
        if self._serializer is not None:
            try:
                accepted, outputs = self._serializer(outputs)
            except Exception as exc:  # of somebody else's code
                raise InvalidInputError(f"the output serializer failed: {exc}") from exc
            if not accepted:
                raise InvalidInputError("the output serializer refused the outputs: nothing was written")
        if not isinstance(outputs, Mapping):
            raise InvalidInputError("outputs are keys with their bytes: {'key': b'...'}")
        return dict(outputs)

    def _queues(self) -> bool:
        return bool(self._setting("use_del_svc", False))

    def _on_demand(self) -> bool:
        return bool(self._setting("on_demand_connections", True))

    def _setting(self, name: str, default: Any) -> Any:
        return getattr(self.env, name, default)

    def _check_open(self) -> None:
        if self._closed:
            raise InvalidInputError("this FrameDB is closed: make another one")

    def _report(self, action: str, message: str, exception: BaseException | None = None) -> None:
        """To the logger that was given, whatever it makes of it."""
        extras = {"mdag_id": self._setting("mdag_id", ""), "block_id": self._setting("block_id", "")}
        try:
            self.logger.error(
                action=action, severity=ErrorSeverity.HIGH, message=message, exception=exception, extras=extras
            )
        except Exception:  # noqa: BLE001  # of somebody else's code, another kind of logger perhaps: our threads go on
            logger.warning("%s", redacted(f"{message}: {exception}"), extra={"action": action})


def _only_server(settings: Settings, password: str, socket: Path | None) -> ClusterConnection:
    """The one there is in mode `test`: that of `FRAMES_REDIS_URL`, else of this machine."""
    url = settings.frames_redis_url
    endpoint = parse_redis_url(url.get_secret_value()) if url else Endpoint("127.0.0.1", 6379)
    if password:
        endpoint = replace(endpoint, password=password)
    if socket is not None and socket.exists():
        endpoint = replace(endpoint, port=0, uds=str(socket))
    return ClusterConnection("local", endpoint, epoch=None, durable=False)


def _by_source(values: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Outputs of each source that keys begin with."""
    grouped: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        match = _OF_SOURCE.fullmatch(key) if isinstance(key, str) else None
        source = match[1] if match else source_of(str(key))
        grouped.setdefault(source, {})[key] = value
    yield from grouped.items()


def _why(error: FrameDBError) -> str:
    return redacted(str(error))
