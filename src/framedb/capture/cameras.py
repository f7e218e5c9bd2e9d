"""The cameras of an installation, as registered."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, delete, insert, select, update

from framedb.capture.camera import Camera
from framedb.capture.health import CameraHealth
from framedb.errors import AlreadyExistsError, NotFoundError
from framedb.frame import utc_now
from framedb.redaction import redacted
from framedb.registry import reading, write
from framedb.registry.tables import camera_credentials, cameras

_IN_COLUMNS = ("site", "name", "url", "fps", "encoding")


@dataclass(frozen=True, slots=True)
class CameraRecord:
    """A registered camera, without credentials."""

    source: str
    site: str
    camera: str
    url: str
    """Without user and password."""
    fps: float | None
    encoding: str
    enabled: bool
    health: Mapping[str, Any]
    """What its capture last reported; empty if it never ran."""


class Cameras:
    """Adds, lists and removes cameras. The credentials in their URLs stand apart, and only `capture` reads them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, camera: Camera) -> None:
        """Register the camera, to be captured from now on. Raises AlreadyExistsError."""
        now = utc_now()

        def register(connection: Connection) -> None:
            known = connection.scalar(select(cameras.c.source).where(cameras.c.source == camera.source))
            if known is not None:
                raise AlreadyExistsError(
                    f"camera {camera.source} exists already: remove it first, or choose another name"
                )
            connection.execute(
                insert(cameras).values(
                    source=camera.source,
                    site=camera.site,
                    camera=camera.name,
                    url=redacted(camera.url),
                    fps=camera.fps or 0.0,
                    encoding=camera.encoding,
                    enabled=True,
                    settings={
                        each.name: getattr(camera, each.name) for each in fields(camera) if each.name not in _IN_COLUMNS
                    },
                    health={},
                    created_at=now,
                    updated_at=now,
                )
            )
            connection.execute(insert(camera_credentials).values(source=camera.source, url=camera.url))

        write(self._engine, register)

    def enable(self, source: str, enabled: bool) -> None:
        """Whether the camera is to be captured, from now on. Raises NotFoundError."""
        self.get(source)
        write(
            self._engine,
            lambda connection: connection.execute(
                update(cameras).where(cameras.c.source == source).values(enabled=enabled, updated_at=utc_now())
            ),
        )

    def remove(self, source: str) -> None:
        """Forget the camera; whoever captures it stops. Raises NotFoundError."""

        def forget(connection: Connection) -> bool:
            connection.execute(delete(camera_credentials).where(camera_credentials.c.source == source))
            return bool(connection.execute(delete(cameras).where(cameras.c.source == source)).rowcount)

        if not write(self._engine, forget):
            raise NotFoundError(f"there is no camera {source}: `framedb camera list` shows those there are")

    def list(self) -> list[CameraRecord]:
        """Every camera, by source."""
        with reading(self._engine) as connection:
            return [_record(row) for row in connection.execute(select(cameras).order_by(cameras.c.source))]

    def get(self, source: str) -> CameraRecord:
        """One camera. Raises NotFoundError."""
        with reading(self._engine) as connection:
            row = connection.execute(select(cameras).where(cameras.c.source == source)).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no camera {source}: `framedb camera list` shows those there are")
        return _record(row)

    def to_capture(self) -> dict[str, Camera]:
        """Every camera that is to be captured, credentials included, by source."""
        query = select(cameras, camera_credentials.c.url.label("secret_url")).join(
            camera_credentials, camera_credentials.c.source == cameras.c.source
        )
        with reading(self._engine) as connection:
            return {row.source: _camera(row) for row in connection.execute(query.where(cameras.c.enabled))}

    def report(self, healths: Iterable[CameraHealth]) -> None:
        """Write down how these cameras are doing."""
        now = utc_now()
        reports = [{"reported": health.source, "health": _document(health), "updated_at": now} for health in healths]
        if reports:
            write(self._engine, lambda connection: connection.execute(_REPORT, reports))


_REPORT = update(cameras).where(cameras.c.source == bindparam("reported"))


def _document(health: CameraHealth) -> dict[str, Any]:
    last = health.last_frame_at.isoformat() if health.last_frame_at else None
    return {**asdict(health), "last_frame_at": last}


def _record(row: Row[Any]) -> CameraRecord:
    return CameraRecord(
        row.source, row.site, row.camera, row.url, row.fps or None, row.encoding, row.enabled, row.health
    )


def _camera(row: Row[Any]) -> Camera:
    return Camera(row.site, row.camera, row.secret_url, fps=row.fps or None, encoding=row.encoding, **row.settings)
