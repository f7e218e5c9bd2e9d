"""`FrameFolder`: frames as files, each content once, whatever its names.

    <base>/content/ab/ab12...ef.jpg     the bytes, by their SHA-256
    <base>/<job_id>/<name>.jpg          a hard link to them, or a copy where the file system has no more links
    <base>/rows-ab/<version>            the same, of a row of `FileStore`

A content is held by its links. What nobody holds goes with the last job or row that held it, or in a sweep; a lock on a file
keeps whoever removes from those who are just linking, in any process of this machine.
"""

import errno
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from io import BufferedReader
from pathlib import Path

from framedb.disk import check_room, is_full
from framedb.errors import InvalidKeyError, NotFoundError, StoreError, StoreFullError, StoreUnavailableError

_CONTENT = "content"
_NEW = "new"  # in it: what is being written
_CHECKSUM = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9-][A-Za-z0-9._-]{0,99}")
_NO_LINK = {errno.EMLINK, errno.EPERM, errno.ENOTSUP, errno.EXDEV}  # ext4 takes 65,000 links of one file


class FrameFolder:
    """Frames by checksum, and by job and name. Every method may raise StoreFullError and StoreUnavailableError."""

    def __init__(self, base: Path) -> None:
        self.base = base
        """Made with the first frame."""

    def put(self, data: bytes) -> str:
        """Keep these bytes; their checksum. They are whole on the disk, or not there. What is linked to no job may go."""
        checksum = hashlib.sha256(data).hexdigest()
        with _translated(self.base):
            if not self._content(checksum).exists():
                with self._written(data) as file, self._held(exclusive=False):
                    self._place(file, checksum)
        return checksum

    def link(self, checksum: str, job_id: str, name: str) -> Path:
        """Make a job hold a content under a name; its path. Raises NotFoundError when the content is not there."""
        with _translated(self.base), self._held(exclusive=False):
            return self._link(checksum, job_id, name)

    def keep(self, data: bytes | memoryview, job_id: str, name: str) -> str:
        """Put and link in one: nobody can remove the bytes in between. Their checksum."""
        checksum = hashlib.sha256(data).hexdigest()
        with _translated(self.base):
            with self._held(exclusive=False):
                if self._content(checksum).exists():
                    self._link(checksum, job_id, name)
                    return checksum
            with self._written(data) as file, self._held(exclusive=False):
                self._place(file, checksum)
                self._link(checksum, job_id, name)
        return checksum

    def published(self, _: Collection[str]) -> AbstractContextManager[object]:
        """A block in which every reader finds these contents: all of them are on this machine."""
        return nullcontext()

    def read(self, checksum: str, path: str | None = None) -> bytes | None:
        """The bytes, or None. `path` is one that has them, `<job_id>/<name>`: a copy stays when their content goes."""
        with _translated(self.base):
            for file in (self._content(checksum), *([self.path(*path.split("/"))] if path else [])):
                with suppress(FileNotFoundError):
                    return file.read_bytes()
        return None

    @contextmanager
    def opened(self, job_id: str, name: str) -> Iterator[BufferedReader | None]:
        """The file of that name, to be read in the block: whole, whatever becomes of its name. None: there is none."""
        with _translated(self.base), ExitStack() as opened:
            file: BufferedReader | None = None
            with suppress(FileNotFoundError):
                file = opened.enter_context(self.path(job_id, name).open("rb"))
            yield file

    def path(self, job_id: str, name: str) -> Path:
        """Where a job's frame of that name lies. Raises InvalidKeyError for names that are none."""
        return self.base / _checked(job_id) / _checked(name)

    def names(self, job_id: str) -> list[str]:
        """What the job holds, by its names."""
        with _translated(self.base), suppress(FileNotFoundError):
            return [each.name for each in (self.base / _checked(job_id)).iterdir() if not each.name.startswith(".")]
        return []

    def jobs(self) -> list[str]:
        """Jobs that hold anything, by their ids; other folders are somebody else's."""
        with _translated(self.base), suppress(FileNotFoundError):
            return sorted(each.name for each in self.base.iterdir() if _ID.fullmatch(each.name) and each.is_dir())
        return []

    def is_of(self, owner: str) -> bool:
        """Whether this owner was the first to ask: what it does not know of, it may remove."""
        if not self.base.exists():
            return False
        with _translated(self.base), self._held(exclusive=True):
            mark = self.base / _CONTENT / ".owner"
            if not mark.exists():
                mark.write_text(owner)
            return mark.read_text() == owner

    def drop(self, job_id: str, name: str, checksum: str | None = None) -> None:
        """Let the job go of one name; of the content, if nobody else holds it. Without its checksum: see `sweep`."""
        with _translated(self.base):
            self.path(job_id, name).unlink(missing_ok=True)
            self._collect(self._content(each) for each in (checksum,) if each is not None)

    def remove_job(self, job_id: str, checksums: Collection[str] = ()) -> None:
        """Remove what the job holds; of these contents, those that nobody else does. Without them: see `sweep`."""
        with _translated(self.base):
            folder = self.base / _checked(job_id)
            for _ in range(10):  # a worker that does not know yet may still write into it
                shutil.rmtree(folder, ignore_errors=True)
                if not folder.exists():
                    break
            self._collect(self._content(checksum) for checksum in checksums)

    def sweep(self, *, older_than: float = 3600.0) -> int:
        """Remove contents nobody holds, and what was never finished, of more than that many seconds ago; how many."""
        with _translated(self.base):
            return self._collect((self.base / _CONTENT).glob("*/*"), before=time.time() - older_than)

    def _collect(self, files: Iterator[Path], before: float | None = None) -> int:
        removed = 0
        for file in files:
            if not _is_loose(file, before):
                continue
            with self._held(exclusive=True):
                if _is_loose(file, before):
                    file.unlink()
                    removed += 1
            if file.parent.name != _NEW:
                with suppress(OSError):  # others are in it
                    file.parent.rmdir()
        return removed

    def _place(self, file: Path, checksum: str) -> None:
        """Make it the content, unless there is one by now: the links of others lead there."""
        content = self._content(checksum)
        while True:
            content.parent.mkdir(exist_ok=True)
            try:
                os.link(file, content)
            except FileExistsError:
                return
            except FileNotFoundError:  # the folder was removed, for it was empty
                continue
            except OSError as exc:
                if exc.errno not in _NO_LINK:
                    raise
                file.replace(content)
            return

    def _link(self, checksum: str, job_id: str, name: str) -> Path:
        content, path = self._content(checksum), self.path(job_id, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{name}.{os.getpid()}-{time.monotonic_ns()}")
        try:
            os.link(content, beside)
        except FileNotFoundError as exc:
            raise NotFoundError(f"{checksum} is not among the frames: put it first") from exc
        except OSError as exc:
            if exc.errno not in _NO_LINK:
                raise
            shutil.copyfile(content, beside)
        beside.replace(path)  # over what an earlier attempt left
        beside.unlink(missing_ok=True)  # two links of one file are left both
        return path

    def _content(self, checksum: str) -> Path:
        if not _CHECKSUM.fullmatch(checksum):
            raise InvalidKeyError(f"{checksum[:80]!r} is no SHA-256: give 64 digits of hex")
        return self.base / _CONTENT / checksum[:2] / f"{checksum}.jpg"

    @contextmanager
    def _written(self, data: bytes | memoryview) -> Iterator[Path]:
        """A file of these bytes that is on the disk."""
        folder = self.base / _CONTENT / _NEW
        folder.mkdir(parents=True, exist_ok=True)
        check_room(folder, len(data))
        handle, name = tempfile.mkstemp(dir=folder)
        file = Path(name)
        try:
            with os.fdopen(handle, "wb") as opened:
                opened.write(data)
                opened.flush()
                os.fsync(opened.fileno())
            file.chmod(0o644)
            yield file
        finally:
            file.unlink(missing_ok=True)

    @contextmanager
    def _held(self, *, exclusive: bool) -> Iterator[None]:
        content = self.base / _CONTENT
        content.mkdir(parents=True, exist_ok=True)
        with (content / ".lock").open("a") as file:  # let go of as it is closed, or its process dies
            fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
            yield


def _is_loose(file: Path, before: float | None) -> bool:
    """Whether nobody holds it; of what is being written, only its age tells."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return False
    is_held = status.st_nlink > 1 and file.parent.name != _NEW
    return not is_held and (before is None or status.st_ctime < before)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name) or name == _CONTENT:
        raise InvalidKeyError(f"{name[:80]!r} is no name of a job or frame")
    return name


@contextmanager
def _translated(base: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if is_full(exc):
            raise StoreFullError(f"the disk of {base} is full: delete jobs, or give it more room") from exc
        if exc.errno in (errno.EACCES, errno.EROFS, errno.EIO, errno.ENOENT, errno.ENOTDIR):
            raise StoreUnavailableError(f"{base} cannot be used ({exc.strerror}): check the path and its mode") from exc
        raise StoreError(f"{base}: {exc.strerror}") from exc
