"""Videos that come over the network, and the webhooks of jobs: nobody can make us call where we must not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from framedb.errors import InvalidInputError, MediaUnavailableError
from framedb.extraction.notices import Notices
from framedb.extraction.relay import Relay
from framedb.extraction.selection import Selection
from framedb.extraction.sources import VideoSource
from framedb.extraction.webhook import MAX_ATTEMPTS, call
from framedb.media import read_index
from framedb.registry import reading, write
from framedb.registry.tables import job_webhooks
from tests.engines import free_port
from tests.integration.extraction import ffmpeg
from tests.integration.extraction.servers import WebServer, web_server
from tests.integration.extraction.workshop import Workshop, until

SECONDLY = Selection(interval=1.0)


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A server of videos, and of webhooks."""
    with web_server() as served:
        yield served


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video of four seconds, with its index at the end: reading it takes seeking."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return ffmpeg.make(path, "-c:v", "libx264", "-preset", "ultrafast", "-g", "25").read_bytes()


def at(url: str) -> VideoSource:
    """A video at a URL, as it was submitted."""
    return VideoSource("url", url, url)


def failure(shop: Workshop, url: str) -> str:
    """Why a job over it failed."""
    with shop.worker():
        job = shop.ended(shop.jobs.submit(at(url), SECONDLY))
    assert job.status == "failed"
    return str(job.error_message)


def test_a_video_is_read_over_http_whatever_its_path_looks_like(shop: Workshop, web: WebServer, clip: bytes) -> None:
    web.files["/media/clip?id=7"] = clip
    with shop.worker():
        job = shop.ended(shop.jobs.submit(at(f"{web.url}/media/clip?id=7"), SECONDLY))
    assert (job.status, job.processed_frames, job.warning) == ("completed", 4, None)
    assert len(web.asked) > 2  # it was sought in, not read through


def test_a_job_over_a_movie_is_planned_from_its_header(shop: Workshop, web: WebServer, tmp_path: Path) -> None:
    options = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "2", "-crf", "12"]
    clip = ffmpeg.make(tmp_path / "long.mp4", *options, size="640x360")
    web.files["/long.mp4"] = clip.read_bytes()
    assert clip.stat().st_size > 5_000_000
    with (
        Relay(shop.read_object, hosts=["127.0.0.1"], allow_private=True) as relay,
        relay.url_of(at(f"{web.url}/long.mp4")) as url,
    ):
        assert len(read_index(url)) == 100
    assert 0 < web.sent < 1_500_000


def test_a_server_that_sends_no_parts_of_files_is_read_all_the_same(
    shop: Workshop, web: WebServer, clip: bytes
) -> None:
    web.files["/clip.mp4"] = clip
    web.sends_parts = False
    with shop.worker():
        job = shop.ended(shop.jobs.submit(at(f"{web.url}/clip.mp4"), SECONDLY))
    assert (job.status, job.processed_frames, job.warning) == ("completed", 4, None)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.ts"])
def test_a_server_that_falls_silent_is_given_up_with_that_reason(
    shop: Workshop, web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("framedb.extraction.relay._TIMEOUT", 1.0)
    clip = ffmpeg.make(tmp_path / name, "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", size="640x360")
    web.files[f"/{name}"] = clip.read_bytes()
    web.falls_silent_after = 100_000
    assert failure(shop, f"{web.url}/{name}").startswith(f"{web.url}/{name} sent nothing for 1 s")


@pytest.mark.parametrize("name", ["clip.mp4", "clip.ts"])
def test_a_job_is_cancelled_while_its_server_is_silent(
    shop: Workshop, web: WebServer, tmp_path: Path, name: str
) -> None:
    clip = ffmpeg.make(tmp_path / name, "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", size="640x360")
    web.files[f"/{name}"] = clip.read_bytes()
    web.falls_silent_after = 100_000
    with shop.worker(threads=1):
        job_id = shop.jobs.submit(at(f"{web.url}/{name}"), SECONDLY)
        until(lambda: web.sent, "the first bytes")
        shop.jobs.cancel(job_id)
        web.falls_silent_after = None
        following = shop.jobs.submit(at(f"{web.url}/{name}"), SECONDLY)  # by the only thread there is
        until(lambda: shop.jobs.get(following).ended, "the next one to be done", seconds=8.0)
        assert shop.jobs.get(following).processed_frames == 4


def test_user_and_password_are_sent_and_not_shown(shop: Workshop, web: WebServer, clip: bytes) -> None:
    web.files["/clip.mp4"] = clip
    url = web.url.replace("http://", "http://me:hunter2@") + "/clip.mp4"
    with shop.worker():
        job = shop.ended(shop.jobs.submit(at(url), SECONDLY))
    assert job.status == "completed"
    assert {headers.get("authorization") for _, headers in web.asked} == {"Basic bWU6aHVudGVyMg=="}
    assert "hunter2" not in job.video_source


def test_a_redirect_to_a_listed_host_is_followed(shop: Workshop, web: WebServer, clip: bytes) -> None:
    web.files["/real.mp4"] = clip
    web.redirects["/clip.mp4"] = web.url.replace("127.0.0.1", "localhost") + "/real.mp4"
    with shop.worker():
        job = shop.ended(shop.jobs.submit(at(f"{web.url}/clip.mp4"), SECONDLY))
    assert (job.status, job.processed_frames) == ("completed", 4)


@pytest.mark.parametrize(
    ("target", "why"),
    [("http://169.254.169.254/latest/meta-data", "is not a host"), ("http://[::1]:1/a.mp4", "is not a host"),
     ("file:///etc/passwd", "http or https only"), ("/again.mp4", "redirected more than")],
)  # fmt: skip
def test_a_redirect_to_anywhere_else_is_not_followed(shop: Workshop, web: WebServer, target: str, why: str) -> None:
    web.redirects = {"/clip.mp4": target, "/again.mp4": "/again.mp4"}
    assert why in failure(shop, f"{web.url}/clip.mp4")


def test_what_is_not_there_or_does_not_answer_is_said_by_its_own_name(shop: Workshop, web: WebServer) -> None:
    assert failure(shop, f"{web.url}/none.mp4") == f"{web.url}/none.mp4 is not there; check the URL"
    away = f"http://127.0.0.1:{free_port()}/a.mp4"
    assert failure(shop, away).startswith(f"{away} does not answer")


def test_a_playlist_is_not_followed(shop: Workshop, web: WebServer) -> None:
    web.files["/list.mp4"] = f"#EXTM3U\n#EXTINF:9,\n{web.url}/secret.ts\n#EXT-X-ENDLIST\n".encode()
    assert "is a text file" in failure(shop, f"{web.url}/list.mp4")
    assert {path for path, _ in web.asked} == {"/list.mp4"}


def test_the_end_of_a_job_is_told(shop: Workshop, web: WebServer) -> None:
    url = "test://testsrc2?duration=2"
    with shop.worker():
        job_id = shop.jobs.submit(VideoSource("pattern", url, url), SECONDLY, webhook=f"{web.url}/hook?key=7")
        until(lambda: web.posted, "the webhook")
    told = web.posted[0]
    assert (told["job_id"], told["status"], told["processed_frames"]) == (job_id, "completed", 2)
    assert web.asked[0][0] == "/hook?key=7"
    assert len(web.posted) == 1


def test_a_webhook_is_tried_again_until_it_is_taken_or_given_up(shop: Workshop, web: WebServer) -> None:
    notices = Notices(shop.engine, shop.jobs, allow_private=True)

    def attempt() -> tuple[str, int]:
        """One more, as if its time had come."""
        write(shop.engine, lambda connection: connection.execute(update(job_webhooks).values(due_at=0)))
        notices.deliver_one()
        with reading(shop.engine) as connection:
            status, attempts = connection.execute(select(job_webhooks.c.status, job_webhooks.c.attempt)).one()
        return status, attempts

    url = "test://testsrc2?duration=1"
    job_id = shop.jobs.submit(VideoSource("pattern", url, url), SECONDLY, webhook=f"{web.url}/hook")
    assert not notices.deliver_one()
    write(shop.engine, lambda connection: connection.execute(update(job_webhooks).values(status="due")))
    web.statuses = [500, 302, 404]
    assert [attempt() for _ in range(4)] == [("due", 1), ("due", 2), ("due", 3), ("delivered", 4)]
    assert not notices.deliver_one()

    write(shop.engine, lambda connection: connection.execute(update(job_webhooks).values(status="due", attempt=0)))
    web.statuses = [500] * MAX_ATTEMPTS
    assert [attempt() for _ in range(MAX_ATTEMPTS)][-1] == ("given-up", MAX_ATTEMPTS)
    assert shop.jobs.get(job_id).webhook


def test_a_webhook_on_a_private_network_is_not_called(web: WebServer) -> None:
    with pytest.raises(InvalidInputError, match="private network"):
        call(f"{web.url}/hook", {}, allow_private=False)
    assert web.asked == []


def test_a_webhook_that_does_not_answer_is_said_without_its_secret() -> None:
    with pytest.raises(MediaUnavailableError) as caught:
        call(f"http://me:hunter2@127.0.0.1:{free_port()}/hook", {}, allow_private=True)
    assert "hunter2" not in str(caught.value)
