"""`framedb://`: objects as files, for whatever opens its files through fsspec."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from fsspec.spec import AbstractFileSystem  # type: ignore[import-untyped]

from framedb.client.http import NodeClient, quoted
from framedb.client.object_file import ObjectFile
from framedb.client.reopening import Reopening
from framedb.errors import ConflictError, NotFoundError

_PAGE = 1000  # keys asked for in one go
_LAST = "/\U0010ffff"  # sorts behind every key of a folder


class FrameDBFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Objects by key, `/` between folders: `framedb://videos/a.mp4` is the object `videos/a.mp4`.

    Reading asks for the parts that are read, and never mixes two versions; writing sends as it goes, and is seen when the
    file is closed. A folder is there as long as it has files. Keys that end with `/` or hold `//` are no files.
    """

    protocol = "framedb"

    def __init__(self, url: str | None = None, token: str | None = None, **options: Any) -> None:
        """`url` and `token` are as for `framedb.connect`."""
        super().__init__(**options)
        self._reopening = Reopening(url, token=token)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """What is in a folder, or the one file. Raises FileNotFoundError."""
        path = self._strip_protocol(path)
        entries = sorted(self._entries(f"{path}/" if path else ""), key=lambda entry: entry["name"])
        if path and not entries:
            entries = [self.info(path)]
        return entries if detail else [entry["name"] for entry in entries]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Size in bytes, version (`ETag`) and time of writing of a file; or that it is a folder. Raises FileNotFoundError."""
        path = self._strip_protocol(path)
        if not path:
            return _folder(path)
        try:
            with self._node.request("HEAD", _object(path)) as response:
                response.drain_conn()
                told = response.headers
        except NotFoundError:
            if not self._node.json("GET", "/v1/objects", query={"prefix": f"{path}/", "limit": "1"})["keys"]:
                raise FileNotFoundError(path) from None
            return _folder(path)
        written_at = parsedate_to_datetime(told["Last-Modified"])
        return _file(path, int(told["Content-Length"]), written_at) | {"ETag": told["ETag"]}

    def exists(self, path: str, **_: Any) -> bool:
        """Whether there is such a file or folder."""
        try:
            return bool(self.info(path))
        except FileNotFoundError:
            return False

    def modified(self, path: str) -> datetime:
        """When the file was written, UTC."""
        return self.info(path)["mtime"]  # type: ignore[no-any-return]

    def rm_file(self, path: str) -> None:
        """Remove a file. Raises FileNotFoundError."""
        path = self._strip_protocol(path)
        if not self._node.json("DELETE", _object(path))["deleted"]:
            raise FileNotFoundError(path)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Remove files and, if `recursive`, folders with what is in them. Raises FileNotFoundError."""
        for each in self.expand_path(path, recursive=recursive, maxdepth=maxdepth):
            if not recursive or self.isfile(each):
                self.rm_file(each)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copy a file."""
        if self.isfile(path1):
            self.put_pieces(path2, self._pieces(path1, {}))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> ObjectFile:
        return ObjectFile(self, path, mode, **options)

    # For files

    def read_span(self, path: str, start: int, stop: int, *, etag: str) -> bytes:
        """Bytes of that version of the file. Raises FileNotFoundError, ConflictError if it was replaced."""
        try:
            return b"".join(self._pieces(path, {"Range": f"bytes={start}-{stop - 1}", "If-Match": etag}))
        except ConflictError as exc:
            raise ConflictError(f"{path} was replaced while it was read: open it again") from exc

    def put_pieces(self, path: str, pieces: Iterable[bytes], *, new: bool = False) -> None:
        """Store a file, seen when it is whole. Raises FileExistsError for one that should be `new`."""
        headers = {"Content-Type": "application/octet-stream", **({"If-None-Match": "*"} if new else {})}
        try:
            with self._node.request("PUT", _object(path), body=pieces, headers=headers) as response:
                response.drain_conn()
        except ConflictError as exc:
            raise FileExistsError(path) from exc

    def _pieces(self, path: str, headers: dict[str, str]) -> Iterator[bytes]:
        try:
            response = self._node.request("GET", _object(path), headers=headers)
        except NotFoundError as exc:
            raise FileNotFoundError(path) from exc
        return self._node.stream(response)

    def _entries(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Files and folders right under the prefix. What is deeper is jumped over, not listed."""
        folders: set[str] = set()
        after: str | None = ""
        while after is not None:
            query = {"prefix": prefix, "after": after, "details": "true", "limit": str(_PAGE)}
            page = self._node.json("GET", "/v1/objects", query=query)
            after, folder = page["next"], ""
            for told in page["objects"]:
                name, deeper, _ = told["key"].removeprefix(prefix).partition("/")
                folder = f"{prefix}{name}" if deeper else ""
                if name and not deeper:
                    yield _file(told["key"], told["size"], datetime.fromisoformat(told["stored_at"]))
                elif name and folder not in folders:
                    folders.add(folder)
                    yield _folder(folder)
            if after is not None and folder:
                after = folder + _LAST

    @property
    def _node(self) -> NodeClient:
        return self._reopening.db.node


def _file(name: str, size: int, written_at: datetime) -> dict[str, Any]:
    return {"name": name, "size": size, "type": "file", "mtime": written_at}


def _folder(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory"}


def _object(path: str) -> str:
    return f"/v1/objects/{quoted(path)}"
