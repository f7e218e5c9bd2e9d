"""Cameras and servers that answer, refuse, or fall silent."""

import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from framedb.errors import MediaTimeoutError, MediaUnavailableError, NotVideoError
from framedb.media import open_video, probe
from tests.engines import free_port
from tests.engines.rtsp import RTSPCameraFactory
from tests.unit.media.clips import write_clip


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


class _Answers(BaseHTTPRequestHandler):
    """Answers with the status code in the path."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/").split(".")[0]))
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server of one folder."""
    yield from _served(partial(_Quiet, directory=str(tmp_path)), tmp_path)


@pytest.fixture
def refusing_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server that answers with the status asked for."""
    yield from _served(_Answers, tmp_path)


def _served(handler: object, folder: Path) -> Iterator[tuple[str, Path]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_says_nothing_is_given_up_at_the_deadline(silent_server: int, scheme: str) -> None:
    with pytest.raises(MediaTimeoutError, match="within 1 s"):
        open_video(f"{scheme}://user:password@127.0.0.1:{silent_server}/stream", open_timeout=1.0)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_port_nobody_listens_on_is_unavailable(scheme: str) -> None:
    with pytest.raises(MediaUnavailableError, match="refused"):
        open_video(f"{scheme}://127.0.0.1:{free_port()}/stream")


def test_a_host_without_an_address_is_unavailable() -> None:
    with pytest.raises(MediaUnavailableError, match="cannot be reached"):
        open_video("rtsp://no-such-host.invalid/stream")


def test_a_server_of_something_else_is_no_camera(web_server: tuple[str, Path]) -> None:
    url, _ = web_server
    with pytest.raises(NotVideoError, match="check host, port and path"):
        open_video(url.replace("http://", "rtsp://"))


def test_a_file_on_a_web_server_is_read(web_server: tuple[str, Path]) -> None:
    url, folder = web_server
    write_clip(folder / "clip.mp4", seconds=1)
    with open_video(f"{url}/clip.mp4") as video:
        assert not video.live
        assert len(list(video.pictures())) == 25


def test_a_web_page_is_no_video(web_server: tuple[str, Path]) -> None:
    url, folder = web_server
    (folder / "page.html").write_text("<html>" + "hello " * 1000)
    with pytest.raises(NotVideoError):
        open_video(f"{url}/page.html")


@pytest.mark.parametrize(
    ("status", "says"), [(401, "password"), (403, "password"), (404, "path"), (410, "path"), (503, "server failed")]
)
def test_a_refusal_says_what_to_check(refusing_server: tuple[str, Path], status: int, says: str) -> None:
    url, _ = refusing_server
    with pytest.raises(MediaUnavailableError, match=says):
        open_video(f"{url}/{status}.mp4")


def test_a_camera_is_seen_with_its_times(start_rtsp_camera: RTSPCameraFactory) -> None:
    camera = start_rtsp_camera(width=320, height=240, fps=25, gop=25)
    info = probe(camera.url)
    assert (info.width, info.height, info.codec, info.live, info.duration) == (320, 240, "h264", True, None)
    with open_video(camera.url) as video:
        times = [picture.pts for picture, _ in zip(video.pictures(), range(40), strict=False)]
    assert None not in times
    assert times == sorted(times, key=lambda pts: pts or 0)


def test_a_camera_is_sampled_from_its_keyframes(start_rtsp_camera: RTSPCameraFactory) -> None:
    camera = start_rtsp_camera(fps=25, gop=10)
    with open_video(camera.url) as video:
        pictures = [picture for picture, _ in zip(video.pictures(fps=2), range(8), strict=False)]
    assert all(picture.keyframe for picture in pictures[4:])
    times = [picture.pts_seconds or 0.0 for picture in pictures]
    assert (times[-1] - times[0]) / 7 == pytest.approx(0.5, abs=0.1)


def test_a_camera_has_no_other_stream_than_its_own(start_rtsp_camera: RTSPCameraFactory) -> None:
    camera = start_rtsp_camera()
    with pytest.raises(MediaUnavailableError, match="no such stream"):
        open_video(camera.url.replace("/camera", "/elsewhere"))


def test_a_camera_that_falls_silent_is_noticed_at_the_deadline(start_rtsp_camera: RTSPCameraFactory) -> None:
    camera = start_rtsp_camera()
    with open_video(camera.url, read_timeout=1.0) as video:
        pictures = video.pictures()
        for _ in range(5):
            next(pictures)
        camera.freeze()
        with pytest.raises(MediaTimeoutError, match="within 1 s"):
            for _ in pictures:
                pass
    with pytest.raises(MediaTimeoutError):
        open_video(camera.url, open_timeout=1.0)


def test_a_camera_that_is_switched_off_ends_its_stream(start_rtsp_camera: RTSPCameraFactory) -> None:
    camera = start_rtsp_camera()
    with open_video(camera.url, read_timeout=5.0) as video:
        pictures = video.pictures()
        next(pictures)
        camera.stop()
        assert sum(1 for _ in pictures) < 100
    with pytest.raises(MediaUnavailableError, match="refused"):
        open_video(camera.url)
