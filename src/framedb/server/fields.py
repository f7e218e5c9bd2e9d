"""Types of the fields on the wire, each with its bounds, so that OpenAPI tells them and bad input is refused at the door."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from framedb.clusters.spec import ClusterSpec
from framedb.errors import InvalidInputError
from framedb.frame import check_key, check_source
from framedb.routing.checks import MAX_DOCUMENT_BYTES, MAX_OBJECT_DOCUMENT_BYTES, check_document

MAX_REPLICAS = 15
"""Members of one cluster. Each is two processes, and each sentinel talks to all others."""
MAX_BULK = 100
"""Clusters in one call."""

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_DNS_LABEL = r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?"
_INSTANCE = r"[A-Za-z0-9._-]{1,128}"


class Body(BaseModel):
    """A JSON object that a call takes: types are exact, and fields nobody knows are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> JsonSchemaValue:
        """As pydantic has it; a field that may be null is described by what it otherwise is."""
        schema = handler(core_schema)
        for field in handler.resolve_ref_schema(schema).get("properties", {}).values():
            told = [each["description"] for each in field.get("anyOf", ()) if "description" in each]
            if told:
                field.setdefault("description", told[0])
        return schema


def _cluster_name(name: str) -> str:
    return ClusterSpec(name).name


def _source(source: str) -> str:
    check_source(source)
    return source


def _key(key: str) -> str:
    check_key(key)
    return key


def _replicas(replicas: int) -> int:
    if replicas < 1:
        raise InvalidInputError("n_replicas must be > 0")
    return _at_most("replicas", replicas, MAX_REPLICAS)


def _scale(replicas: int) -> int:
    if replicas == 0:
        raise InvalidInputError("Scale to Zero is not allowed, delete the deployment instead")
    return _replicas(replicas)


def _deployments(number: int) -> int:
    if number == 0:
        raise InvalidInputError("Zero deployments not allowed")
    if number < 0:
        raise InvalidInputError("nClusters must be > 0")
    return _at_most("nClusters", number, MAX_BULK)


def _at_most(name: str, number: int, most: int) -> int:
    if number > most:
        raise InvalidInputError(f"{name} {number} is too many: give at most {most}")
    return number


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    return check_document("metadata", value, max_bytes=MAX_DOCUMENT_BYTES)


def _object_metadata(value: dict[str, Any]) -> dict[str, Any]:
    return check_document("metadata", value, max_bytes=MAX_OBJECT_DOCUMENT_BYTES)


def _whole(minimum: int, maximum: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": minimum, "maximum": maximum})


def _text(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


def _any_object(description: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "object", "additionalProperties": True, "description": description})


ClusterName = Annotated[
    str,
    AfterValidator(_cluster_name),
    _text(_DNS_LABEL),
    Field(description="A cluster's name: a DNS-1123 label, at most 40 characters."),
]
NodeTag = Annotated[
    str, Field(pattern=f"^{_LABEL}$", description="Where it runs: the value of the node's label `framedb`.")
]
Site = Annotated[str, Field(pattern=f"^{_LABEL}$", description="The site an instance belongs to.")]
FramedbId = Annotated[str, Field(pattern=f"^{_INSTANCE}$", description="An instance: a cluster's name, or a member's.")]
AskedId = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._-]{0,128}$",
        description="An instance: a cluster's name, or a member's. Empty: the node's own cluster.",
    ),
]
SourceId = Annotated[
    str,
    AfterValidator(_source),
    _text(r"[A-Za-z0-9._:?-]{1,128}"),
    Field(description="One producer: a camera, a video job, a program."),
]
ObjectId = Annotated[
    str,
    AfterValidator(_key),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 1024}),
    Field(description="The object's key: at most 1024 bytes of UTF-8, not beginning with `fdb:`."),
]
Replicas = Annotated[
    int,
    AfterValidator(_replicas),
    _whole(1, MAX_REPLICAS),
    Field(description="Redis processes of the cluster, the master included."),
]
Scale = Annotated[
    int,
    AfterValidator(_scale),
    _whole(1, MAX_REPLICAS),
    Field(description="Redis processes of the cluster, the master included."),
]
Quorum = Annotated[
    int,
    Field(ge=1, le=MAX_REPLICAS, description="Sentinels that must agree before a failover: from 1 to replicas."),
]
Deployments = Annotated[
    int, AfterValidator(_deployments), _whole(1, MAX_BULK), Field(description="How many clusters to make.")
]
Metadata = Annotated[dict[str, Any], AfterValidator(_metadata), _any_object("Any JSON object, at most 64 KiB.")]
ObjectMetadata = Annotated[
    dict[str, Any], AfterValidator(_object_metadata), _any_object("Any JSON object, at most 1 MiB.")
]
EnableMetrics = Annotated[bool, Field(description="Whether each has a Prometheus endpoint of its own.")]
SettingName = Annotated[
    str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$", description="The setting, by its Redis name.")
]
SettingValue = Annotated[
    Annotated[int, Field(ge=-(2**63), lt=2**63)] | Annotated[str, Field(max_length=1024)],
    Field(description="The value, as text or as a number."),
]
