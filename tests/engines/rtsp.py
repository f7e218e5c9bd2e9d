"""Real RTSP cameras and recordings: a GStreamer server that sends H.264, and can be stopped, frozen and started again."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from . import free_port

_SERVER = Path(__file__).with_name("rtsp_server.py")


class RTSPCamera:
    """A camera on a loopback port, which stays the same when it is started again."""

    def __init__(
        self,
        *,
        width: int = 320,
        height: int = 240,
        fps: int = 25,
        gop: int = 25,
        b_frames: int = 0,
        recording: Path | None = None,
    ) -> None:
        """With a `recording`, an MP4 of H.264, it sends that, from its beginning to everyone who comes."""
        self.port = free_port()
        self.url = f"rtsp://viewer:camera-password@127.0.0.1:{self.port}/camera"
        """With a password in it, as most have, though this camera does not ask for one."""
        self._arguments = [str(each) for each in (self.port, width, height, fps, gop, b_frames, recording or "")]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Switch it on; it takes connections when this returns."""
        # Debian's Python: the one that sees `gi`. Its standard input closes with this process, and ends it.
        self._process = subprocess.Popen(
            ["/usr/bin/python3", str(_SERVER), *self._arguments], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while not self._listens():
            assert self._process.poll() is None, f"the RTSP server stopped with {self._process.returncode}"
            assert time.monotonic() < deadline, "the RTSP server does not listen"
            time.sleep(0.05)

    def freeze(self) -> None:
        """The connection stays, and nothing comes any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        """Switch it off."""
        if self._process is not None:
            self._process.kill()
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(10)
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


RTSPCameraFactory = Callable[..., RTSPCamera]


@pytest.fixture
def start_rtsp_camera() -> Iterator[RTSPCameraFactory]:
    """Starts cameras: `start_rtsp_camera(fps=25, gop=25)`; switched off after the test."""
    cameras: list[RTSPCamera] = []

    def start(**options: Any) -> RTSPCamera:
        camera = RTSPCamera(**options)
        cameras.append(camera)
        camera.start()
        return camera

    yield start
    for camera in cameras:
        camera.stop()
