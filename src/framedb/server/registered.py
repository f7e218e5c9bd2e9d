"""`/framedb/objects` and `/framedb/streams`: which instance holds an object or a stream."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from framedb.errors import NotFoundError
from framedb.node.control_plane import ControlPlane
from framedb.placement.registering import ObjectRegistry
from framedb.routing import Copy, ObjectRoute, StreamRoute
from framedb.server import paths  # noqa: F401  - ids of any kind in paths
from framedb.server.described import answers
from framedb.server.envelopes import REGISTRY, Data, Message, data, message
from framedb.server.fields import Body, FramedbId, ObjectId, ObjectMetadata

FramedbType = Annotated[
    Literal["in-memory", "storage"], Field(description="In a cluster of memory, or in a persistent instance.")
]
Size = Annotated[int, Field(ge=0, lt=2**63, description="Bytes.")]

_NOTHING = "No document found"
_PAGE = 1000
_KEY = "clips/hall/0001.jpg"
_COPY = {"framedb_id": "storage-db-1", "framedb_type": "storage"}
_OBJECT = {
    "object_id": _KEY,
    "framedb_id": "storage-db-1",
    "framedb_type": "storage",
    "copies": [_COPY],
    "size": 204800,
    "metadata": {"camera": "hall"},
}
_STREAM = {"queue_name": "detections", "framedb_id": "mem-db-1", "metadata": {"model": "v3"}}

Q = TypeVar("Q", bound=BaseModel)


def _body(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class ObjectCopy(Body):
    """A place that holds an object."""

    model_config = _body(_COPY)

    framedb_id: FramedbId
    framedb_type: FramedbType


class NewObject(Body):
    """An object, and where it is."""

    model_config = _body(_OBJECT)

    object_id: ObjectId
    framedb_id: FramedbId
    framedb_type: FramedbType
    copies: Annotated[
        list[ObjectCopy], Field(max_length=1000, description="Every place that holds it; by default the one named.")
    ] = Field(default_factory=list)
    size: Size | None = None
    metadata: ObjectMetadata = Field(default_factory=dict)


class ObjectUpdate(Body):
    """What of an object is to change."""

    model_config = _body({"size": 409600})

    framedb_id: FramedbId | None = None
    framedb_type: FramedbType | None = None
    copies: Annotated[list[ObjectCopy], Field(max_length=1000, description="Every place that holds it.")] | None = None
    size: Size | None = None
    metadata: ObjectMetadata | None = None


class RemovedCopy(Body):
    """A place that holds an object no more."""

    model_config = _body({"framedb_id": "storage-db-1"})

    framedb_id: FramedbId


class NewStream(Body):
    """A stream, and where it is."""

    model_config = _body(_STREAM)

    queue_name: ObjectId
    framedb_id: FramedbId
    metadata: ObjectMetadata = Field(default_factory=dict)


class StreamUpdate(Body):
    """What of a stream is to change."""

    model_config = _body({"metadata": {"model": "v4"}})

    framedb_id: FramedbId | None = None
    metadata: ObjectMetadata | None = None


class _Page(BaseModel):
    model_config = ConfigDict(extra="forbid")

    after: Annotated[str, Field(max_length=1024, description="`next` of the page before.")] = ""
    limit: Annotated[int, Field(ge=1, le=_PAGE, description="At most so many.")] = _PAGE


class ObjectQuery(_Page):
    """Objects that equal every value given."""

    object_id: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    framedb_id: FramedbId | None = None
    framedb_type: FramedbType | None = None
    size: Size | None = None


class StreamQuery(_Page):
    """Streams that equal every value given."""

    queue_name: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    framedb_id: FramedbId | None = None


class RegisteredCopy(BaseModel):
    """A place that holds an object."""

    framedb_id: str
    framedb_type: str


class RegisteredObject(BaseModel):
    """Where an object is."""

    object_id: str
    framedb_id: str = Field(description="Where it was written.")
    framedb_type: str
    copies: list[RegisteredCopy] = Field(description="Every place that holds it, that one included.")
    size: int | None = Field(description="Bytes, where known.")
    metadata: dict[str, Any]


class RegisteredStream(BaseModel):
    """Where a stream is."""

    queue_name: str
    framedb_id: str
    metadata: dict[str, Any]


class Inserted(Message):
    """That an object or stream is registered."""

    id: str


class Objects(Data[list[RegisteredObject]]):
    """A page of objects."""

    next: str | None = Field(description="What to give as `after` for the next page; null: this is the last.")


class Streams(Data[list[RegisteredStream]]):
    """A page of streams."""

    next: str | None = Field(description="What to give as `after` for the next page; null: this is the last.")


async def _in_body(request: Request) -> dict[str, Any]:
    """The body of a GET as a JSON object, which older clients send their filters in; {} for none."""
    raw = await request.body()
    if not raw:
        return {}
    try:
        given = json.loads(raw)
    except ValueError as exc:
        raise RequestValidationError(
            [{"type": "json_invalid", "loc": ("body", 0), "msg": "", "input": {}, "ctx": {"error": "unreadable"}}]
        ) from exc
    if not isinstance(given, dict):
        raise RequestValidationError([{"type": "dict_type", "loc": ("body",), "msg": "", "input": {}}])
    return given


InBody = Annotated[dict[str, Any], Depends(_in_body)]


def objects_router(plane: ControlPlane) -> APIRouter:
    """Routes of objects."""
    router = APIRouter(prefix="/framedb/objects", tags=["objects"])
    routing = plane.routing
    registry = ObjectRegistry(plane.placement, routing, plane.connections, plane.clusters)

    @router.post(
        "",
        summary="Register an object",
        **_registering(message("Object inserted", id=_KEY), message("Object updated", id=_KEY)),
    )
    def register(new: NewObject, response: Response) -> dict[str, Any]:
        """Write down where an object is: 201; 200 if it was registered before, which is normal.

        A frame that is still in memory under its id is removed there, unless it is one of the copies.
        """
        inserted = registry.register(
            new.object_id,
            new.framedb_id,
            new.framedb_type,
            copies=_copies(new.copies),
            size=new.size,
            metadata=new.metadata,
        )
        return _registered(response, inserted, "Object", new.object_id)

    @router.get(
        "",
        summary="List objects",
        **answers(REGISTRY, Objects, data([_OBJECT], next=None)),
    )
    def find(query: Annotated[ObjectQuery, Query()], in_body: InBody) -> dict[str, Any]:
        """Objects that equal every filter given, in order of their ids, a page at a time.

        Filters stand in the query, or in a JSON body of the same fields.
        """
        wanted, after, limit = _wanted(query, in_body)
        found = routing.query_objects(wanted, after=after, limit=limit)
        return data([_object(each) for each in found], next=found[-1].key if len(found) == limit else None)

    # Ids may hold `/`: what stands last decides. A greedy id takes all that comes before it.

    @router.get(
        "/{object_id:any}/copy-exists/{framedb_id}",
        summary="Ask whether an instance holds an object",
        **answers(REGISTRY, Message, message("Copy exists"), 404),
    )
    def copy_exists(request: Request, object_id: str, framedb_id: str) -> Any:
        """200 if the instance holds the object, else 404."""
        if b"/copy-exists/" not in request.scope["raw_path"]:  # quoted: part of an id
            return JSONResponse(data(_object(_known(plane, f"{object_id}/copy-exists/{framedb_id}"))))
        if not routing.copy_exists(object_id, framedb_id):
            raise NotFoundError("Copy does not exist")
        return message("Copy exists")

    @router.post(
        "/{object_id:any}/update",
        summary="Change an object's entry",
        **answers(REGISTRY, Message, message("Object updated"), 404),
    )
    def update(object_id: str, new: ObjectUpdate) -> dict[str, Any]:
        """Change what is given; the rest stays."""
        fields = {name: getattr(new, name) for name in new.model_fields_set}
        if new.copies is not None:
            fields["copies"] = _copies(new.copies)
        routing.update_object(
            object_id, {name: value for name, value in fields.items() if value is not None or name == "size"}
        )
        return message("Object updated")

    @router.post(
        "/{object_id:any}/add-copy", summary="Add a copy", **answers(REGISTRY, Message, message("Copy added"), 404)
    )
    def add_copy(object_id: str, copy: ObjectCopy) -> dict[str, Any]:
        """Write down that an instance holds the object too."""
        routing.add_copy(object_id, copy.framedb_id, copy.framedb_type)
        return message("Copy added")

    @router.post(
        "/{object_id:any}/remove-copy",
        summary="Remove a copy",
        **answers(REGISTRY, Message, message("Copy removed"), 404, 409),
    )
    def remove_copy(object_id: str, copy: RemovedCopy) -> dict[str, Any]:
        """Write down that an instance holds the object no more. The only copy cannot be removed."""
        routing.remove_copy(object_id, copy.framedb_id)
        return message("Copy removed")

    @router.get(
        "/{object_id:any}", summary="Find an object", **answers(REGISTRY, Data[RegisteredObject], data(_OBJECT), 404)
    )
    def get(object_id: str) -> dict[str, Any]:
        """Where an object is."""
        return data(_object(_known(plane, object_id)))

    @router.delete(
        "/{object_id:any}", summary="Forget an object", **answers(REGISTRY, Message, message("Object deleted"), 404)
    )
    def delete(object_id: str) -> dict[str, Any]:
        """Forget where an object is. Its bytes stay where they are."""
        if not routing.remove_object(object_id):
            raise NotFoundError(_NOTHING)
        return message("Object deleted")

    return router


def streams_router(plane: ControlPlane) -> APIRouter:
    """Routes of streams."""
    router = APIRouter(prefix="/framedb/streams", tags=["streams"])
    routing = plane.routing

    @router.post(
        "",
        summary="Register a stream",
        **_registering(message("Stream inserted", id="detections"), message("Stream updated", id="detections")),
    )
    def register(new: NewStream, response: Response) -> dict[str, Any]:
        """Write down where a stream is: 201; 200 if it was registered before."""
        inserted = routing.register_stream(new.queue_name, new.framedb_id, new.metadata)
        return _registered(response, inserted, "Stream", new.queue_name)

    @router.get("", summary="List streams", **answers(REGISTRY, Streams, data([_STREAM], next=None)))
    def find(query: Annotated[StreamQuery, Query()], in_body: InBody) -> dict[str, Any]:
        """Streams that equal every filter given, in order of their names, a page at a time.

        Filters stand in the query, or in a JSON body of the same fields.
        """
        wanted, after, limit = _wanted(query, in_body)
        found = routing.query_streams(wanted, after=after, limit=limit)
        return data([_stream(each) for each in found], next=found[-1].queue_name if len(found) == limit else None)

    @router.post(
        "/{queue_name:any}/update",
        summary="Change a stream's entry",
        **answers(REGISTRY, Message, message("Stream updated"), 404),
    )
    def update(queue_name: str, new: StreamUpdate) -> dict[str, Any]:
        """Change what is given; the rest stays."""
        fields = {name: getattr(new, name) for name in new.model_fields_set}
        routing.update_stream(queue_name, {name: value for name, value in fields.items() if value is not None})
        return message("Stream updated")

    @router.get(
        "/{queue_name:any}", summary="Find a stream", **answers(REGISTRY, Data[RegisteredStream], data(_STREAM), 404)
    )
    def get(queue_name: str) -> dict[str, Any]:
        """Where a stream is."""
        stream = routing.stream(queue_name)
        if stream is None:
            raise NotFoundError(_NOTHING)
        return data(_stream(stream))

    @router.delete(
        "/{queue_name:any}", summary="Forget a stream", **answers(REGISTRY, Message, message("Stream deleted"), 404)
    )
    def delete(queue_name: str) -> dict[str, Any]:
        """Forget where a stream is. What it holds stays where it is."""
        if not routing.remove_stream(queue_name):
            raise NotFoundError(_NOTHING)
        return message("Stream deleted")

    return router


def _registering(inserted: dict[str, Any], updated: dict[str, Any]) -> dict[str, Any]:
    """A call that answers 201 for what is new, and 200 for what is known."""
    described = answers(REGISTRY, Inserted, inserted, status=201)
    described["responses"] = {
        200: {
            "model": Inserted,
            "description": "It was registered before, and is updated.",
            "content": {"application/json": {"example": updated}},
        },
        **described["responses"],
    }
    return described


def _registered(response: Response, inserted: bool, kind: str, name: str) -> dict[str, Any]:
    response.status_code = 201 if inserted else 200
    return message(f"{kind} inserted" if inserted else f"{kind} updated", id=name)


def _wanted(query: Q, in_body: Mapping[str, Any]) -> tuple[dict[str, Any], str, int]:
    """Filters, and the page: from the query, and from the body, whose types are exact."""
    try:
        body = type(query).model_validate(dict(in_body), strict=True)
    except ValidationError as exc:
        raise RequestValidationError([{**error, "loc": ("body", *error["loc"])} for error in exc.errors()]) from exc
    given = {**query.model_dump(exclude_unset=True), **body.model_dump(exclude_unset=True)}
    after, limit = given.pop("after", ""), given.pop("limit", _PAGE)
    return {name: value for name, value in given.items() if value is not None}, after, limit


def _known(plane: ControlPlane, object_id: str) -> ObjectRoute:
    route = plane.routing.object(object_id)
    if route is None:
        raise NotFoundError(_NOTHING)
    return route


def _copies(copies: list[ObjectCopy]) -> tuple[Copy, ...]:
    return tuple(Copy(copy.framedb_id, copy.framedb_type) for copy in copies)


def _object(route: ObjectRoute) -> dict[str, Any]:
    return {
        "object_id": route.key,
        "framedb_id": route.framedb_id,
        "framedb_type": route.framedb_type,
        "copies": [asdict(copy) for copy in route.copies],
        "size": route.size,
        "metadata": dict(route.metadata),
    }


def _stream(route: StreamRoute) -> dict[str, Any]:
    return {"queue_name": route.queue_name, "framedb_id": route.framedb_id, "metadata": dict(route.metadata)}
