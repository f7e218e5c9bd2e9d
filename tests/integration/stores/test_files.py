"""Frames in a folder: each content once, whole or not there, and gone with the last job that holds it."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from framedb.errors import InvalidKeyError, NotFoundError, StoreError, StoreFullError, StoreUnavailableError
from framedb.stores.files import FrameFolder
from tests.engines.disk import Disk


@pytest.fixture
def folder(tmp_path: Path) -> FrameFolder:
    """An empty one."""
    return FrameFolder(tmp_path / "frames")


def files(folder: FrameFolder) -> list[str]:
    """Every file of it, locks aside."""
    return sorted(
        str(each.relative_to(folder.base))
        for each in folder.base.rglob("*")
        if each.is_file() and not each.name.startswith(".")
    )


def test_a_frame_is_read_by_its_checksum_and_by_its_name(folder: FrameFolder) -> None:
    checksum = folder.put(b"picture")
    path = folder.link(checksum, "job-1", "0.00.jpg")

    assert checksum == sha256(b"picture").hexdigest()
    assert folder.read(checksum) == b"picture"
    assert path == folder.base / "job-1" / "0.00.jpg" == folder.path("job-1", "0.00.jpg")
    assert path.read_bytes() == b"picture"
    assert path.stat().st_ino == next(folder.base.glob("content/*/*.jpg")).stat().st_ino


def test_the_same_bytes_are_kept_once_whoever_holds_them(folder: FrameFolder) -> None:
    for job in ("job-1", "job-2"):
        for name in ("0.00.jpg", "5.00.jpg"):
            folder.keep(b"the same", job, name)

    content = list(folder.base.glob("content/*/*.jpg"))
    assert len(content) == 1
    assert content[0].stat().st_nlink == 5


def test_content_goes_with_the_last_job_that_holds_it(folder: FrameFolder) -> None:
    shared = folder.keep(b"shared", "job-1", "0.00.jpg")
    folder.keep(b"shared", "job-2", "0.00.jpg")
    own = folder.keep(b"own", "job-1", "5.00.jpg")

    folder.remove_job("job-1", [shared, own])
    assert folder.read(own) is None
    assert folder.read(shared) == b"shared"
    assert [each.name for each in folder.base.glob("job-*")] == ["job-2"]

    folder.remove_job("job-2", [shared])
    assert files(folder) == []


def test_an_attempt_that_is_repeated_replaces_what_the_earlier_one_left(folder: FrameFolder) -> None:
    old = folder.keep(b"old", "job-1", "0.00.jpg")
    new = folder.keep(b"new", "job-1", "0.00.jpg")
    again = folder.keep(b"new", "job-1", "0.00.jpg")

    assert new == again
    assert folder.path("job-1", "0.00.jpg").read_bytes() == b"new"
    assert folder.sweep(older_than=0.0) == 1
    assert folder.read(old) is None
    assert len(files(folder)) == 2


def test_a_sweep_leaves_what_is_held_and_what_is_young(folder: FrameFolder) -> None:
    held, loose = folder.keep(b"held", "job-1", "0.00.jpg"), folder.put(b"loose")

    assert folder.sweep(older_than=3600) == 0
    assert folder.sweep(older_than=-1) == 1
    assert (folder.read(held), folder.read(loose)) == (b"held", None)


def test_a_folder_of_somebody_else_is_no_job(folder: FrameFolder) -> None:
    job = "01a203dc-ab2f-7453-908e-760e69f46ffa"
    folder.keep(b"picture", job, "0.00.jpg")
    (folder.base / "holiday").mkdir()
    (folder.base / "01a203dc-ab2f-7453-908e-760e69f46ffb").write_text("a file")

    assert folder.jobs() == [job]
    assert [folder.is_of(owner) for owner in ("first", "second", "first")] == [True, False, True]


def test_what_was_never_finished_is_swept(folder: FrameFolder) -> None:
    folder.keep(b"held", "job-1", "0.00.jpg")
    half = folder.base / "content" / "new" / "tmp123"
    half.write_bytes(b"hal")

    assert folder.sweep(older_than=-1) == 1
    assert not half.exists()
    assert folder.keep(b"more", "job-1", "1.00.jpg")


def test_what_is_not_there_is_absent(folder: FrameFolder) -> None:
    missing = sha256(b"missing").hexdigest()
    assert folder.read(missing) is None
    assert folder.jobs() == []
    assert folder.sweep() == 0
    folder.remove_job("job-9", [missing])
    with pytest.raises(NotFoundError, match="put it first"):
        folder.link(missing, "job-1", "0.00.jpg")


@pytest.mark.parametrize(
    "name", ["", "..", ".", "../up", "a/b", "/etc", "content", "x" * 200, "nul\0", "päth", ".hidden"]
)
def test_no_name_leads_out_of_the_folder(folder: FrameFolder, name: str) -> None:
    for call in (
        lambda: folder.remove_job(name),
        lambda: folder.path(name, "0.00.jpg"),
        lambda: folder.keep(b"x", name, "0.jpg"),
    ):
        with pytest.raises(InvalidKeyError):
            call()
    with pytest.raises(InvalidKeyError):
        folder.read(f"../{name}")


def test_jobs_that_share_everything_come_and_go_at_once_and_lose_nothing(folder: FrameFolder) -> None:
    """One job always holds the content while others take it up and let it go."""
    begin = threading.Barrier(4, timeout=30)

    def come_and_go(job: str) -> None:
        begin.wait()
        for _ in range(60):
            checksum = folder.keep(b"contended", job, "0.00.jpg")
            assert folder.read(checksum) == b"contended"
            assert folder.path(job, "0.00.jpg").stat().st_nlink > 1
            folder.remove_job(job, [checksum])

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(come_and_go, f"job-{number}") for number in range(4)]:
            done.result()
    assert files(folder) == []


def test_where_a_file_can_have_no_more_links_a_copy_is_made(
    folder: FrameFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    checksum = folder.keep(b"picture", "job-1", "0.00.jpg")

    def too_many(*_: object) -> None:
        raise OSError(31, "Too many links")

    monkeypatch.setattr(os, "link", too_many)
    path = folder.link(checksum, "job-1", "1.00.jpg")

    assert path.read_bytes() == b"picture"
    assert path.stat().st_nlink == 1


def test_a_copy_is_read_when_the_content_went_with_those_that_were_linked_to_it(
    folder: FrameFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    checksum = folder.keep(b"picture", "job-1", "0.00.jpg")

    def too_many(*_: object) -> None:
        raise OSError(31, "Too many links")

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", too_many)
        folder.link(checksum, "job-2", "0.00.jpg")
    folder.remove_job("job-1", [checksum])

    assert folder.read(checksum) is None
    assert folder.read(checksum, "job-2/0.00.jpg") == b"picture"


def test_what_is_open_is_read_whole_though_its_last_holder_let_it_go(folder: FrameFolder) -> None:
    checksum = folder.keep(b"picture", "job-1", "0.00.jpg")
    assert folder.names("job-1") == ["0.00.jpg"]
    with folder.opened("job-1", "0.00.jpg") as file:
        folder.drop("job-1", "0.00.jpg", checksum)
        assert folder.names("job-1") == files(folder) == []
        assert file is not None
        assert file.read() == b"picture"
    with folder.opened("job-1", "0.00.jpg") as file:
        assert file is None


def test_a_full_disk_is_said_to_be_full_and_leaves_nothing_half_done(small_disk: Disk) -> None:
    if not small_disk.is_real:
        return
    folder = FrameFolder(small_disk.folder / "frames")

    def fill() -> None:
        for number in range(300):
            folder.keep(number.to_bytes(2, "big") * (2 << 20), "job-1", f"{number}.jpg")

    with pytest.raises(StoreFullError, match="delete jobs"):
        fill()

    assert len(list(folder.base.glob("job-1/*"))) == len(list(folder.base.glob("content/*/*.jpg"))) > 0
    folder.remove_job("job-1", [each.stem for each in folder.base.glob("content/*/*.jpg")])
    assert folder.keep(b"room again", "job-2", "0.jpg")


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = FrameFolder(tmp_path / "file")
    with pytest.raises((StoreUnavailableError, StoreError), match="file"):
        folder.keep(b"x", "job-1", "0.jpg")
