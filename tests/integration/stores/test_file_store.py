"""The file store keeps the contract of every store, with its rows in SQLite and on MariaDB; and what becomes of its files."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import text

from framedb.errors import CorruptDataError, StoreError, StoreFullError, StoreUnavailableError
from framedb.frame import Frame
from framedb.registry import open_engine, sqlite_url, write
from framedb.stores.file_store import FileStore
from framedb.stores.files import FrameFolder
from framedb.stores.frame_rows import Swept
from framedb.stores.sql import SQLStore
from tests.contracts.frame_store import FrameStoreContract, camera_frame, patterned, plain_bytes, until
from tests.engines.disk import Disk


class TestSQLite(FrameStoreContract):
    """The contract, with rows in a file beside the frames."""

    many = 1200

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[FileStore]:
        with FileStore.open(tmp_path / "frames") as store:
            yield store


class TestMariaDB(FrameStoreContract):
    """The contract, with rows on a server."""

    many = 1200

    @pytest.fixture
    def store(self, tmp_path: Path, mariadb_url: str) -> Iterator[FileStore]:
        with FileStore(open_engine(mariadb_url), FrameFolder(tmp_path / "frames")) as store:
            yield store


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Where the files of `store` are."""
    return tmp_path / "frames"


@pytest.fixture
def store(base: Path) -> Iterator[FileStore]:
    """An empty one."""
    with FileStore.open(base) as store:
        yield store


def contents(base: Path) -> list[Path]:
    """Files of contents."""
    return list(base.glob("content/??/*"))


def held(base: Path) -> list[Path]:
    """Files of rows."""
    return list(base.glob("rows-??/*"))


def test_the_same_bytes_are_kept_once_whatever_their_keys(store: FileStore, base: Path) -> None:
    store.put_many([Frame(f"k{n}", b"the same") for n in range(5)])
    store.put(Frame("other", b"other"))

    assert sorted(each.stem for each in contents(base)) == sorted(
        sha256(data).hexdigest() for data in (b"the same", b"other")
    )
    assert len(held(base)) == 6


def test_contents_go_with_the_last_frame_that_holds_them(store: FileStore, base: Path) -> None:
    store.put_many([Frame(key, b"shared") for key in ("a", "b")])
    store.put(Frame("c", b"replaced"))

    store.put(Frame("c", b"new"))
    store.delete("a")
    assert sorted(each.read_bytes() for each in contents(base)) == [b"new", b"shared"]

    assert store.delete_many(["b", "c"]) == 2
    assert contents(base) == held(base) == []


def test_frames_that_expire_give_their_files_back(store: FileStore, base: Path) -> None:
    store.put_many([camera_frame(n, b"%d" % n) for n in range(3)], ttl=0.05)
    store.put(Frame("kept", b"kept"))
    until(lambda: store.present([camera_frame(n).key for n in range(3)]) == set(), "the frames expire")

    assert store.sweep() == Swept(expired=3, unfinished=0)
    assert [each.read_bytes() for each in contents(base)] == [b"kept"]


def test_jobs_and_frames_in_one_folder_share_their_bytes(store: FileStore, base: Path) -> None:
    folder = FrameFolder(base)
    checksum = folder.keep(b"picture", "job-1", "0.00.jpg")
    store.put(Frame("k", b"picture"))
    assert len(contents(base)) == 1

    folder.remove_job("job-1", [checksum])
    assert plain_bytes(store.get("k")) == b"picture"

    folder.keep(b"picture", "job-2", "0.00.jpg")
    store.delete("k")
    assert folder.path("job-2", "0.00.jpg").read_bytes() == folder.read(checksum) == b"picture"


def test_what_a_writer_left_that_was_killed_is_swept(store: FileStore, base: Path) -> None:
    """Its file was there, its row not yet."""
    store.put(Frame("kept", b"kept"))
    folder = FrameFolder(base)
    version = (0).to_bytes(8, "big") + bytes(8)
    folder.keep(b"left behind", "rows-00", version.hex())
    (base / "rows-00" / "of somebody else").write_text("stays")

    assert store.sweep(older_than=3600) == Swept(expired=0, unfinished=1)
    assert store.sweep(older_than=-1) == Swept(expired=0, unfinished=0)

    assert [each.read_bytes() for each in contents(base)] == [b"kept"]
    assert plain_bytes(store.get("kept")) == b"kept"
    assert (base / "rows-00" / "of somebody else").exists()


def test_a_file_that_was_changed_is_damaged(store: FileStore, base: Path) -> None:
    for key, damaged in (("longer", b"imagee"), ("shorter", b"imag"), ("other", b"imagf")):
        store.put(Frame(key, b"image"))
        contents(base)[0].write_bytes(damaged)
        with pytest.raises(CorruptDataError, match=f"{key}: its file is damaged"):
            store.get(key)
        with pytest.raises(CorruptDataError):
            store.get_into(key, bytearray(10))
        store.delete(key)

    store.put(Frame("again", b"image"))
    assert plain_bytes(store.get("again")) == b"image"


def test_a_file_that_somebody_removed_is_told_from_a_frame_that_is_not_there(store: FileStore, base: Path) -> None:
    store.put(Frame("k", b"image"))
    held(base)[0].unlink()

    with pytest.raises(CorruptDataError, match="put the frame again"):
        store.get("k")

    store.put(Frame("k", b"image"))
    assert plain_bytes(store.get("k")) == b"image"


def test_a_write_whose_rows_are_refused_leaves_the_earlier_frame(store: FileStore, base: Path) -> None:
    store.put(Frame("k", b"earlier"))
    engine = open_engine(sqlite_url(base / "rows.db"))
    write(engine, lambda connection: connection.execute(text(
        "CREATE TRIGGER refused BEFORE INSERT ON frame_files BEGIN SELECT RAISE(FAIL, 'refused'); END"
    )))  # fmt: skip
    with pytest.raises(StoreError):
        store.put(Frame("k", b"later"))
    write(engine, lambda connection: connection.execute(text("DROP TRIGGER refused")))
    engine.dispose()

    assert plain_bytes(store.get("k")) == b"earlier"
    assert len(held(base)) == 2
    assert store.sweep(older_than=-1).unfinished == 1
    assert [each.read_bytes() for each in contents(base)] == [b"earlier"]


def test_a_full_disk_is_said_to_be_full_and_leaves_nothing_half_done(small_disk: Disk) -> None:
    if not small_disk.is_real:
        return
    base = small_disk.folder / "frames"
    with FileStore.open(base) as store:
        with pytest.raises(StoreFullError):
            store.put_many([Frame(f"k{n}", n.to_bytes(2, "big") * (2 << 20)) for n in range(300)])
        assert len(list(store.scan())) == len(held(base)) == len(contents(base)) > 0
        assert all(store.get(key) is not None for key in store.scan())


def test_rows_say_where_bytes_are_and_no_other_kind_of_store_takes_them(base: Path, tmp_path: Path) -> None:
    FileStore.open(base).close()
    SQLStore.open(sqlite_url(tmp_path / "frames.db")).close()
    with pytest.raises(StoreError, match=r"rows\.db keeps the bytes of frames in files"):
        SQLStore.open(sqlite_url(base / "rows.db"))
    engine = open_engine(sqlite_url(tmp_path / "frames.db"))
    with pytest.raises(StoreError, match=r"frames\.db keeps the bytes of frames in chunks"):
        FileStore(engine, FrameFolder(base))
    engine.dispose()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailableError, match="file"):
        FileStore.open(tmp_path / "file" / "frames")


def test_a_reader_of_a_frame_that_is_replaced_reads_one_or_the_other(
    store: FileStore, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file goes between the row and the bytes."""
    store.put(Frame("k", patterned(1000)))
    opened = FrameFolder.opened
    replaced: list[str] = []

    def late(folder: FrameFolder, job_id: str, name: str):  # type: ignore[no-untyped-def]
        if not replaced:
            replaced.append(name)
            store.put(Frame("k", b"new"))
            assert not (base / job_id / name).exists()
        return opened(folder, job_id, name)

    monkeypatch.setattr(FrameFolder, "opened", late)
    assert plain_bytes(store.get("k")) == b"new"
    replaced.clear()
    buffer = bytearray(3)
    assert store.get_into("k", buffer) == 3
    assert buffer == b"new"
