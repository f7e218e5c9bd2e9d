"""What may be extracted from: videos in allowed folders, on allowed hosts, and objects of FrameDB."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from framedb.errors import InvalidInputError, MediaUnavailableError
from framedb.extraction.addresses import addresses_of, is_listed
from framedb.redaction import redacted

Kind = Literal["file", "url", "object", "pattern"]
PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}


@dataclass(frozen=True, slots=True)
class VideoSource:
    """A video that a job may be made of."""

    kind: Kind
    place: str = field(repr=False)
    """The path, without symbolic links; the URL, which may hold a password; or the object's key."""
    name: str
    """As it was asked for, without a password: for people."""
    owned: bool = False
    """It was uploaded for this job: the object goes with it."""

    @property
    def live(self) -> bool:
        """It comes at its own pace, from its beginning on, and nobody knows beforehand what: RTSP."""
        return self.kind == "url" and urlsplit(self.place).scheme in ("rtsp", "rtsps")


def uploaded(key: str, name: str) -> VideoSource:
    """The source of a video that was uploaded into an object; `name` is what its owner calls it."""
    return VideoSource("object", key, name, owned=True)


def resolve(
    text: str,
    *,
    roots: Sequence[Path],
    hosts: Sequence[str],
    allow_private: bool,
    is_object: Callable[[str], bool] = lambda key: False,
) -> VideoSource:
    """The video that was meant. A relative path is tried against each root, and what is no file may be an object's key.

    Raises InvalidInputError for what is not there, and for what is not allowed: a path outside the roots (symbolic links are
    followed first), a host that is not listed, one of a private network.
    """
    if not text.strip() or "\0" in text or len(text) > 4096:
        raise InvalidInputError("video_source is empty or no path: give the path, URL or key of a video")
    scheme, separator, _ = text.partition("://")
    if not separator:
        return _file(text, roots) or _object(text, is_object) or _nothing(text, roots)
    if scheme.lower() == "test":
        return VideoSource("pattern", text, text)
    parts = _split(text)
    check_url(parts, hosts=hosts, allow_private=allow_private)
    return VideoSource("url", text, redacted(text))


def check_url(parts: SplitResult, *, hosts: Sequence[str], allow_private: bool) -> list[str]:
    """The addresses of the URL's host, if it may be asked. Raises InvalidInputError."""
    host = parts.hostname or ""
    if parts.scheme not in PORTS:
        raise InvalidInputError(f"{parts.scheme[:20]}:// is not possible: give an http, https or rtsp URL, or a path")
    if not host or not is_listed(host, hosts):
        known = f"allowed are {', '.join(hosts)}" if hosts else "none is: name it in VIDEO_HOSTS where the node runs"
        raise InvalidInputError(f"{host[:100]!r} is not a host that videos may come from ({known})")
    try:
        return addresses_of(host, parts.port or PORTS[parts.scheme], allow_private=allow_private)
    except MediaUnavailableError as exc:
        raise InvalidInputError(str(exc)) from exc


def check_still_there(source: VideoSource) -> None:
    """Raises InvalidInputError if a file has since become a symbolic link to elsewhere."""
    if source.kind == "file" and Path(source.place).resolve() != Path(source.place):
        raise InvalidInputError(f"{source.name} is not where it was: submit it again")


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as exc:
        raise InvalidInputError(f"{redacted(text)[:200]} is no URL: {exc}") from exc
    if any(character.isspace() or character == "\\" for character in text):
        raise InvalidInputError(f"{redacted(text)[:200]} has characters that no URL has: write them as %20 and %5C")
    return parts


def _file(text: str, roots: Sequence[Path]) -> VideoSource | None:
    outside = False
    for root in roots:
        base = root.resolve()
        try:
            path = (base / text).resolve()
            if not path.exists():
                continue
        except (OSError, RuntimeError):  # no permission, too long a name, links in a circle
            continue
        if path.is_relative_to(base):
            return VideoSource("file", str(path), text)
        outside = True
    if outside:
        _refuse(text, roots)
    return None


def _object(text: str, is_object: Callable[[str], bool]) -> VideoSource | None:
    return VideoSource("object", text, text) if is_object(text) else None


def _nothing(text: str, roots: Sequence[Path]) -> VideoSource:
    # A path outside gets the same answer whether it exists or not: nobody is to look around with it.
    if Path(text).is_absolute() or ".." in Path(text).parts:
        _refuse(text, roots)
    where = " or ".join(str(root) for root in roots) or "nowhere: VIDEO_ROOTS is empty"
    raise InvalidInputError(f"{text[:200]!r} is no file in {where}, nor the key of an object: check the path")


def _refuse(text: str, roots: Sequence[Path]) -> None:
    known = ", ".join(str(root) for root in roots) or "none"
    raise InvalidInputError(
        f"{text[:200]!r} is not in a folder that videos may come from (VIDEO_ROOTS: {known}), or is not there"
    )
