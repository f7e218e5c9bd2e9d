"""`ClusterService`: clusters made, changed and removed, so that the registry and what runs agree."""

import builtins
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Engine

from framedb.clusters.directives import check_settings
from framedb.clusters.drivers.base import ClusterDriver, Member
from framedb.clusters.foreign import answers_to_others
from framedb.clusters.registered import ALREADY_EXISTS, CREATING, READY, REMOVING, ClusterInfo, RegisteredClusters
from framedb.clusters.spec import ClusterSpec
from framedb.errors import (
    AlreadyExistsError,
    ConflictError,
    EngineError,
    FrameDBError,
    InvalidInputError,
    NotFoundError,
)
from framedb.resp import Endpoint

__all__ = ["ClusterInfo", "ClusterService"]

logger = logging.getLogger(__name__)

LOCAL = "local"
"""The cluster a fresh node has; an empty framedb_id means it."""
MOST_AT_ONCE = 100
"""Clusters made by one call."""
_AT_A_TIME = 4  # clusters started or stopped side by side: more only wait for the same processors
_MEMBER = re.compile(r"(?P<cluster>.+)-redis-node-(?P<ordinal>[0-9]{1,6})")
_TAG = re.compile(r"[!-~]([ -~]{0,126}[!-~])?")
_ASKED = "asked_maxmemory"  # in the metadata of the node's own cluster: what its settings said last


def _nothing(*_: object) -> None:
    """What is done by default."""


class ClusterService:
    """Clusters by name: the registry says what is wanted, the driver makes it run.

    Every change holds the cluster's lock, which the death of its holder frees, and is ordered so that a crash leaves a trace
    in the registry: a row comes before the first process, and goes after the last. What was cut short is mended by
    `reconcile.Reconciler`, through `mend`.
    """

    def __init__(
        self,
        engine: Engine,
        driver: ClusterDriver,
        *,
        prepare: Callable[[str, Endpoint], None] = _nothing,
        site: str = LOCAL,
    ) -> None:
        self._driver = driver
        self._registered = RegisteredClusters(engine, installation=driver.installation)
        self._site = site
        self._counting = threading.Lock()
        self.prepare = prepare
        """Called with a cluster and its master that started empty, before clients may use it."""
        self.changed: Callable[[str], None] = _nothing
        """Called with the name of a cluster that was made, scaled, changed or removed."""

    # Making

    def create(self, spec: ClusterSpec, *, site: str = LOCAL, metadata: Mapping[str, Any] | None = None) -> ClusterInfo:
        """A new cluster, once every member answers and the sentinels agree on the master.

        Raises AlreadyExistsError, InvalidInputError for settings it cannot have, InsufficientRoomError, and EngineError if it
        does not start; then nothing of it is left.
        """
        spec = _checked(spec, site)
        with self._alone_for_creation(spec.name):
            self._clear(spec.name)
            self._registered.add(spec, site=site, metadata=metadata)
            try:
                self._make_room_for(spec)
                self._apply(spec)
            except BaseException:
                self._undo(spec.name)
                raise
        self._tell(spec.name)
        return self.info(spec.name)

    def create_many(self, specs: Sequence[ClusterSpec], *, site: str = LOCAL) -> dict[str, str]:
        """Make clusters, a few side by side; for each that failed, why. An empty answer: all are ready.

        Raises InvalidInputError for none or more than 100, and InsufficientRoomError before the first is made if they do not
        fit all together.
        """
        if not specs:
            raise InvalidInputError("Zero deployments not allowed")
        if len(specs) > MOST_AT_ONCE:
            raise InvalidInputError(f"{len(specs)} clusters are too many for one call: give at most {MOST_AT_ONCE}")
        known = set(self.names())
        new = [_checked(spec, site) for spec in {spec.name: spec for spec in specs}.values() if spec.name not in known]
        self._driver.check_room(new, self._wanted())
        failed: dict[str, str] = {}

        def create(spec: ClusterSpec) -> None:
            try:
                self.create(spec, site=site)
            except FrameDBError as exc:
                failed[spec.name] = str(exc)

        with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="create") as pool:
            list(pool.map(create, specs))
        return failed

    def ensure(self, spec: ClusterSpec, *, site: str = LOCAL) -> ClusterInfo:
        """The node's own cluster, registered and running: what is there is adopted, what died is started again.

        What was registered since wins over `spec`, but for a `maxmemory_bytes` other than `ensure` was given last: the later
        change counts. A cluster of another installation is taken over only if no member of it answers; otherwise
        ConflictError. Raises EngineError if it does not start; then it stays registered.
        """
        spec = _checked(spec, site)
        with self._driver.exclusively(spec.name):
            info = self._registered.get(spec.name)
            if info is not None and not self._is_own(info):
                self._take_over(info)
            if info is not None and info.state == REMOVING:
                self._driver.remove(spec.name)
                self._registered.remove(spec.name)
                info = None
            asked = str(spec.maxmemory_bytes)
            if info is None:
                wanted = self._found(spec.name)
                state = CREATING if wanted is None else READY  # what runs already is not rolled back
                wanted = wanted or spec
                self._registered.add(wanted, site=site, state=state, metadata={_ASKED: asked})
            else:
                wanted = replace(info.spec, node_tag=spec.node_tag, preferred_port=spec.preferred_port)
                if info.metadata.get(_ASKED) != asked:
                    wanted = replace(wanted, maxmemory_bytes=spec.maxmemory_bytes)
                self._registered.set_wanted(wanted, metadata={**info.metadata, _ASKED: asked})
            self._apply(wanted)
        self._tell(spec.name)
        return self.info(spec.name)

    # Changing

    def scale(self, name: str, replicas: int) -> bool:
        """Bring the cluster to that many members, the master included; False if it has them already.

        A quorum over the members is lowered to them. If it fails the cluster is brought back to what it was. Raises
        NotFoundError, InvalidInputError, InsufficientRoomError, EngineError.
        """
        if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 0:
            raise InvalidInputError("replicas must be a whole number > 0")
        if replicas == 0:
            raise InvalidInputError("Scale to Zero is not allowed, delete the deployment instead")
        with self.changing(name) as info:
            before = info.spec
            if replicas == before.replicas and replicas == len(info.members):
                return False
            wanted = replace(before, replicas=replicas, quorum=min(before.quorum, replicas))
            if replicas > before.replicas:
                self._make_room_for(wanted)
            self._registered.set_wanted(wanted)
            try:
                self._apply(wanted)
            except Exception:
                self._registered.set_wanted(before)
                self._quietly_apply(before)
                raise
        self._tell(name)
        return True

    def change(self, wanted: ClusterSpec, *, otherwise: ClusterSpec | None = None) -> None:
        """Register other settings of a ready cluster, inside `changing`, and bring its members to them.

        Raises InsufficientRoomError before anything is changed; if the members refuse they are brought back to what is
        registered, or to `otherwise`, which may say more of it.
        """
        info = self._own(wanted.name)
        if wanted.member_bytes > info.spec.member_bytes:
            self._make_room_for(wanted)
        self._registered.set_wanted(wanted)
        try:
            self._apply(wanted)
        except Exception:
            self._registered.set_wanted(info.spec)
            self._quietly_apply(otherwise or info.spec)
            raise
        self._tell(wanted.name)

    @contextmanager
    def changing(self, name: str) -> Iterator[ClusterInfo]:
        """The cluster, ready, for as long as nobody else may change it.

        Raises NotFoundError, and ConflictError if it is being changed by others for too long, is not ready, or is run by
        another installation.
        """
        self._own(name)
        with self._driver.exclusively(name):
            info = self._own(name)
            if info.state != READY:
                raise ConflictError(f"Cluster {name} is {info.state}: wait until it is ready, or gone")
            yield info

    # Removing

    def remove(self, name: str) -> None:
        """Stop the cluster and forget it, with all it held. Raises NotFoundError, ConflictError, EngineError."""
        with self.removing(name):
            pass

    @contextmanager
    def removing(self, name: str) -> Iterator[ClusterInfo]:
        """Removes the cluster at the end of the block, in which what it holds can be moved away.

        From the beginning it is marked, takes no sources, and is nobody else's to change. If the block raises, the cluster
        stays as it was. Raises NotFoundError, ConflictError, EngineError.
        """
        self._own(name)
        with self._driver.exclusively(name):
            info = self._own(name)
            self._registered.set_state(name, REMOVING)
            try:
                yield info
            except BaseException:
                self._registered.set_state(name, info.state)
                raise
            self._driver.remove(name)
            self._registered.remove(name)
        self._tell(name)

    def stop(self, name: str) -> None:
        """Stop its processes; it stays registered, and is started again by `ensure` or the reconciler."""
        self._driver.stop(name)

    def stop_all(self) -> None:
        """Stop every cluster that runs here, a few side by side. Close the reconciler first.

        One that somebody else is changing for too long is left to them, with a warning.
        """

        def stop(name: str) -> None:
            try:
                self.stop(name)
            except ConflictError as exc:
                logger.warning("cluster could not be stopped: %s", exc, extra={"cluster": name})

        with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="stop") as pool:
            list(pool.map(stop, [spec.name for spec in self._driver.found()]))

    # Looking

    def info(self, name: str) -> ClusterInfo:
        """What is registered of the cluster. Raises NotFoundError."""
        info = self._registered.get(name)
        if info is None:
            raise NotFoundError(f"Cluster {name} does not exist")
        return info

    def list(self, node_tag: str | None = None) -> builtins.list[ClusterInfo]:
        """Every registered cluster, or those of a node tag, by name."""
        return self._registered.all(node_tag=node_tag)

    def names(self) -> builtins.list[str]:
        """Every registered name, sorted."""
        return self._registered.names()

    def addresses(self, name: str) -> builtins.list[Member]:
        """Where its members are reached. Raises NotFoundError for a cluster nobody registered."""
        return self.info(name).members

    def resolve(self, framedb_id: str) -> tuple[str, int | None]:
        """The cluster of that name (empty: `local`), or the cluster and ordinal of a member. Raises NotFoundError."""
        framedb_id = framedb_id or LOCAL
        if self._registered.get(framedb_id) is not None:
            return framedb_id, None
        found = _MEMBER.fullmatch(framedb_id)
        info = self._registered.get(found["cluster"]) if found else None
        if found and info and int(found["ordinal"]) in {member.ordinal for member in info.members}:
            return info.name, int(found["ordinal"])
        raise NotFoundError(f"{framedb_id} is no cluster and no member of one")

    def set_metrics_port(self, name: str, port: int | None) -> None:
        """Write down where the cluster's metrics are served on loopback."""
        self._registered.set_metrics_port(name, port)

    # Agreeing

    def own(self) -> builtins.list[ClusterInfo]:
        """The clusters of this installation, in any state."""
        return [info for info in self.list() if self._is_own(info)]

    def strangers(self) -> builtins.list[str]:
        """Names of cluster folders of this installation that nobody registered; they need not run."""
        return sorted(set(self._driver.leftovers()) - set(self.names()))

    def is_well(self, info: ClusterInfo) -> bool:
        """Whether the cluster needs no mending, by a cheap look."""
        return info.state == READY and len(info.members) == info.spec.replicas and self._driver.healthy(info.spec)

    def mend(self, name: str, *, remove: Callable[[str], object] | None = None) -> bool:
        """Bring what runs and what is registered of one cluster together; False if somebody else is at it.

        A creation that was cut short is rolled back, a removal finished (by `remove`, or at once), a ready cluster brought
        back to its spec, and one that runs unregistered is adopted. Raises EngineError if that does not succeed.
        """
        try:
            with self._driver.exclusively(name, wait=0):
                info = self._registered.get(name)
                if info is None:
                    if not self._adopt(name):
                        self._driver.stop(name)  # what cannot be told what it is cannot be adopted
                elif not self._is_own(info):
                    return True
                elif info.state == READY:
                    self._apply(info.spec)
                elif info.state == CREATING:
                    logger.warning("rolling back a creation that was cut short", extra={"cluster": name})
                    self._undo(name)
        except ConflictError:
            return False
        if info is not None and info.state == REMOVING:
            logger.warning("finishing a removal that was cut short", extra={"cluster": name})
            with suppress(NotFoundError):  # somebody else was faster
                (remove or self.remove)(name)
        self._tell(name)
        return True

    def synchronize(self, write: bool) -> builtins.list[str]:
        """Names of the clusters that run here; with `write` also registers them, and adopts what nobody knew.

        Raises EngineError that names each cluster which could not be brought together with its rows.
        """
        names = sorted(spec.name for spec in self._driver.found())
        if not write:
            return names
        failed: dict[str, str] = {}

        def settle(name: str) -> None:
            try:
                self.synchronize_one(name)
            except (ConflictError, NotFoundError):
                pass  # being made or removed at this moment, by somebody who registers it
            except FrameDBError as exc:
                failed[name] = str(exc)

        with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="synchronize") as pool:
            list(pool.map(settle, names))
        if failed:
            raise EngineError("; ".join(f"{name}: {why}" for name, why in sorted(failed.items())))
        return names

    def synchronize_one(self, name: str) -> bool:
        """Write what runs of the cluster to the registry; whether there was anything to write.

        Raises NotFoundError for a cluster that is neither registered nor running, ConflictError for one being changed.
        """
        if self._registered.get(name) is None and name not in self._driver.leftovers():
            raise NotFoundError(f"Cluster {name} does not exist")
        with self._driver.exclusively(name):
            info = self._registered.get(name)
            if info is None:
                if not self._adopt(name):
                    raise NotFoundError(f"Cluster {name} does not exist")
                wrote = True
            else:
                info = self._own(name)
                if info.state != READY:
                    raise ConflictError(f"Cluster {name} is {info.state}: it is rolled back, or removed, in a moment")
                wrote = self._apply(info.spec) != info.members
        self._tell(name)
        return wrote

    def _tell(self, name: str) -> None:
        try:
            self.changed(name)
        except FrameDBError as exc:  # what was changed stands
            logger.warning("not everybody heard of a change: %s", exc, extra={"cluster": name})

    # Steps; each under the cluster's lock

    def _apply(self, spec: ClusterSpec) -> builtins.list[Member]:
        running = self._driver.apply(spec, before_clients=partial(self.prepare, spec.name))
        known = self._registered.get(spec.name)
        if known is None or known.state != READY or known.members != running:
            self._registered.set_ready(spec.name, running)
        return running

    def _quietly_apply(self, spec: ClusterSpec) -> None:
        try:
            self._apply(spec)
        except FrameDBError as exc:
            logger.warning("cluster could not be brought back: %s", exc, extra={"cluster": spec.name})

    def _adopt(self, name: str) -> bool:
        """Register a cluster that runs unregistered; False if it does not run."""
        spec = self._found(name)
        if spec is None:
            return False
        logger.warning("adopting a cluster that nobody registered", extra={"cluster": name})
        # Ready at once: a crash before its members are written must not look like a creation, and be rolled back.
        self._registered.add(spec, site=self._site, state=READY)
        self._apply(spec)
        return True

    def _clear(self, name: str) -> None:
        """Make place for a new cluster: what an earlier one of the name left half-done goes."""
        info = self._registered.get(name)
        if info is not None and (info.state == READY or not self._is_own(info)):
            raise AlreadyExistsError(ALREADY_EXISTS)
        if info is None and self._found(name) is not None:
            raise AlreadyExistsError(f"{ALREADY_EXISTS} It runs, but is not registered: synchronize adopts it")
        if info is not None or name in self._driver.leftovers():
            self._driver.remove(name)
        if info is not None:
            self._registered.remove(name)

    def _undo(self, name: str) -> None:
        """Leave nothing of a creation. If that fails too the row stays, and the reconciler tries again."""
        try:
            self._driver.remove(name)
            self._registered.remove(name)
        except FrameDBError as exc:
            logger.warning("a creation could not be rolled back yet: %s", exc, extra={"cluster": name})

    @contextmanager
    def _alone_for_creation(self, name: str) -> Iterator[None]:
        """The lock of a name that is free, or was left half-done."""
        info = self._registered.get(name)
        if info is not None and (info.state == READY or not self._is_own(info)):
            raise AlreadyExistsError(ALREADY_EXISTS)
        being_made = info is not None and info.state == CREATING
        lock = self._driver.exclusively(name, wait=0) if being_made else self._driver.exclusively(name)
        with ExitStack() as held:
            try:
                held.enter_context(lock)
            except ConflictError as exc:
                if being_made or self._registered.get(name) is not None:
                    raise AlreadyExistsError(ALREADY_EXISTS) from exc
                raise
            yield

    def _found(self, name: str) -> ClusterSpec | None:
        """The cluster, if it runs."""
        return next((spec for spec in self._driver.found() if spec.name == name), None)

    def _make_room_for(self, spec: ClusterSpec) -> None:
        self._driver.check_room([spec], self._wanted(but=spec.name))

    def _wanted(self, *, but: str | None = None) -> builtins.list[ClusterSpec]:
        return [info.spec for info in self.own() if info.name != but]

    def _own(self, name: str) -> ClusterInfo:
        info = self.info(name)
        if not self._is_own(info):
            raise ConflictError(f"Cluster {name} is run by another installation: ask the node that made it")
        return info

    def _is_own(self, info: ClusterInfo) -> bool:
        return info.installation == self._driver.installation

    def _take_over(self, info: ClusterInfo) -> None:
        """Make a cluster of another installation ours, if nothing of it runs, or if its folder is here."""
        ours_before = info.installation is None and info.name in self._driver.leftovers()
        if not ours_before and any(answers_to_others(each, self._driver.password) for each in info.members):
            raise ConflictError(
                f"Cluster {info.name} is run by another installation, and answers: give this one a registry of its own"
            )
        logger.warning("taking over a cluster whose installation is gone", extra={"cluster": info.name})
        self._registered.claim(info.name)


def _checked(spec: ClusterSpec, site: str) -> ClusterSpec:
    if _MEMBER.fullmatch(spec.name):
        raise InvalidInputError(f"cluster name {spec.name!r} reads like a member's: choose another")
    for what, tag in (("node tag", spec.node_tag), ("site", site)):
        if not _TAG.fullmatch(tag):
            raise InvalidInputError(f"{what} {tag[:64]!r} cannot be used: give 1 to 128 printable ASCII characters")
    return replace(spec, settings=check_settings(spec.settings, accepts_sources=spec.accepts_sources))
