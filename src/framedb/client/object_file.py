"""`ObjectFile`: an object as an open file."""

from collections.abc import Iterable
from typing import Any, Protocol

from fsspec.spec import AbstractBufferedFile  # type: ignore[import-untyped]

from framedb.client.upload import Upload


class ObjectFiles(Protocol):
    """Reads and stores objects: `FrameDBFileSystem`."""

    def read_span(self, path: str, start: int, stop: int, *, etag: str) -> bytes:
        """Bytes of that version of the file."""

    def put_pieces(self, path: str, pieces: Iterable[bytes], *, new: bool = False) -> None:
        """Store a file, seen when it is whole."""


class ObjectFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """An object, open to be read from anywhere, or to be written from its beginning to its end."""

    def __init__(self, fs: ObjectFiles, path: str, mode: str = "rb", **options: Any) -> None:
        if mode not in ("rb", "wb", "xb"):
            raise NotImplementedError(f"an object is opened with rb, wb or xb, not with {mode}: write it anew")
        self._upload: Upload | None = None
        super().__init__(fs, path, mode, **options)
        if mode == "rb" and self.details["type"] == "directory":
            raise IsADirectoryError(path)

    def commit(self) -> None:
        """Have what was written appear."""
        if self._upload is not None:
            self._upload.finish()

    def discard(self) -> None:
        """Leave nothing of what was written."""
        if self._upload is not None:
            self._upload.discard()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self.mode != "rb":
            self.discard()  # half a file helps nobody
            self.closed = True
        self.close()

    def _fetch_range(self, start: int, stop: int) -> bytes:
        return self.fs.read_span(self.path, start, stop, etag=self.details["ETag"])  # type: ignore[no-any-return]

    def _initiate_upload(self) -> None:
        new = self.mode == "xb"
        self._upload = Upload(lambda pieces: self.fs.put_pieces(self.path, pieces, new=new))

    def _upload_chunk(self, final: bool = False) -> None:
        assert self._upload is not None
        self._upload.send(self.buffer.getvalue())
        if final and self.autocommit:
            self.commit()
