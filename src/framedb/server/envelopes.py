"""The shapes answers come in: one per published API, chosen by the path.

The cluster API says `result` or `errorData`, the registry API `data` or `error`, both beside `success`; FrameDB's own (`/v1`)
says what it has, or `error`. The last two differ from each other only in `success`. The extraction API says what it has, or
`detail` alone, as FastAPI does.
"""

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Envelope:
    """How one API words its failures."""

    prefixes: tuple[str, ...]
    """Paths that begin with one of these are the API's."""
    why: str
    """The field that says why."""
    missing: str
    """What is said of a field that was not given."""
    published: bool = True
    """Whether clients of earlier deployments speak it: `success` stands beside each answer."""
    as_fastapi: bool = False
    """Whether it says why and nothing else, and lists problems of a request's fields with status 422."""

    def failure(self, why: Any, request_id: str) -> dict[str, Any]:
        """The body of an answer that failed."""
        if self.as_fastapi:
            return {self.why: why}
        told = {self.why: why, "request_id": request_id}
        return {"success": False, **told} if self.published else told


CLUSTERS = Envelope(
    ("/cluster", "/replication", "/node", "/config", "/discovery", "/routing", "/backpressure", "/health/ping"),
    why="errorData",
    missing="Missing field {}",
)
"""Family A: clusters, discovery, routing."""
REGISTRY = Envelope(("/global/framedb", "/framedb"), why="error", missing="Missing field: {}")
"""Family B: instances, objects and streams."""
EXTRACTION = Envelope(
    ("/video-job", "/job-status", "/frames", "/dashboard", "/job", "/jobs", "/health"),
    why="detail",
    missing="Field required: {}",
    published=False,
    as_fastapi=True,
)
"""Video jobs and their frames."""
OWN = Envelope((), why="error", missing="Missing field {}", published=False)
"""Everything else."""


def envelope_of(path: str) -> Envelope:
    """The envelope that answers of the path come in, whether there is such a route or not."""
    for envelope in (CLUSTERS, REGISTRY, EXTRACTION):
        if any(path == prefix or path.startswith(f"{prefix}/") for prefix in envelope.prefixes):
            return envelope
    return OWN


class Result(BaseModel, Generic[T]):
    """Success, in the cluster API."""

    success: Literal[True]
    result: T


class Data(BaseModel, Generic[T]):
    """Success, in the registry API."""

    success: Literal[True]
    data: T


class Message(BaseModel):
    """Success in the registry API, where there is nothing to hand back."""

    success: Literal[True]
    message: str


class ClusterFailure(BaseModel):
    """Failure, in the cluster API."""

    success: Literal[False]
    errorData: str = Field(description="Why, and what to do.")  # noqa: N815  - the published spelling
    request_id: str = Field(description="Stands in the service's log too.")


class RegistryFailure(BaseModel):
    """Failure, in the registry API."""

    success: Literal[False]
    error: str = Field(description="Why, and what to do.")
    request_id: str = Field(description="Stands in the service's log too.")


class Detail(BaseModel):
    """Failure, in the extraction API."""

    detail: str = Field(description="Why, and what to do.")


class Problem(BaseModel):
    """What is wrong with one field."""

    type: str = Field(description="The kind of problem, as Pydantic names it.")
    loc: list[str | int] = Field(description="Where: `body` or `query`, then names.")
    msg: str = Field(description="What is wrong.")


class Problems(BaseModel):
    """Fields that cannot be used, in the extraction API."""

    detail: list[Problem]


class Failure(BaseModel):
    """Failure, in FrameDB's own API."""

    error: str = Field(description="Why, and what to do.")
    request_id: str = Field(description="Stands in the service's log too.")


def result(value: Any, **more: Any) -> dict[str, Any]:
    """The body of a success in the cluster API."""
    return {"success": True, "result": value, **more}


def data(value: Any, **more: Any) -> dict[str, Any]:
    """The body of a success in the registry API."""
    return {"success": True, "data": value, **more}


def message(text: str, **more: Any) -> dict[str, Any]:
    """The body of a success in the registry API, where there is nothing to hand back."""
    return {"success": True, "message": text, **more}
