"""A client that stays with the master of a cluster, wherever it moves."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from framedb.resp.connection import Redis, close_redis, is_lost_master, open_redis, retire_redis, translated
from framedb.resp.endpoint import ClusterConnection, Endpoint
from framedb.resp.sentinel import ask_sentinels

logger = logging.getLogger(__name__)
T = TypeVar("T")
_PAUSE = 0.1  # seconds between two looks for a master: short beside a failover of seconds


class MasterClient:
    """Runs operations on a cluster's master, and finds the new one when it dies.

    `locate` answers where the cluster is (SQL in the node, HTTP in a client); it is asked on first use, and again when
    neither the master nor the sentinels it named can be reached. Nothing found is remembered beyond one failure.
    """

    def __init__(self, locate: Callable[[], ClusterConnection], *, timeout: float = 5.0, wait: float = 15.0) -> None:
        self._locate = locate
        self._timeout = timeout
        self._wait = wait
        self._lock = threading.Lock()
        self._connection: ClusterConnection | None = None
        self._redis: Redis | None = None

    @classmethod
    def fixed(
        cls, endpoint: Endpoint, *, cluster: str = "local", timeout: float = 5.0, wait: float = 15.0
    ) -> "MasterClient":
        """A client of one server whose address does not change."""
        return cls(lambda: ClusterConnection(cluster, endpoint), timeout=timeout, wait=wait)

    @property
    def connection(self) -> ClusterConnection:
        """Where the cluster was found last."""
        self._client()
        assert self._connection is not None
        return self._connection

    def run(self, operation: Callable[[Redis], T], *, wait: float | None = None) -> T:
        """The result of `operation(redis)` on the master; repeated on a new one if the master is lost in between.

        So the operation must be one that may be repeated. Raises StoreUnavailableError once `wait` seconds have brought
        no master, and translates what else the server answers.
        """
        deadline = time.monotonic() + (self._wait if wait is None else wait)
        while True:
            client = None
            try:
                client = self._client()
                return operation(client)
            except Exception as exc:
                lost = is_lost_master(exc)
                if lost and client is not None:
                    self._lost(client)
                if not lost or time.monotonic() > deadline:
                    with translated(self):
                        raise
                logger.debug("lost the master of %s: %s", self, exc)
            time.sleep(_PAUSE)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            if self._redis is not None:
                close_redis(self._redis)
            self._redis = None

    def __str__(self) -> str:
        connection = self._connection
        return f"cluster {connection.cluster} ({connection.master})" if connection else "the frame store"

    def _client(self) -> Redis:
        with self._lock:
            if self._connection is None:
                self._connection = self._locate()
                if self._redis is not None:
                    retire_redis(self._redis)
                    self._redis = None
            if self._redis is None:
                self._redis = open_redis(self._connection.master, timeout=self._timeout)
            return self._redis

    def _lost(self, client: Redis) -> None:
        """Ask the sentinels for the master; with no answer, whoever located the cluster at first."""
        with self._lock:
            if self._redis is not client:
                return  # another thread was here first
            retire_redis(client)
            self._redis = None
            connection = self._connection
            if connection is None:
                return
            old = connection.master
            found = ask_sentinels(connection.sentinels, password=old.password)
            if found is None or found == (old.host, old.port):
                self._connection = None
            else:
                host, port = found
                master = replace(old, host=host, port=port, uds=None, run_id=None)
                self._connection = replace(connection, master=master)
