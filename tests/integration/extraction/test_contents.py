"""Bytes of jobs' frames that several machines share: there before their rows, once, and gone with the last of these."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, insert, update
from uuid_utils import uuid7

from framedb.errors import StoreUnavailableError
from framedb.extraction.contents import FrameContents, SharedContents
from framedb.frame import Frame, utc_now
from framedb.registry import open_engine, upgrade, write
from framedb.registry.tables import job_frames, jobs
from framedb.routing import SQLLocator
from framedb.stores.files import FrameFolder
from framedb.stores.sql import SQLStore
from tests.engines.disk import SIZE, Disk

NAME = "0.00.jpg"


@dataclass(frozen=True)
class Site:
    """Machines that share a registry and a persistent instance."""

    engine: Engine
    store: SQLStore
    folder: Path

    def machine(self, name: str) -> SharedContents:
        """What a machine of that name has."""
        return SharedContents(
            FrameFolder(self.folder / name), self.engine, lambda: self.store, SQLLocator(self.engine).exclusively
        )

    def job(self) -> str:
        """The id of a new job that is worked on."""
        job_id, now = str(uuid7()), utc_now()
        row = {"job_id": job_id, "video_source": "a.mp4", "options": {}, "status": "processing", "processed_frames": 0}
        write(
            self.engine,
            lambda connection: connection.execute(insert(jobs).values(**row, created_at=now, updated_at=now)),
        )
        return job_id

    def add(self, machine: FrameContents, job_id: str, data: bytes, index: int = 0) -> str:
        """A frame of the job, as a worker on the machine adds it."""
        checksum = machine.keep(data, job_id, f"{index}.00.jpg")
        row = {"job_id": job_id, "index": index, "timestamp": 0.0, "checksum": checksum, "file_size": len(data)}
        more = {"width": 1, "height": 1, "name": f"{index}.00.jpg", "created_at": utc_now()}
        with machine.published([checksum]):
            write(self.engine, lambda connection: connection.execute(insert(job_frames).values(**row, **more)))
        return checksum

    def cancel(self, job_id: str) -> None:
        """Mark it as going."""
        mark = update(jobs).where(jobs.c.job_id == job_id).values(status="cancelled")
        write(self.engine, lambda connection: connection.execute(mark))

    def forget(self, job_id: str) -> None:
        """Remove its rows, as is done last."""
        write(self.engine, lambda connection: connection.execute(delete(jobs).where(jobs.c.job_id == job_id)))

    def kept(self) -> list[str]:
        """Keys in the instance."""
        return sorted(self.store.scan())


@pytest.fixture
def site(mariadb_url: str, tmp_path: Path) -> Iterator[Site]:
    """One without jobs."""
    engine = open_engine(mariadb_url)
    upgrade(engine)
    with SQLStore.open(mariadb_url) as store:
        yield Site(engine, store, tmp_path)
    engine.dispose()


def files(contents: FrameContents) -> list[str]:
    """Every file of its folder, locks aside."""
    found = (each for each in contents.base.rglob("*") if each.is_file() and not each.name.startswith("."))
    return sorted(str(each.relative_to(contents.base)) for each in found)


def test_what_one_machine_extracts_another_reads_and_has_then_in_its_folder(site: Site) -> None:
    here, there = site.machine("a"), site.machine("b")
    first, second = site.job(), site.job()
    checksum = site.add(here, first, b"picture")
    assert site.add(here, second, b"picture") == checksum == sha256(b"picture").hexdigest()
    assert site.kept() == [f"job-frame:{checksum}"]
    assert files(there) == []

    assert there.read(checksum, f"{first}/{NAME}") == b"picture"
    assert files(there) == sorted([f"content/{checksum[:2]}/{checksum}.jpg", f"{first}/{NAME}"])

    assert there.read(checksum, f"{second}/{NAME}") == b"picture"
    assert (there.base / second / NAME).samefile(there.base / first / NAME)
    assert there.read(sha256(b"other").hexdigest(), f"{first}/1.00.jpg") is None


def test_contents_go_with_the_last_job_that_has_them(site: Site) -> None:
    here, there = site.machine("a"), site.machine("b")
    first, second = site.job(), site.job()
    shared, own = site.add(here, first, b"shared"), site.add(here, first, b"own", index=1)
    site.add(there, second, b"shared")

    site.cancel(first)
    there.remove_job(first, [shared, own])
    site.forget(first)
    assert site.kept() == [f"job-frame:{shared}"]
    assert there.read(shared, f"{second}/{NAME}") == b"shared"

    site.cancel(second)
    there.remove_job(second, [shared])
    assert site.kept() == []
    assert files(there) == []


def test_of_two_jobs_that_go_at_once_one_takes_what_they_shared(site: Site) -> None:
    here = site.machine("a")
    both = [site.job(), site.job()]
    checksums = {site.add(here, job_id, b"shared") for job_id in both}
    for job_id in both:
        site.cancel(job_id)

    for job_id in both:
        here.remove_job(job_id, checksums)
    for job_id in both:
        site.forget(job_id)

    assert site.kept() == []
    assert files(here) == []


def test_a_content_that_is_taken_up_while_it_is_let_go_of_is_there(site: Site) -> None:
    """Jobs on several machines come and go, all with the same frame; whoever has a row of it can read it everywhere."""
    begin = threading.Barrier(3, timeout=60)
    elsewhere = site.machine("elsewhere")

    def come_and_go(name: str) -> None:
        machine = site.machine(name)
        begin.wait()
        for _ in range(12):
            job_id = site.job()
            checksum = site.add(machine, job_id, b"contended")
            assert site.store.present([f"job-frame:{checksum}"])
            site.cancel(job_id)
            machine.remove_job(job_id, [checksum])
            site.forget(job_id)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(come_and_go, f"machine-{number}") for number in range(3)]:
            done.result()
    assert site.kept() == []
    assert elsewhere.read(sha256(b"contended").hexdigest(), f"{site.job()}/{NAME}") is None


def test_what_was_cut_short_is_swept_and_what_others_called_alike_is_not(site: Site) -> None:
    here = site.machine("a")
    job_id = site.job()
    kept = site.add(here, job_id, b"kept")
    lost = here.keep(b"lost", job_id, "1.00.jpg")
    with here.published([lost]):
        pass  # the worker died before its rows were written
    site.store.put(Frame("job-frame:mine", b"of somebody else"))

    assert here.sweep() == 1
    assert site.kept() == sorted([f"job-frame:{kept}", "job-frame:mine"])


def test_a_frame_that_was_removed_while_it_was_worked_on_is_no_row(site: Site) -> None:
    here = site.machine("a")
    job_id = site.job()
    checksum = here.keep(b"picture", job_id, NAME)
    here.remove_job(job_id, [checksum])
    with pytest.raises(StoreUnavailableError, match="while it was worked on"), here.published([checksum]):
        raise AssertionError("rows must not be written")


def test_a_reader_whose_disk_is_full_reads_all_the_same(site: Site, small_disk: Disk) -> None:
    if not small_disk.is_real:
        return
    job_id = site.job()
    checksum = site.add(site.machine("a"), job_id, b"picture" * 1000)
    (small_disk.folder / "filler").write_bytes(bytes(SIZE - SIZE // 16))
    full = SharedContents(
        FrameFolder(small_disk.folder / "frames"), site.engine, lambda: site.store, SQLLocator(site.engine).exclusively
    )

    assert full.read(checksum, f"{job_id}/{NAME}") == b"picture" * 1000
    assert files(full) == []
