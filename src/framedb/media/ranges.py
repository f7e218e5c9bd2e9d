"""A file on a web server, of which parts are fetched."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_PIECE = 128 * 1024  # bytes: a request costs about as much as so many
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class RangedFile:
    """Bytes of a file by their place, each fetched once. Whoever opens it closes it."""

    def __init__(self, url: str, *, stall: float) -> None:
        """`stall`: seconds without a byte until the server is given up. Raises OSError where it sends no parts of files."""
        import urllib3  # not before: files on this machine do without, and it takes as long as some frames of them

        login = urlsplit(url)
        self._url = url
        self._headers = {"Accept-Encoding": "identity"}
        if login.username:
            secret = f"{unquote(login.username)}:{unquote(login.password or '')}"
            self._headers |= urllib3.make_headers(basic_auth=secret)
        retries = urllib3.Retry(connect=0, read=0, redirect=5, status=0, other=0)
        self._pool = urllib3.PoolManager(timeout=stall, retries=retries)
        self._failures = urllib3.exceptions.HTTPError
        self._pieces: list[tuple[int, bytes]] = []
        self.size: int = 0
        """Bytes of the whole file."""
        self._fetch(0, _PIECE)

    def read(self, begin: int, length: int) -> bytes:
        """Some of the file; fewer bytes at its end, or where the next ones are yet to be asked for. Raises OSError."""
        if begin >= self.size or length <= 0:
            return b""
        for start, data in self._pieces:
            if start <= begin < start + len(data):
                return data[begin - start : begin - start + length]
        return self._fetch(begin, max(length, _PIECE))[:length]

    def _fetch(self, begin: int, length: int) -> bytes:
        headers = self._headers | {"Range": f"bytes={begin}-{begin + length - 1}"}
        try:
            answer = self._pool.request("GET", self._url, headers=headers, preload_content=False)
            try:
                found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
                if answer.status != 206 or found is None or int(found[1]) != begin or int(found[2]) >= begin + length:
                    raise OSError(f"no such part of the file is sent: {answer.status}")
                data = answer.read()
            finally:
                answer.close()
        except self._failures as exc:
            raise OSError("the server does not send it") from exc
        self.size = int(found[3])
        self._pieces.append((begin, data))
        return data

    def close(self) -> None:
        """Forget the connection."""
        self._pool.clear()
