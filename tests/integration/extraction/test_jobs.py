"""The rows of jobs, on both kinds of database: submitted, shared out, done once, cancelled without a trace."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, update

from framedb.errors import InvalidInputError, NotFoundError
from framedb.extraction.claims import MAX_ATTEMPTS, Claim, Claims
from framedb.extraction.jobs import PLANNING, STATES, JobFrame, Jobs
from framedb.extraction.plan import Segment, Target
from framedb.extraction.selection import Selection
from framedb.extraction.sources import VideoSource, uploaded
from framedb.frame import utc_now
from framedb.media import Run
from framedb.registry import reading, write
from framedb.registry.tables import job_frames, job_videos, job_webhooks, jobs, leases, metadata, segments
from framedb.stores.files import FrameFolder

VIDEO = VideoSource("file", "/videos/a.mp4", "a.mp4")
STREAM = VideoSource("url", "rtsp://me:hunter2@cam/1", "rtsp://cam/1")
EVERY_SECOND = Selection(interval=1.0)


@pytest.fixture
def folder(tmp_path: Path) -> FrameFolder:
    """Where frames are."""
    return FrameFolder(tmp_path / "frames")


@pytest.fixture
def rows(engine: Engine, folder: FrameFolder) -> Jobs:
    """Jobs, none yet."""
    return Jobs(engine, folder)


@pytest.fixture
def claims(engine: Engine) -> Claims:
    """What workers see of them."""
    return Claims(engine)


def pieces(*sizes: int) -> list[Segment]:
    """Segments of so many frames, a second apart."""
    made, index = [], 0
    for number, size in enumerate(sizes):
        targets = tuple(Target(index + n, float(index + n), (index + n) * 1000) for n in range(size))
        made.append(Segment(number, targets, (Run((0, 0), tuple(t.pts for t in targets), timed=True),), 1.0))
        index += size
    return made


def plan(claims: Claims, *sizes: int, holder: str = "planner", warning: str | None = None) -> Claim:
    """Claim the next plan, and make it of segments of these sizes."""
    claim = claims.claim(holder)
    assert claim is not None
    assert claim.segment is None
    assert claims.planned(claim, pieces(*sizes), [f"{n}.00.jpg" for n in range(sum(sizes))], warning=warning)
    return claim


def frames_of(claim: Claim, folder: FrameFolder, data: bytes = b"picture") -> list[JobFrame]:
    """The claim's frames, kept."""
    assert claim.segment is not None
    return [
        JobFrame(
            claim.job_id, target.index, target.time, target.time, folder.keep(data, claim.job_id, claim.names[target.index]),
            len(data), 640, 360, utc_now(), f"{claim.job_id}/{claim.names[target.index]}",
        )
        for target in claim.segment.targets
    ]  # fmt: skip


def do(claims: Claims, folder: FrameFolder, claim: Claim) -> None:
    """All of a claim."""
    assert claims.put_frames(claim, frames_of(claim, folder))
    assert claims.complete(claim)


def work(claims: Claims, folder: FrameFolder, holder: str = "worker") -> list[Claim]:
    """Claim and do segments until there are none."""
    done = []
    while (claim := claims.claim(holder)) is not None:
        do(claims, folder, claim)
        done.append(claim)
    return done


def lapse(engine: Engine, *holders: str) -> None:
    """The holds of these workers run out."""
    mine = segments.c.holder.in_(holders)
    write(engine, lambda connection: connection.execute(update(segments).where(mine).values(held_until=0)))


def everything(engine: Engine) -> dict[str, int]:
    """Rows by table, of those that have any."""
    with reading(engine) as connection:
        counts = {t.name: connection.scalar(select(func.count()).select_from(t)) or 0 for t in metadata.tables.values()}
    return {name: count for name, count in counts.items() if count and name != leases.name}


def test_a_job_goes_from_pending_to_completed(rows: Jobs, claims: Claims, folder: FrameFolder) -> None:
    job_id = rows.submit(VIDEO, EVERY_SECOND)
    job = rows.get(job_id)
    assert (job.status, job.total_frames, job.processed_frames) == ("pending", None, 0)
    assert (job.video_source, job.selection, job.webhook, job.ended) == ("a.mp4", EVERY_SECOND, False, False)

    claim = plan(claims, 2, 3)
    assert (claim.job_id, claim.number, claim.source, claim.selection) == (job_id, PLANNING, VIDEO, EVERY_SECOND)
    job = rows.get(job_id)
    assert (job.status, job.total_frames, job.processed_frames) == ("processing", 5, 0)

    first = claims.claim("worker")
    assert first is not None
    assert first.segment == pieces(2, 3)[0]
    assert claims.put_frames(first, frames_of(first, folder)[:1])
    assert rows.get(job_id).processed_frames == 1
    do(claims, folder, first)
    assert rows.get(job_id).status == "processing"
    work(claims, folder)

    job = rows.get(job_id)
    assert (job.status, job.total_frames, job.processed_frames, job.error_message) == ("completed", 5, 5, None)
    assert job.updated_at > job.created_at
    found = rows.frames(job_id)
    assert [(f.index, f.timestamp, f.path) for f in found] == [(n, float(n), f"{job_id}/{n}.00.jpg") for n in range(5)]
    assert rows.frames(job_id, after=1, limit=2) == found[2:4]
    assert rows.frame(job_id, 4) == found[4]
    assert folder.read(found[0].checksum) == b"picture"


def test_every_way_of_choosing_survives_the_registry(rows: Jobs) -> None:
    for selection in (
        EVERY_SECOND, Selection(fps=0.1), Selection(every=True), Selection(keyframes=True, start=1.5),
        Selection(count=7, stop=9.0), Selection(times=(0.0, 1 / 3)), Selection(scenes=0.3),
    ):  # fmt: skip
        assert rows.get(rows.submit(VIDEO, selection)).selection == selection


def test_what_is_not_there_is_not_found(rows: Jobs) -> None:
    for job_id in ("", "none", "ü", "x" * 100):
        for call in (rows.get, rows.cancel, lambda job_id: rows.frame(job_id, 0)):
            with pytest.raises(NotFoundError):
                call(job_id)
        assert rows.frames(job_id) == []
        assert not rows.exists(job_id)


def test_passwords_of_videos_and_webhooks_are_never_shown(rows: Jobs, claims: Claims, engine: Engine) -> None:
    source = VideoSource("url", "http://me:hunter2@cam/a.mp4", "http://me:hunter2@cam/a.mp4")
    job = rows.get(rows.submit(source, EVERY_SECOND, webhook="http://me:hunter2@hook/"))
    claim = claims.claim("worker")

    assert claim is not None
    assert claim.source.place == source.place
    assert job.webhook
    assert "hunter2" not in repr(job) + repr(claim)
    assert claims.fail(claim, "http://me:hunter2@cam/a.mp4 is no video")
    assert "hunter2" not in str(rows.get(job.job_id).error_message)


def test_jobs_are_listed_newest_first_page_by_page(rows: Jobs, claims: Claims) -> None:
    ids = [rows.submit(VIDEO, EVERY_SECOND) for _ in range(5)]
    plan(claims, 1)

    assert [job.job_id for job in rows.list()] == ids[::-1]
    assert [job.job_id for job in rows.list(limit=2)] == [ids[4], ids[3]]
    assert [job.job_id for job in rows.list(after=ids[3], limit=2)] == [ids[2], ids[1]]
    assert [job.job_id for job in rows.list(status="processing")] == [ids[0]]
    assert rows.counts() == {**dict.fromkeys(STATES, 0), "pending": 4, "processing": 1}
    with pytest.raises(InvalidInputError, match="pending, processing"):
        rows.list(status="done")
    with pytest.raises(InvalidInputError):
        rows.list(limit=0)


def test_recent_frames_come_newest_first(rows: Jobs, claims: Claims, folder: FrameFolder) -> None:
    ids = [rows.submit(VIDEO, EVERY_SECOND) for _ in range(2)]
    before = utc_now()
    for _ in ids:
        plan(claims, 3)
    work(claims, folder)

    recent = rows.recent(before)
    assert len(recent) == 6
    assert [f.created_at for f in recent] == sorted((f.created_at for f in recent), reverse=True)
    assert rows.recent(before, limit=2) == recent[:2]
    assert {f.job_id for f in rows.recent(before, job_id=ids[1])} == {ids[1]}
    assert rows.recent(utc_now() + timedelta(seconds=1)) == []


def test_no_more_jobs_are_worked_on_at_once_than_may_be(engine: Engine, rows: Jobs, folder: FrameFolder) -> None:
    ids = [rows.submit(VIDEO, EVERY_SECOND) for _ in range(12)]
    seen: list[int] = []
    waiting = threading.Barrier(4, timeout=30)

    def worker(number: int) -> None:
        claims = Claims(engine, max_concurrent=3)
        waiting.wait()
        while (claim := claims.claim(f"worker-{number}")) is not None or not all(rows.get(i).ended for i in ids):
            if claim is None:
                continue
            seen.append(rows.counts()["processing"])
            if claim.segment is None:
                assert claims.planned(claim, pieces(1, 1), ["0.00.jpg", "1.00.jpg"], warning=None)
            else:
                do(claims, folder, claim)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(worker, number) for number in range(4)]:
            done.result()

    assert max(seen) <= 3
    assert {rows.get(job_id).status for job_id in ids} == {"completed"}
    assert {rows.get(job_id).processed_frames for job_id in ids} == {2}


def test_jobs_share_the_workers_evenly(rows: Jobs, claims: Claims) -> None:
    ids = [rows.submit(VIDEO, EVERY_SECOND) for _ in range(2)]
    for _ in ids:
        plan(claims, 1, 1, 1, 1)

    taken = [claims.claim("worker") for _ in range(4)]

    assert sorted(claim.job_id for claim in taken if claim) == sorted([*ids, *ids])


def test_a_segment_is_in_one_hand_at_a_time(engine: Engine, rows: Jobs, folder: FrameFolder) -> None:
    rows.submit(VIDEO, EVERY_SECOND)
    plan(Claims(engine), *[1] * 12)
    begin = threading.Barrier(4, timeout=30)

    def take(number: int) -> list[int]:
        begin.wait()
        claims, got = Claims(engine), []
        while (claim := claims.claim(f"worker-{number}")) is not None:
            got.append(claim.number)
        return got

    with ThreadPoolExecutor(4) as pool:
        got = [number for done in [pool.submit(take, n) for n in range(4)] for number in done.result()]
    assert sorted(got) == list(range(12))


def test_a_killed_worker_costs_its_segment_and_each_frame_is_there_once(
    engine: Engine, rows: Jobs, claims: Claims, folder: FrameFolder
) -> None:
    job_id = rows.submit(VIDEO, EVERY_SECOND)
    plan(claims, 3, 2)
    dead = claims.claim("dead")
    assert dead is not None
    kept = frames_of(dead, folder)
    assert claims.put_frames(dead, kept[:2])
    lapse(engine, "dead")

    assert [claim.number for claim in work(claims, folder)] == [0, 1]

    assert rows.get(job_id).processed_frames == 5
    assert [frame.index for frame in rows.frames(job_id)] == [0, 1, 2, 3, 4]
    assert not claims.put_frames(dead, kept)
    assert not claims.complete(dead)
    assert not claims.fail(dead, "I am late")
    claims.release(dead)
    assert rows.get(job_id).status == "completed"


def test_what_dead_processes_held_is_free_at_once(rows: Jobs, claims: Claims) -> None:
    rows.submit(VIDEO, EVERY_SECOND)
    plan(claims, 1, 1)
    lost, held = claims.claim("dead"), claims.claim("alive")
    assert lost is not None
    assert held is not None
    assert claims.claim("other") is None

    assert claims.free(lambda holder: holder == "dead") == 1

    again = claims.claim("other")
    assert again is not None
    assert (again.number, again.token) == (lost.number, lost.token + 1)
    assert claims.held("dead") == set()
    assert claims.held("alive") == {held.identity}


def test_a_segment_that_kills_its_workers_is_given_up_and_the_rest_is_done(
    engine: Engine, rows: Jobs, claims: Claims, folder: FrameFolder
) -> None:
    job_id = rows.submit(VIDEO, EVERY_SECOND)
    plan(claims, 2, 2)
    for _ in range(MAX_ATTEMPTS):
        claim = claims.claim("dies")
        assert claim is not None
        assert claim.number == 0
        lapse(engine, "dies")

    assert [claim.number for claim in work(claims, folder)] == [1]
    job = rows.get(job_id)
    assert (job.status, job.processed_frames, job.total_frames) == ("completed", 2, 4)
    assert "given up after 5 attempts" in str(job.warning)


def test_a_segment_that_comes_forward_may_be_interrupted_any_number_of_times(
    engine: Engine, rows: Jobs, claims: Claims, folder: FrameFolder
) -> None:
    job_id = rows.submit(VIDEO, EVERY_SECOND)
    plan(claims, 12)
    for number in range(12):
        claim = claims.claim("restarted")
        assert claim is not None
        assert claims.put_frames(claim, frames_of(claim, folder)[: number + 1])
        lapse(engine, "restarted")
    work(claims, folder)
    job = rows.get(job_id)
    assert (job.status, job.processed_frames, job.warning) == ("completed", 12, None)


def test_a_plan_that_kills_its_workers_fails_its_job(engine: Engine, rows: Jobs, claims: Claims) -> None:
    job_id = rows.submit(VIDEO, EVERY_SECOND)
    for _ in range(MAX_ATTEMPTS):
        assert claims.claim("dies") is not None
        lapse(engine, "dies")
    assert claims.claim("next") is None
    assert rows.get(job_id).status == "failed"
    assert "given up" in str(rows.get(job_id).error_message)


def test_what_is_given_back_is_had_at_once_and_counts_as_no_attempt(rows: Jobs, claims: Claims) -> None:
    rows.submit(VIDEO, EVERY_SECOND)
    for _ in range(3 * MAX_ATTEMPTS):
        claim = claims.claim("worker")
        assert claim is not None
        claims.release(claim)
    assert claims.claim("worker") is not None


def test_what_was_lost_is_told_and_nothing_at_all_is_a_failure(rows: Jobs, claims: Claims, folder: FrameFolder) -> None:
    damaged = rows.submit(VIDEO, EVERY_SECOND)
    plan(claims, 2, 2, warning="it was cut off")
    first = claims.claim("worker")
    assert first is not None
    assert claims.complete(first, lost="2 frames between 0 and 1 s could not be decoded")
    work(claims, folder)
    job = rows.get(damaged)
    assert (job.status, job.processed_frames) == ("completed", 2)
    assert job.warning == "it was cut off; 2 frames between 0 and 1 s could not be decoded"

    empty = rows.submit(VIDEO, EVERY_SECOND)
    plan(claims, 1)
    only = claims.claim("worker")
    assert only is not None
    assert claims.complete(only, lost="not a picture in it")
    job = rows.get(empty)
    assert (job.status, job.error_message) == ("failed", "not a picture in it")


@pytest.mark.parametrize(
    ("said", "lost", "total"), [(None, None, 3), (7, None, 3), (7, "it broke off", 7), (None, "it broke off", 3)]
)
def test_the_total_of_a_stream_is_known_at_its_end(
    rows: Jobs, claims: Claims, folder: FrameFolder, said: int | None, lost: str | None, total: int
) -> None:
    job_id = rows.submit(STREAM, EVERY_SECOND)
    planning = claims.claim("planner")
    assert planning is not None
    assert claims.planned(planning, [Segment(0, (), (), 0.0, live=True)], [], warning=None, total=said)
    claim = claims.claim("worker")
    assert claim is not None
    assert claim.segment is not None
    assert claim.segment.live
    assert claims.last_frame(job_id) is None
    frames = [
        JobFrame(
            job_id,
            n,
            float(n),
            float(n),
            folder.keep(b"jpeg", job_id, f"{n}.00.jpg"),
            4,
            8,
            8,
            utc_now(),
            f"{job_id}/{n}.00.jpg",
        )
        for n in range(3)
    ]
    assert claims.put_frames(claim, frames)
    assert (rows.get(job_id).total_frames, rows.get(job_id).processed_frames) == (said, 3)
    last = claims.last_frame(job_id)
    assert last is not None
    assert (last.index, last.time, last.created_at) == (2, 2.0, rows.frame(job_id, 2).created_at)
    assert claims.complete(claim, lost=lost)
    job = rows.get(job_id)
    assert (job.status, job.total_frames, job.processed_frames, job.warning) == ("completed", total, 3, lost)


def test_what_a_stream_cannot_give_is_refused_when_it_is_submitted(rows: Jobs) -> None:
    with pytest.raises(InvalidInputError, match="count takes all of the video, and this is a stream"):
        rows.submit(STREAM, Selection(count=5))
    assert rows.list() == []


def test_a_failed_job_frees_its_place_and_its_other_workers(rows: Jobs, engine: Engine) -> None:
    claims = Claims(engine, max_concurrent=1)
    first, second = (rows.submit(VIDEO, EVERY_SECOND) for _ in range(2))
    plan(claims, 1, 1)
    one, other = claims.claim("one"), claims.claim("other")
    assert one is not None
    assert other is not None
    assert claims.claim("third") is None

    assert claims.fail(one, "the disk is full")

    assert claims.held("other") == set()
    assert not claims.put_frames(other, [])
    claim = claims.claim("third")
    assert claim is not None
    assert claim.job_id == second
    assert rows.get(first).error_message == "the disk is full"


@pytest.mark.parametrize("state", ["pending", "planning", "planned", "worked on", "completed", "failed"])
def test_cancelling_leaves_nothing_whatever_the_state(
    state: str, rows: Jobs, claims: Claims, folder: FrameFolder, engine: Engine
) -> None:
    job_id = rows.submit(uploaded("upload", "mine.mp4"), EVERY_SECOND, webhook="http://hook.example/")
    stop = threading.Event()

    def let_go(claim: Claim) -> None:
        """As a worker does: it looks, sees that it is not wanted any more, and gives back."""
        while claim.identity in claims.held("worker") and not stop.wait(0.01):
            pass
        assert not claims.put_frames(claim, [])
        claims.release(claim)

    workers: list[threading.Thread] = []
    if state != "pending":
        claim = claims.claim("worker")
        assert claim is not None
        if state == "planning":
            workers.append(threading.Thread(target=let_go, args=(claim,)))
        elif state == "failed":
            claims.fail(claim, "why")
        else:
            assert claims.planned(claim, pieces(2, 2), [f"{n}.00.jpg" for n in range(4)], warning=None)
            if state == "completed":
                work(claims, folder)
            if state == "worked on":
                part = claims.claim("worker")
                assert part is not None
                assert claims.put_frames(part, frames_of(part, folder))
                workers.append(threading.Thread(target=let_go, args=(part,)))
    for worker in workers:
        worker.start()
    removed: list[str] = []
    try:
        Jobs(engine, folder, remove_object=removed.append).cancel(job_id)
    finally:
        stop.set()
        for worker in workers:
            worker.join()

    assert everything(engine) == {}
    assert [each for each in folder.base.rglob("*") if each.is_file() and not each.name.startswith(".")] == []
    assert removed == ["upload"]
    assert claims.claim("worker") is None
    with pytest.raises(NotFoundError):
        rows.get(job_id)


def test_frames_that_another_job_has_too_stay(rows: Jobs, claims: Claims, folder: FrameFolder) -> None:
    ids = [rows.submit(VIDEO, EVERY_SECOND) for _ in range(2)]
    for _ in ids:
        plan(claims, 2)
    work(claims, folder)
    frame = rows.frame(ids[1], 0)
    assert frame.checksum == rows.frame(ids[0], 0).checksum

    rows.cancel(ids[0])
    assert folder.read(frame.checksum) == b"picture"
    rows.cancel(ids[1])
    assert folder.read(frame.checksum) is None


def test_what_a_cancelling_that_was_cut_short_left_is_tidied_away(
    engine: Engine, rows: Jobs, claims: Claims, folder: FrameFolder
) -> None:
    job_id, kept = rows.submit(VIDEO, EVERY_SECOND), rows.submit(VIDEO, EVERY_SECOND)
    plan(claims, 1)
    plan(claims, 1)
    work(claims, folder)
    write(engine, lambda c: c.execute(update(jobs).where(jobs.c.job_id == job_id).values(status="cancelled")))
    stranger = "01a203dc-ab2f-7453-908e-760e69f46ffa"
    folder.keep(b"of a job nobody knows", stranger, "0.00.jpg")
    (folder.base / "holiday").mkdir()

    rows.tidy()

    assert not rows.exists(job_id)
    assert folder.jobs() == [kept]
    assert (folder.base / "holiday").exists()
    assert everything(engine) == {jobs.name: 1, job_videos.name: 1, job_frames.name: 1}


def test_a_folder_that_another_registry_has_frames_in_is_left_to_it(rows: Jobs, folder: FrameFolder) -> None:
    stranger = "01a203dc-ab2f-7453-908e-760e69f46ffa"
    folder.keep(b"of a job of theirs", stranger, "0.00.jpg")
    assert folder.is_of("another registry")

    rows.tidy()

    assert folder.jobs() == [stranger]


def test_a_thousand_jobs_are_queued_listed_and_cancelled(rows: Jobs, engine: Engine, folder: FrameFolder) -> None:
    many = 1000 if engine.dialect.name == "sqlite" else 200
    ids = [rows.submit(VIDEO, EVERY_SECOND) for _ in range(many)]
    claims = Claims(engine, max_concurrent=5)
    taken = [claims.claim(f"worker-{n}") for n in range(8)]
    assert [claim.job_id for claim in taken if claim] == ids[:5]
    assert rows.counts()["pending"] == many - 5
    pages: list[str] = []
    while page := rows.list(after=pages[-1] if pages else None, limit=100):
        pages += [job.job_id for job in page]
    assert pages == ids[::-1]
    for job_id in ids[5:55]:
        rows.cancel(job_id)
    assert rows.counts()["pending"] == many - 55
    for claim in taken:
        if claim is not None:
            assert claims.planned(claim, pieces(1), ["0.00.jpg"], warning=None)
    work_of_five: Sequence[Claim | None] = [claims.claim("worker") for _ in range(5)]
    for claim in work_of_five:
        assert claim is not None
        do(claims, folder, claim)
    following = claims.claim("worker")
    assert following is not None
    assert following.job_id == ids[55]


def test_a_plan_of_many_frames_is_written_down(rows: Jobs, claims: Claims) -> None:
    job_id = rows.submit(VIDEO, Selection(every=True))
    plan(claims, *[25] * 2000)
    assert rows.get(job_id).total_frames == 50_000
    claim = claims.claim("worker")
    assert claim is not None
    assert claim.names[24] == "24.00.jpg"


def test_the_end_makes_the_webhook_due(rows: Jobs, claims: Claims, folder: FrameFolder, engine: Engine) -> None:
    rows.submit(VIDEO, EVERY_SECOND, webhook="http://hook.example/")

    def status() -> str | None:
        with reading(engine) as connection:
            found: str | None = connection.scalar(select(job_webhooks.c.status))
            return found

    plan(claims, 1)
    assert status() == "waiting"
    work(claims, folder)
    assert status() == "due"


def test_the_time_of_a_frame_is_kept_as_it_is(rows: Jobs, claims: Claims, folder: FrameFolder) -> None:
    job_id = rows.submit(VIDEO, EVERY_SECOND)
    plan(claims, 1)
    claim = claims.claim("worker")
    assert claim is not None
    exact = float(Fraction(1001, 30000))
    frame = frames_of(claim, folder)[0]
    odd = JobFrame(job_id, 0, exact, None, frame.checksum, 7, 1, 2, frame.created_at, f"{job_id}/0.00.jpg")
    assert claims.put_frames(claim, [odd])
    assert rows.frame(job_id, 0) == odd
