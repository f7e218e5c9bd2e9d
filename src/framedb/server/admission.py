"""Whether a request is let in: with the token; without one, from this machine alone, and from no web page of elsewhere."""

import hmac
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from framedb.server.authorization import presented

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
CHALLENGES = ("Bearer", 'Basic realm="FrameDB", charset="UTF-8"')
"""`WWW-Authenticate` of a 401: programs send the token as it is; a browser that opens a page asks for it as a password.

Each is a header of its own: Chromium takes several in one for a scheme that it does not know, and asks nobody.
"""

_REMEMBERED = 256  # they differ in spelling and port alone: more come only from who tries them out


class Refusal(NamedTuple):
    """Why a request is not let in."""

    status: int
    why: str


class Admission:
    """The rules of one service.

    Without a token a request must name a loopback host, and come from no foreign origin: a browser that was tricked into
    resolving another name to 127.0.0.1 sends that name as Host (DNS rebinding). The token as a password, which a browser
    remembers and sends along by itself, lets in no foreign page either; a program's Bearer token lets in from everywhere.
    """

    def __init__(self, *, token: str | None, insecure: bool = False) -> None:
        self._token = token.encode() if token else None
        self._insecure = insecure
        self._hosts = _LoopbackNames(before=b"//")
        self._origins = _LoopbackNames()

    def refusal(self, headers: Iterable[tuple[bytes, bytes]]) -> Refusal | None:
        """Why a request with these headers, their names in lower case, is not let in; None if it is."""
        if self._token is not None:
            return _without_token(headers, self._token)
        return None if self._insecure else self._from_elsewhere(headers)

    def _from_elsewhere(self, headers: Iterable[tuple[bytes, bytes]]) -> Refusal | None:
        named = local = embedded = opened = False
        for name, value in headers:
            if name == b"host":
                named = True
                if not self._hosts.have(value):
                    return _other_host(_hostname(b"//" + value))
            elif name == b"origin":
                local = self._origins.have(value)
                if not local:
                    return _FOREIGN
            # Images and scripts of a foreign page are asked for without an Origin. A link to here may be followed.
            elif name == b"sec-fetch-site":
                embedded = value == b"cross-site"
            elif name == b"sec-fetch-dest":
                opened = value == b"document"
        if embedded and not opened and not local:
            return _FOREIGN
        return None if named else _other_host(None)


class _LoopbackNames:
    """Values of a header that name this machine; seen once, they are known at a glance."""

    def __init__(self, *, before: bytes = b"") -> None:
        self._before = before  # what makes a URL of a value
        self._known: set[bytes] = set()

    def have(self, value: bytes) -> bool:
        return value in self._known or self._learn(value)

    def _learn(self, value: bytes) -> bool:
        if _hostname(self._before + value) not in LOOPBACK_NAMES:
            return False
        if len(self._known) < _REMEMBERED:
            self._known.add(value)
        return True


_FOREIGN = Refusal(403, "requests of web pages from elsewhere are refused: set FRAMEDB_TOKEN to allow them")
_FOREIGN_PASSWORD = Refusal(
    403,
    "a web page from elsewhere must send the token itself, as `Authorization: Bearer`: a browser's password is refused",
)
_NO_TOKEN = Refusal(401, "a valid token is needed: send `Authorization: Bearer $FRAMEDB_TOKEN`")


def _other_host(host: str | None) -> Refusal:
    return Refusal(403, f"host {host!r} is not this machine: set FRAMEDB_TOKEN to serve other names")


def _without_token(headers: Iterable[tuple[bytes, bytes]], token: bytes) -> Refusal | None:
    for name, value in headers:
        if name == b"authorization":
            if not hmac.compare_digest(presented(value.decode("latin-1")), token):
                return _NO_TOKEN
            is_password = value[:5].lower() == b"basic"
            return _FOREIGN_PASSWORD if is_password and _is_foreign_page(dict(headers)) else None
    return _NO_TOKEN


def _is_foreign_page(headers: dict[bytes, bytes]) -> bool:
    """Whether a browser says that a page of another origin asks: newer ones by Sec-Fetch-Site, all by Origin."""
    origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
    if site is not None:
        is_link = origin is None and headers.get(b"sec-fetch-dest") == b"document"
        return site not in (b"same-origin", b"none") and not is_link
    return origin is not None and origin.partition(b"://")[2] != headers.get(b"host", b"")


def _hostname(url: bytes) -> str | None:
    try:
        return urlsplit(url.decode("latin-1")).hostname
    except ValueError:
        return None
