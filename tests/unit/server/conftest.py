"""A service of two routes, served: what every service has, without any engine."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from framedb.errors import (
    AlreadyExistsError,
    ConflictError,
    EngineError,
    FrameDBError,
    InsufficientRoomError,
    NotFoundError,
    StoreUnavailableError,
)
from framedb.server.fields import Body, ClusterName, Metadata, Replicas
from framedb.server.service import new_service
from tests.live import Live, live

RAISED: dict[str, FrameDBError] = {
    "exists": AlreadyExistsError("it exists"),
    "conflict": ConflictError("somebody is at it"),
    "room": InsufficientRoomError("no room"),
    "engine": EngineError("did not start"),
    "missing": NotFoundError("not there"),
    "store": StoreUnavailableError("does not answer"),
}


class Wanted(Body):
    """What the routes take."""

    clusterName: ClusterName  # noqa: N815
    replicas: Replicas
    metadata: Metadata | None = None


def small_service(*, token: str | None = None, legacy_status: bool = False) -> FastAPI:
    """A service whose routes do what they are told."""
    app = new_service("A service", "For tests.", token=token, legacy_status=legacy_status)

    def wanted(body: Wanted) -> dict[str, bool]:
        return {"success": True}

    def raises(what: str) -> None:
        if what == "fault":
            raise RuntimeError("secret reasons")
        raise RAISED[what]

    for prefix in ("/cluster", "/framedb", "/v1"):
        app.post(f"{prefix}/wanted")(wanted)
        app.get(f"{prefix}/raises/{{what}}")(raises)
        app.delete(f"{prefix}/raises/{{what}}")(raises)
    return app


@pytest.fixture(scope="session")
def service() -> Iterator[Live]:
    """The service, as it is by default."""
    with live(small_service()) as served:
        yield served


@pytest.fixture(scope="session")
def legacy_service() -> Iterator[Live]:
    """The service with the statuses of earlier deployments."""
    with live(small_service(legacy_status=True)) as served:
        yield served


@pytest.fixture(scope="session")
def closed_service() -> Iterator[Live]:
    """The service behind a token."""
    with live(small_service(token="the token")) as served:
        yield served
