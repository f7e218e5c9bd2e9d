"""A client that stays with the master of a cluster, wherever it moves."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from framedb.errors import StoreUnavailableError
from framedb.resp.connection import (
    Redis,
    close_redis,
    is_lost_master,
    is_short_of_replicas,
    open_redis,
    retire_redis,
    translated,
)
from framedb.resp.endpoint import ClusterConnection, Endpoint
from framedb.resp.finding import find_master

logger = logging.getLogger(__name__)
T = TypeVar("T")
_PAUSE = 0.1  # seconds between two looks for a master: short beside a failover of seconds
_ASK = 1.0  # seconds a sentinel, or the master it names, may take to answer


class MasterClient:
    """Runs operations on a cluster's master, and finds the new one when it dies.

    `locate` answers where the cluster is (SQL in the node, HTTP in a client). It is asked on first use, and again when the
    sentinels it named know of no living master; what it answered last is kept meanwhile, so that a failover is survived
    while the node is down.
    """

    def __init__(self, locate: Callable[[], ClusterConnection], *, timeout: float = 5.0, wait: float = 15.0) -> None:
        """`timeout` is in seconds, for each reply of the server; `wait` bounds the search for a master, 0 for one look."""
        self._locate = locate
        # A server that hangs must not outlast the wait. One look has the whole time: a socket's 0 is not to wait at all.
        self._timeout = min(timeout, wait) if wait else timeout
        self._wait = wait
        self._looking = threading.Lock()  # held by the one thread that looks for the master, and by nobody who has one
        self._lock = threading.Lock()  # guards what follows, for moments
        self._connection: ClusterConnection | None = None
        self._redis: Redis | None = None
        self._doubted = False  # whether `_connection` must be looked up again before it is used
        self._outdated = False  # whether `locate` is to be asked first: there may be more or fewer members

    @classmethod
    def fixed(
        cls, endpoint: Endpoint, *, cluster: str = "local", timeout: float = 5.0, wait: float = 15.0
    ) -> "MasterClient":
        """A client of one server whose address does not change."""
        return cls(lambda: ClusterConnection(cluster, endpoint), timeout=timeout, wait=wait)

    @property
    def connection(self) -> ClusterConnection:
        """Where the cluster was found last. Raises StoreUnavailableError if nobody can tell within the bounded wait."""
        found = self.run(lambda _: self._connection)
        assert found is not None
        return found

    @property
    def timeout(self) -> float:
        """Seconds a reply of the server is waited for."""
        return self._timeout

    def run(self, operation: Callable[[Redis], T], *, wait: float | None = None) -> T:
        """The result of `operation(redis)` on the master; repeated on a new one if the master is lost in between.

        So the operation must be one that may be repeated. Raises StoreUnavailableError once `wait` seconds have brought
        no master that does it, at most one `timeout` later; and translates what else the server answers.
        """
        deadline = time.monotonic() + (self._wait if wait is None else wait)
        while True:
            client = None
            try:
                client = self._client(deadline)
                return operation(client)
            except Exception as exc:
                lost, short = is_lost_master(exc), is_short_of_replicas(exc)
                if client is not None and lost:
                    self._lost(client)
                elif short:
                    self._doubt()
                if not (lost or short) or time.monotonic() > deadline:
                    with translated(self):
                        raise
                logger.debug("lost the master of %s: %s", self, exc)
            time.sleep(_PAUSE)

    def ask_again(self) -> None:
        """Have `locate` asked before the next operation: the cluster may have more or fewer members by now."""
        with self._lock:
            self._doubted = self._outdated = True

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            if self._redis is not None:
                close_redis(self._redis)
            self._redis = None

    def __str__(self) -> str:
        connection = self._connection
        return f"cluster {connection.cluster} ({connection.master})" if connection else "the frame store"

    def _client(self, deadline: float) -> Redis:
        client = self._known()
        if client is not None:
            return client
        if not self._looking.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise StoreUnavailableError(f"{self} does not answer, and its master is still looked for")
        try:
            client = self._known()  # another thread may have found it meanwhile
            return client if client is not None else self._open(self._find())
        finally:
            self._looking.release()

    def _known(self) -> Redis | None:
        with self._lock:
            return None if self._doubted else self._redis

    def _find(self) -> ClusterConnection:
        """Where the master is now: by the sentinels named last, else by whoever located the cluster at first."""
        known, outdated = self._connection, self._outdated
        if known is None or not known.sentinels:
            return self._locate()
        if outdated:
            try:
                return self._locate()
            except Exception as exc:
                if not is_lost_master(exc):
                    raise
                logger.debug("nobody tells where %s is: %s", self, exc)
        timeout = min(_ASK, self._timeout)
        old = known.master
        found = find_master(
            known.sentinels,
            cluster=known.cluster,
            username=old.username,
            password=old.password,
            sockets=known.sockets,
            timeout=timeout,
        )
        return self._locate() if found is None else replace(known, master=found)

    def _open(self, found: ClusterConnection) -> Redis:
        with self._lock:
            known, client = self._connection, self._redis
        if client is None or known is None or known.master != found.master:
            client = open_redis(found.master, timeout=self._timeout, pinned=True)
        with self._lock:
            if self._redis is not None and self._redis is not client:
                retire_redis(self._redis)
            self._connection, self._redis = found, client
            self._doubted = self._outdated = False
        return client

    def _lost(self, client: Redis) -> None:
        with self._lock:
            if self._redis is not client:
                return  # another thread was here first
            retire_redis(client)
            self._redis = None

    def _doubt(self) -> None:
        with self._lock:
            self._doubted = True
