"""What a URL asks for: a camera, a file, a device or a test pattern, and how FFmpeg is told."""

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from framedb.errors import InvalidInputError, MediaUnavailableError, NotVideoError
from framedb.redaction import redacted

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
# Only sources that make pictures from nothing: `movie`, say, would open any file or URL.
_PATTERNS = {
    "allrgb", "allyuv", "cellauto", "color", "colorspectrum", "gradients", "life", "mandelbrot", "pal75bars", "pal100bars",
    "rgbtestsrc", "sierpinski", "smptebars", "smptehdbars", "testsrc", "testsrc2", "yuvtestsrc", "zoneplate",
}  # fmt: skip
_SIZED = {"size": "640x360", "rate": "25"}
_STALL = 30.0  # seconds: a busy server, a tape robot; all of a file may take as long as it takes


@dataclass(frozen=True, slots=True)
class MediaSource:
    """Where pictures come from, and how it is opened."""

    url: str = field(repr=False)
    """As given; it may hold a password."""
    live: bool
    """It has its own pace and no end: a camera. Files and test patterns come as fast as they are read."""
    target: str = field(repr=False)
    """The name FFmpeg opens."""
    format: str | None = None
    """FFmpeg's name of the format, where it must be told."""
    options: dict[str, str] = field(default_factory=dict)
    """Options FFmpeg opens it with."""
    stall: float | None = None
    """Seconds without a byte until a file on a server is given up, however long all of it takes; None for all else."""

    @property
    def name(self) -> str:
        """The URL without its password: for messages, logs and tables."""
        return redacted(self.url)

    def check(self) -> None:
        """Look at a file before FFmpeg does, whose answers are less clear.

        Raises MediaUnavailableError when it is not there or not readable, NotVideoError for a folder, an empty file and
        what is no file at all.
        """
        if not self.target.startswith("file:"):
            return
        path = Path(self.target.removeprefix("file:"))
        try:
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                path.open("rb").close()
        except FileNotFoundError as exc:
            raise MediaUnavailableError(f"{self.name}: there is no such file; check the path") from exc
        except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
            reason = getattr(exc, "strerror", None) or "not a legal path"
            raise MediaUnavailableError(f"{self.name} cannot be read ({reason}); check the path and its mode") from exc
        if stat.S_ISDIR(status.st_mode):
            raise NotVideoError(f"{self.name} is a folder; give the path of a video file in it")
        if not stat.S_ISREG(status.st_mode):
            raise NotVideoError(f"{self.name} is not a regular file; give a video file, or /dev/video* for a camera")
        if status.st_size == 0:
            raise NotVideoError(f"{self.name} is empty (0 bytes); was the upload or recording finished?")


def parse_url(url: str) -> MediaSource:
    """The source a URL or path names. Raises InvalidInputError for one of a kind that cannot be opened.

    `rtsp://`, `rtsps://`, `http://`, `https://`, `file://`, a path, `/dev/video0`, or a pattern made by FFmpeg's own test
    sources: `test://testsrc2?size=640x360&rate=25&duration=5` (without a duration it never ends).
    """
    if not url:
        raise InvalidInputError("the URL is empty: give rtsp://, http://, a path, /dev/video* or test://testsrc2")
    match = _SCHEME.match(url)
    scheme = match["scheme"].lower() if match else ""
    if scheme in ("rtsp", "rtsps"):
        # TCP: UDP loses packets in every busy network, and a lost packet spoils pictures until the next keyframe.
        return MediaSource(url, live=True, target=url, options={"rtsp_transport": "tcp"})
    if scheme in ("http", "https"):
        if _is_live_http(url):
            return MediaSource(url, live=True, target=url)
        return MediaSource(url, live=False, target=url, options={"rw_timeout": f"{_STALL * 1e6:.0f}"}, stall=_STALL)
    if scheme == "test":
        return MediaSource(url, live=False, target=_pattern(url), format="lavfi")
    if scheme == "file":
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise InvalidInputError(f"{redacted(url)} names a file of another machine; use file:///absolute/path")
        return _file(url, unquote(parts.path))
    if scheme:
        raise InvalidInputError(
            f"{redacted(url)}: {scheme}:// is not supported; use rtsp://, http://, https://, file:// or test://"
        )
    return _file(url, url)


def _file(url: str, path: str) -> MediaSource:
    if re.fullmatch(r"/dev/video\d+", path):
        return MediaSource(url, live=True, target=path, format="v4l2")
    # The prefix keeps FFmpeg from reading a protocol into a name like `concat:a|b`.
    # The whitelist keeps a playlist in video's clothing from opening URLs.
    return MediaSource(url, live=False, target=f"file:{path}", options={"protocol_whitelist": "file,crypto,data"})


def _is_live_http(url: str) -> bool:
    """A file on a web server has a video's suffix; what has none is a camera's stream (MJPEG, MPEG-TS)."""
    suffix = Path(urlsplit(url).path).suffix.lower()
    return suffix not in {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".jpg", ".jpeg", ".png", ".gif"}


def _pattern(url: str) -> str:
    parts = urlsplit(url)
    name = parts.netloc or "testsrc2"
    if name not in _PATTERNS:
        raise InvalidInputError(f"{url}: there is no pattern {name!r}; use one of {', '.join(sorted(_PATTERNS))}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for key, value in options.items():
        # Whatever could end the argument and begin another filter is refused.
        if not re.fullmatch(r"[a-z_0-9]+", key) or not re.fullmatch(r"[A-Za-z0-9_./#-]+", value):
            raise InvalidInputError(f"{url}: {key}={value} is not a plain option; see FFmpeg's list for {name}")
    if not name.startswith("all"):  # allrgb and allyuv have one size
        options = (_SIZED if "s" not in options else {"rate": "25"}) | options
    return f"{name}=" + ":".join(f"{key}={value}" for key, value in options.items())
