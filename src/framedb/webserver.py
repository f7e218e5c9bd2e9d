"""The key-value store of this process over HTTP and WebSocket, from a thread of its own: `webserver.kvs` for other programs.

The functions carry the names and argument order of Savant's, so that `from framedb import webserver` takes the place of
`from savant_rs import webserver`. Unlike Savant's it serves this machine alone unless it is told otherwise, and can be started
again after a stop.
"""

import sys
import threading

from framedb import kvs
from framedb.config import read_settings
from framedb.errors import ConflictError
from framedb.server.kvs.app import KvsApp
from framedb.server.kvs.running import KvsServer
from framedb.server.kvs.shutdown import Shutdown
from framedb.server.listening import address_of, bound, token_for

__all__ = [
    "init_webserver",
    "is_shutdown_set",
    "kvs",
    "set_shutdown_signal",
    "set_shutdown_token",
    "set_status_running",
    "stop_webserver",
    "webserver_url",
]

# Savant's `webserver.kvs` is imported by that name as well: `import framedb.webserver.kvs as kvs`.
sys.modules[f"{__name__}.kvs"] = kvs

_lock = threading.Lock()
_server: KvsServer | None = None
_shutdown = Shutdown()


def init_webserver(port: int, *, host: str = "127.0.0.1", insecure: bool = False) -> None:
    """Serve `framedb.kvs` on this port, 0 being any free one; requests carry the token of `FRAMEDB_TOKEN`, if that is set.

    `host` is the address to listen on; beyond this machine it needs `FRAMEDB_TOKEN`, unless `insecure` lets everybody in.
    Raises PortInUseError, InvalidSettingError for an address that others reach without a token, ConflictError if it serves
    on another port already.
    """
    global _server
    with _lock:
        if _server is not None:
            if port in (0, _server.address[1]):
                return
            raise ConflictError(f"the web server listens on port {_server.address[1]}: call stop_webserver() first")
        settings = read_settings()
        app = KvsApp(
            kvs.store(),
            token=token_for(host, settings, insecure=insecure, option="insecure=True"),
            insecure=insecure,
            max_body_bytes=settings.kvs_max_body_bytes,
            status=_shutdown.status,
            more=[_shutdown.route()],
        )
        server = KvsServer(app, bound(host, port, other="another port"))
        server.start()
        _server = server


def stop_webserver() -> None:
    """Serve no longer, and end all subscriptions, as Savant's does; what is stored stays. It can be started again."""
    global _server
    with _lock:
        if _server is None:
            return
        _server.stop()
        _server = None
    kvs.store().close_subscriptions()


def webserver_url() -> str | None:
    """Where it is served; None if it is not."""
    server = _server
    if server is None:
        return None
    return f"http://{address_of(*server.address)}"


def set_status_running() -> None:
    """`GET /status` says `running` from now on, rather than `stopped`."""
    _shutdown.is_running = True


def set_shutdown_token(token: str) -> None:
    """Let whoever knows the token ask this program to stop: `POST /shutdown/{token}/graceful`, or `.../signal`.

    The first one stays: another one is refused with an error in the log, as Savant's does.
    """
    _shutdown.set_token(token)


def is_shutdown_set() -> bool:
    """Whether somebody asked this program to stop."""
    return _shutdown.is_set


def set_shutdown_signal(signal: int) -> None:
    """The signal this program sends itself on `POST /shutdown/{token}/signal`: SIGINT, unless this says otherwise.

    Raises InvalidInputError, a ValueError, for what is no signal.
    """
    _shutdown.set_signal(signal)
