"""`framedb://`: whatever opens its files through fsspec opens objects."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Iterator
from typing import Any

import av
import fsspec  # type: ignore[import-untyped]
import numpy as np
import pytest

from framedb.errors import ConflictError, InvalidKeyError
from tests.acceptance.conftest import UpNode
from tests.unit.media.clips import write_clip

MiB = 2**20


@pytest.fixture
def fs(node: UpNode) -> Iterator[Any]:
    """The file system, without a file afterwards."""
    found = fsspec.filesystem("framedb", url=node.url, skip_instance_cache=True)
    yield found
    if found.exists("files"):
        found.rm("files", recursive=True)


def test_an_array_and_a_document_are_written_and_read_by_their_urls(node: UpNode, fs: Any) -> None:
    array = np.arange(300_000, dtype=np.uint16).reshape(300, 1000)
    with fsspec.open("framedb://files/array.npy", "wb", url=node.url) as file:
        np.save(file, array)
    with fsspec.open("framedb://files/array.npy", "rb", url=node.url) as file:
        assert np.array_equal(np.load(file), array)
    with fsspec.open("framedb://files/names.json", "w", url=node.url, encoding="utf-8") as file:
        json.dump({"gate": "Tür"}, file)
    with fsspec.open("framedb://files/names.json", "r", url=node.url, encoding="utf-8") as file:
        assert json.load(file) == {"gate": "Tür"}
    with node.connect() as db:
        assert fs.size("files/array.npy") == len(bytes(db.get("files/array.npy").view()))  # type: ignore[union-attr]


def test_a_member_of_an_archive_is_read_without_the_rest_of_it(fs: Any) -> None:
    with fs.open("files/all.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("noise", os.urandom(30 * MiB))
        archive.writestr("note", "here it is")
    with fs.open("files/all.zip", block_size=64 * 1024) as file, zipfile.ZipFile(file) as archive:
        assert archive.read("note") == b"here it is"
        assert file.cache.total_requested_bytes < MiB


def test_a_video_is_played_from_where_it_lies(fs: Any, tmp_path: Any) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    fs.put(str(clip), "files/clip.mp4")
    with fs.open("files/clip.mp4") as file, av.open(file) as there, av.open(str(clip)) as here:
        theirs, ours = ([frame.pts for frame in each.decode(video=0)] for each in (there, here))
        assert theirs == ours != []


def test_folders_are_listed_one_level_at_a_time(fs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a.txt", "b/1.txt", "b/2.txt", "b/c/3.txt", "b/c/4.txt", "b.txt", "b0.txt", "ü/x.txt", "ü/y.txt", "z.txt"]
    for name in names:
        fs.pipe(f"files/{name}", name.encode())
    for page in (1, 2, 3, 1000):
        monkeypatch.setattr("framedb.client.filesystem._PAGE", page)
        listed = fs.ls("files", detail=True)
        assert [entry["name"] for entry in listed if entry["type"] == "directory"] == ["files/b", "files/ü"]
        files = {entry["name"]: entry["size"] for entry in listed if entry["type"] == "file"}
        assert files == {f"files/{name}": len(name) for name in names if "/" not in name}
        assert fs.find("files") == sorted(f"files/{name}" for name in names)
    assert fs.ls("files/b/c", detail=False) == ["files/b/c/3.txt", "files/b/c/4.txt"]
    assert fs.ls("files/a.txt", detail=False) == ["files/a.txt"]
    assert fs.glob("files/**/3.*") == ["files/b/c/3.txt"]
    assert "files" in fs.ls("", detail=False)


def test_what_is_not_there_is_a_file_that_is_not_found(fs: Any) -> None:
    fs.pipe("files/deep/a", b"x")
    for call in (fs.info, fs.ls, fs.open, fs.rm, fs.rm_file, fs.cat_file, fs.modified):
        with pytest.raises(FileNotFoundError):
            call("files/nothing")
    assert not fs.exists("files/nothing")
    assert fs.exists("files/deep")
    assert fs.isdir("files/deep")
    with pytest.raises(IsADirectoryError):
        fs.open("files/deep")


def test_a_file_is_seen_when_it_is_closed_and_replaces_the_earlier_one_then(fs: Any) -> None:
    fs.pipe("files/a", b"old")
    with fs.open("files/a", "wb", block_size=MiB) as file:
        for _ in range(12):
            file.write(b"x" * MiB)
        assert fs.cat("files/a") == b"old"
    assert fs.cat("files/a") == b"x" * (12 * MiB)
    assert fs.cat_file("files/a", 5 * MiB, 5 * MiB + 3) == b"xxx"


def test_a_writer_that_fails_leaves_nothing(fs: Any) -> None:
    def fail() -> None:
        with fs.open("files/half", "wb", block_size=MiB) as file:
            file.write(b"x" * (5 * MiB))
            raise KeyError("half-way")

    with pytest.raises(KeyError, match="half-way"):
        fail()
    assert not fs.exists("files/half")


def test_a_file_that_cannot_be_stored_is_an_error_for_whoever_writes_it(fs: Any) -> None:
    def write() -> None:
        with fs.open("fdb:files", "wb", block_size=MiB) as file:
            for _ in range(64):
                file.write(b"x" * MiB)

    with pytest.raises(InvalidKeyError, match="fdb:"):
        write()


def test_a_file_that_must_be_new_does_not_replace_another_one(fs: Any) -> None:
    with fs.open("files/new", "xb") as file:
        file.write(b"first")
    with pytest.raises(FileExistsError), fs.open("files/new", "xb") as file:
        file.write(b"second")
    assert fs.cat("files/new") == b"first"
    with pytest.raises(NotImplementedError, match="rb, wb or xb"):
        fs.open("files/new", "ab")


def test_files_of_a_transaction_appear_together_or_not_at_all(fs: Any) -> None:
    with fs.transaction:
        fs.pipe("files/one", b"1")
        fs.pipe("files/two", b"2")
        assert not fs.exists("files/one")
    assert fs.cat(fs.find("files")) == {"files/one": b"1", "files/two": b"2"}

    def fail() -> None:
        with fs.transaction:
            fs.pipe("files/three", b"3")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not fs.exists("files/three")


def test_a_file_that_is_replaced_while_it_is_read_is_not_mixed_with_its_successor(fs: Any) -> None:
    fs.pipe("files/a", b"old" * MiB)
    with fs.open("files/a", block_size=64 * 1024) as file:
        assert file.read(3) == b"old"
        fs.pipe("files/a", b"new" * MiB)
        file.seek(2 * MiB)
        with pytest.raises(ConflictError, match="replaced while it was read"):
            file.read(3)
    version = fs.ukey("files/a")
    fs.pipe("files/a", b"new" * MiB)
    assert fs.ukey("files/a") != version


def test_files_are_copied_moved_and_removed(fs: Any) -> None:
    fs.pipe({"files/a/1": b"1", "files/a/b/2": b"2"})
    fs.cp("files/a", "files/c", recursive=True)
    fs.mv("files/c/1", "files/d")
    assert fs.find("files") == ["files/a/1", "files/a/b/2", "files/c/b/2", "files/d"]
    fs.rm("files/a", recursive=True)
    fs.rm("files/d")
    assert fs.find("files") == ["files/c/b/2"]


def test_it_travels_to_another_process_with_its_address(fs: Any) -> None:
    fs.pipe("files/a", b"x")
    again = pickle.loads(pickle.dumps(fs))
    assert again.cat("files/a") == b"x"


def test_fsspecs_own_cache_keeps_what_is_the_same_and_reads_what_is_not(node: UpNode, fs: Any, tmp_path: Any) -> None:
    options = {"framedb": {"url": node.url}, "filecache": {"cache_storage": str(tmp_path), "check_files": True}}
    for data in (b"old", b"new"):
        fs.pipe("files/a", data)
        with fsspec.open("filecache::framedb://files/a", "rb", **options) as file:
            assert io.BytesIO(file.read()).getvalue() == data
