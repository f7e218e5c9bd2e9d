"""Opening connections, and turning redis-py's errors into ours."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, UnixDomainSocketConnection
from redis.retry import Retry

from framedb.errors import (
    FrameDBError,
    InvalidSettingError,
    NotAuthorizedError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from framedb.redaction import redacted
from framedb.resp.endpoint import Endpoint
from framedb.resp.pool import Pool

Redis = redis.Redis
"""A thread-safe client with a pool of connections; `open_redis` makes one."""

_READ_BYTES = 256 * 1024  # one read of a 200 KB JPEG, instead of seven of redis-py's 32 KiB
# Within a machine: a large value then goes through the processor's caches. Grown by the system itself to 4 MiB, the buffer of
# a TCP connection makes writes half as fast again slower; to other machines it must be left alone, to fill long lines.
_LOCAL_SEND_BUFFER_BYTES = 212_992  # the most that Linux grants unless told otherwise
_SIGNS_OF_DEMOTION = ("READONLY", "MASTERDOWN", "LOADING", "UNBLOCKED", "cannot be used with replica instances")


def open_redis(
    endpoint: Endpoint, *, timeout: float = 5.0, verify: bool = True, pinned: bool = False, db: int = 0
) -> Redis:
    """A client of one server: through its Unix socket where that is this very server's, else over TCP.

    `timeout` is in seconds, for connecting and for each reply. Nothing is retried underneath: whoever calls knows what
    may be repeated. `pinned`: each of its connections fails with a ConnectionError unless the process behind it is the
    one that the endpoint's run_id names, and still a master. `db`: frames live in database 0, a cache may live elsewhere.
    """
    options: dict[str, Any] = {"redis_connect_func": _pinned(endpoint.run_id)} if pinned and endpoint.run_id else {}
    options["db"] = db
    if endpoint.uds and (not endpoint.port or not verify or _is_its_socket(endpoint, timeout)):
        return _client(_UnixConnection, endpoint, timeout, path=endpoint.uds, **options)
    return _client(_TCPConnection, endpoint, timeout, host=endpoint.host, port=endpoint.port, **options)


def parse_redis_url(url: str) -> Endpoint:
    """The endpoint in `redis://[user][:password]@host:port/0` or `unix://[user][:password]@/path`."""
    parts = urlsplit(url)
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if parts.scheme == "unix":
        return Endpoint("127.0.0.1", 0, uds=parts.path, username=username, password=password)
    if parts.scheme != "redis" or not parts.hostname:
        raise InvalidSettingError(f"{redacted(url)} is no redis://host:port or unix:///path URL")
    if parts.path.strip("/") not in ("", "0"):
        raise InvalidSettingError(f"{redacted(url)}: frames live in database 0, leave the path out")
    return Endpoint(parts.hostname, parts.port or 6379, username=username, password=password)


def close_redis(client: Redis) -> None:
    """Close every connection of the client's pool, those in use too."""
    client.connection_pool.disconnect()


def retire_redis(client: Redis) -> None:
    """Close the connections nobody uses: the client will not be asked for more.

    Those in use have their own errors, or end well, in the threads that use them; closed under their hands they would fail in
    ways that are no connection errors. They close with the client, when the last of these threads lets go of it.
    """
    client.connection_pool.disconnect(inuse_connections=False)


def transport(client: Redis) -> str:
    """How the client's bytes travel: `unix socket PATH`, or `tcp HOST:PORT`."""
    address = client.connection_pool.connection_kwargs
    return f"unix socket {address['path']}" if "path" in address else f"tcp {address['host']}:{address['port']}"


@contextmanager
def translated(where: object) -> Iterator[None]:
    """Redis errors become FrameDB's, with their cause; `where` names the server in the message."""
    try:
        yield
    except FrameDBError:
        raise
    except redis.OutOfMemoryError as exc:
        raise StoreFullError(f"{where} is at its maxmemory: acknowledge or delete frames, or raise maxmemory") from exc
    except (redis.ConnectionError, redis.TimeoutError, OSError) as exc:
        raise StoreUnavailableError(f"{where} does not answer: {redacted(str(exc))}") from exc
    except redis.RedisError as exc:
        if is_out_of_memory(exc):
            raise StoreFullError(
                f"{where} is at its maxmemory: acknowledge or delete frames, or raise maxmemory"
            ) from exc
        if is_short_of_replicas(exc):
            raise StoreUnavailableError(
                f"{where} takes no writes while too few of its replicas are attached (min-replicas-to-write): try again "
                f"once its other members run, and see their logs if they do not"
            ) from exc
        if is_lost_master(exc):
            raise StoreUnavailableError(f"{where} has no master that answers: {redacted(str(exc))}") from exc
        raise StoreError(f"{where}: {redacted(str(exc))}") from exc


def is_out_of_memory(error: Exception) -> bool:
    """Whether the server refused for want of memory, whichever way it says so."""
    if isinstance(error, redis.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, redis.ResponseError) and ("OOM" in text or "used memory > 'maxmemory'" in text)


def is_lost_master(error: Exception) -> bool:
    """Whether asking the sentinels for another master may help."""
    if isinstance(error, redis.AuthenticationError | NotAuthorizedError):
        return False
    if isinstance(error, redis.ConnectionError | redis.TimeoutError | OSError):
        return True
    if isinstance(error, redis.ReadOnlyError | redis.exceptions.MasterDownError):
        return True
    # As the reason of an EXECABORT, in a function, or of a WAIT that was cut short: these have no class of their own.
    return isinstance(error, redis.ResponseError) and any(sign in str(error) for sign in _SIGNS_OF_DEMOTION)


def is_short_of_replicas(error: BaseException | None) -> bool:
    """Whether a master refused to write because too few of its replicas are attached (`min-replicas-to-write`)."""
    return isinstance(error, redis.ResponseError) and "NOREPLICAS" in str(error)


def is_missing_function(error: Exception) -> bool:
    """Whether the server has not been given our function library (it restarted, or is new)."""
    return isinstance(error, redis.ResponseError) and "Function not found" in str(error)


def is_server_error(reply: Any) -> bool:
    """Whether one reply of many is an error the server answered."""
    return isinstance(reply, redis.ResponseError)


class _TCPConnection(Connection):
    def _connect(self) -> socket.socket:
        sock: socket.socket = super()._connect()  # type: ignore[no-untyped-call]
        if ip_address(sock.getpeername()[0]).is_loopback:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LOCAL_SEND_BUFFER_BYTES)
        return sock


class _UnixConnection(UnixDomainSocketConnection):
    def _connect(self) -> socket.socket:
        sock: socket.socket = super()._connect()  # type: ignore[no-untyped-call]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LOCAL_SEND_BUFFER_BYTES)
        return sock


def _client(kind: type[_TCPConnection | _UnixConnection], endpoint: Endpoint, timeout: float, **address: Any) -> Redis:
    pool = Pool(
        connection_class=kind,
        username=endpoint.username,
        password=endpoint.password,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        socket_read_size=_READ_BYTES,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        **address,
    )
    return Redis(connection_pool=pool)


def _is_its_socket(endpoint: Endpoint, timeout: float) -> bool:
    """Whether the socket file exists here and the server behind it has the run_id the endpoint names."""
    if not endpoint.uds or not Path(endpoint.uds).is_socket():
        return False
    if endpoint.run_id is None:
        return _accepts(endpoint.uds)
    client = _client(_UnixConnection, endpoint, timeout, path=endpoint.uds)
    try:
        return bool(client.info("server")["run_id"] == endpoint.run_id)
    except (redis.RedisError, OSError):
        return False
    finally:
        close_redis(client)


def _pinned(run_id: str) -> Callable[[Connection], None]:
    """What each new connection of a pinned client does.

    A pool connects again by itself, to whatever listens there by then: an old master that came back as a replica, or the
    server of another cluster that was given the same port.
    """

    def connect(connection: Connection) -> None:
        try:
            connection.on_connect()
        except redis.AuthenticationError as exc:
            raise redis.ConnectionError("another server has taken the master's place: it refuses our password") from exc
        connection.send_command("INFO", "server")
        info = connection.read_response()
        connection.send_command("ROLE")
        role = connection.read_response()
        if f"run_id:{run_id}".encode() not in info or role[0] != b"master":
            raise redis.ConnectionError("another server has taken the master's place, or it is master no more")

    return connect


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True
