"""`/global/framedb` and `/framedb/instances`: in-memory and persistent instances."""

from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from framedb.clusters.directives import parse_redis_config
from framedb.clusters.registered import ClusterInfo
from framedb.clusters.spec import ClusterSpec
from framedb.errors import FrameDBError, NotFoundError
from framedb.node.control_plane import ControlPlane
from framedb.placement.instances import PersistentInstance
from framedb.resp.sentinel import MASTER_NAME
from framedb.server.described import answers
from framedb.server.envelopes import REGISTRY, Data, Message, data, message
from framedb.server.fields import Body, ClusterName, FramedbId, Metadata, NodeTag, Replicas, SettingValue, Site
from framedb.server.long_calls import LongCalls

IN_MEMORY_BASES = ("/global/framedb/instances", "/framedb/instances")
PERSISTENT_BASES = ("/global/framedb/persistent-instances", "/framedb/persistent-instances")

_NOTHING = "No document found"
_CREATED = "Instance created in global registry"
_AT_ONCE = 8  # instances asked at the same time: one that does not answer takes its whole timeout
_IN_MEMORY: dict[str, Any] = {
    "framedb_id": "mem-db-1",
    "node_id": "node-1",
    "port": 20001,
    "metadata": {"owner": "line 3"},
    "public_url": "redis://:PASSWORD@127.0.0.1:20001/0",
    "local_url": "redis://:PASSWORD@127.0.0.1:20001/0",
    "status": "ready",
    "cluster_id": "plant-a",
    "sentinel_url": "redis+sentinel://:PASSWORD@127.0.0.1:20002/mymaster/0",
}
_PERSISTENT: dict[str, Any] = {
    "framedb_id": "storage-db-1",
    "node_id": "node-1",
    "port": 4000,
    "metadata": {},
    "public_url": "mysql://USER:PASSWORD@10.0.0.9:4000/storage_db_1",
    "local_url": "mysql://USER:PASSWORD@10.0.0.9:4000/storage_db_1",
    "status": "ready",
    "cluster_id": "plant-a",
    "storage_size": "10Gi",
}

Lines = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=1024)]],
    Field(max_length=64, description="Settings as lines of a configuration file: `maxmemory 1gb`."),
]
ByName = Annotated[
    dict[str, SettingValue | float | None],
    Field(max_length=64, description='Settings by name: `{"maxmemory": "1gb"}`.'),
]
InstanceId = Annotated[str, Path(min_length=1, max_length=128, description="The instance.")]
SiteId = Annotated[str, Path(min_length=1, max_length=128, description="A site: `cluster_id` of its instances.")]
NodeId = Annotated[str, Path(min_length=1, max_length=128, description="A node tag.")]


def _body(**example: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class NewInstance(Body):
    """An in-memory instance that is wanted."""

    model_config = _body(
        framedb_id="mem-db-1", node_id="node-1", cluster_id="plant-a", metadata={}, redis_config=["maxmemory 256mb"]
    )

    framedb_id: ClusterName
    node_id: NodeTag
    cluster_id: Site
    metadata: Metadata = Field(default_factory=dict)
    redis_config: Lines = Field(default_factory=list)
    replicas: Replicas = 1
    accepts_sources: Annotated[bool, Field(description="Whether sources may be placed on it.")] = False


class NewPersistentInstance(Body):
    """A persistent instance that is wanted."""

    model_config = _body(
        framedb_id="storage-db-1", node_id="node-1", cluster_id="plant-a", metadata={}, storage_size="10Gi"
    )

    framedb_id: FramedbId
    node_id: NodeTag
    cluster_id: Site
    metadata: Metadata = Field(default_factory=dict)
    storage_size: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9]{1,15}(\.[0-9]{1,6})?([KMGTPE]i?|[kmgtpe])?B?$",
            description="How large it may grow: `10Gi`.",
        ),
    ] = None
    db_config: Lines | ByName = Field(default_factory=list)


class InstanceQuery(Body):
    """Instances that equal every value given."""

    model_config = _body(cluster_id="plant-a", node_id="node-1")

    framedb_id: FramedbId | None = None
    node_id: NodeTag | None = None
    cluster_id: Site | None = None
    status: Annotated[str, Field(min_length=1, max_length=16, description="creating, ready, removing.")] | None = None


class PersistentInstanceQuery(InstanceQuery):
    """Persistent instances that equal every value given."""

    storage_size: Annotated[str, Field(min_length=1, max_length=32, description="As it was given.")] | None = None


class NewConfig(Body):
    """Settings of an instance."""

    model_config = _body(framedb_id="mem-db-1", config=["maxmemory 512mb"])

    framedb_id: FramedbId
    config: Lines | ByName


class Instance(BaseModel):
    """An in-memory instance."""

    framedb_id: str
    node_id: str
    port: int | None
    metadata: dict[str, Any]
    public_url: str | None = Field(description="Of the master of this moment, with its password; null: none answers.")
    local_url: str | None = Field(description="The same, for programs of the same site.")
    status: str = Field(description="creating, ready or removing.")
    cluster_id: str
    sentinel_url: str | None = Field(description="Its sentinels, which know the master of every moment.")


class StoredInstance(BaseModel):
    """A persistent instance."""

    framedb_id: str
    node_id: str
    port: int | None = Field(description="null: a file.")
    metadata: dict[str, Any]
    public_url: str
    local_url: str
    status: str
    cluster_id: str
    storage_size: str | None
    default_ttl_s: float | None = Field(
        description="Seconds an object is kept that is put without a time to live; null: for ever."
    )


class Created(Message):
    """That an instance is made."""

    port: int | None = Field(description="null: a file.")


def reading_router(plane: ControlPlane) -> APIRouter:
    """Looking at instances: what the routing service may do."""
    router = APIRouter(tags=["instances"])
    for base in IN_MEMORY_BASES:
        _add_reading(router, base, Instance, _IN_MEMORY, InstanceQuery, _InMemory(plane))
    for base in PERSISTENT_BASES:
        _add_reading(router, base, StoredInstance, _PERSISTENT, PersistentInstanceQuery, _Persistent(plane))
    return router


def making_router(plane: ControlPlane) -> APIRouter:
    """Making, configuring and removing instances."""
    router = APIRouter(tags=["instances"])
    long_call = LongCalls()
    created = answers(REGISTRY, Created, message(_CREATED, port=20001), 409, 504)
    removed = answers(REGISTRY, Message, message("Instance removed"), 404, 409, 504)

    def create(new: NewInstance) -> dict[str, Any]:
        """Make an in-memory instance: a cluster of that name, with one member unless told otherwise."""
        settings = parse_redis_config(new.redis_config)
        maxmemory = settings.pop("maxmemory", None)
        spec = ClusterSpec(
            new.framedb_id,
            node_tag=new.node_id,
            replicas=new.replicas,
            quorum=new.replicas // 2 + 1,
            maxmemory_bytes=plane.settings.cluster_maxmemory_bytes if maxmemory is None else int(maxmemory),
            settings=settings,
            accepts_sources=new.accepts_sources,
        )
        info = plane.clusters.create(spec, site=new.cluster_id, metadata=new.metadata)
        return message(_CREATED, port=info.members[0].port if info.members else None)

    def remove(framedb_id: InstanceId) -> dict[str, Any]:
        """Stop an in-memory instance, and forget it with all it holds."""
        plane.placement.remove_cluster(framedb_id)
        return message("Instance removed")

    def create_persistent(new: NewPersistentInstance) -> dict[str, Any]:
        """Make a persistent instance: a SQLite file, or a database on the server that TIDB_URL names."""
        instance = plane.instances.create(
            new.framedb_id,
            node_tag=new.node_id,
            site=new.cluster_id,
            storage_size=new.storage_size,
            settings=_by_name(new.db_config),
            metadata=new.metadata,
        )
        return message(_CREATED, port=_port(instance))

    def remove_persistent(framedb_id: InstanceId) -> dict[str, Any]:
        """Remove a persistent instance, with all it holds."""
        plane.instances.remove(framedb_id)
        return message("Instance removed")

    for base in IN_MEMORY_BASES:
        router.post(base, summary="Make an in-memory instance", **created)(long_call(create))
        router.delete(f"{base}/{{framedb_id}}", summary="Remove an in-memory instance", **removed)(long_call(remove))
    for base in PERSISTENT_BASES:
        router.post(base, summary="Make a persistent instance", **created)(long_call(create_persistent))
        router.delete(f"{base}/{{framedb_id}}", summary="Remove a persistent instance", **removed)(
            long_call(remove_persistent)
        )

    @router.post(
        "/global/framedb/set-config",
        summary="Change settings of an instance",
        **answers(REGISTRY, Message, message("Configuration updated"), 404, 409, 504),
    )
    @long_call
    def set_config(new: NewConfig) -> dict[str, Any]:
        """Change published settings of an in-memory instance, or else of the persistent one of that id."""
        if _is_in_memory(plane, new.framedb_id):
            given: dict[str, Any] = dict(parse_redis_config(new.config)) if isinstance(new.config, list) else new.config
            plane.cluster_settings.set_configs(new.framedb_id, given)
        else:
            plane.instances.set_config(new.framedb_id, _by_name(new.config))
        return message("Configuration updated")

    return router


class _InMemory:
    """In-memory instances, as they are told."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def get(self, framedb_id: str) -> dict[str, Any]:
        """One of them, or a member of one, whose master must answer. Raises NotFoundError, StoreUnavailableError."""
        try:
            cluster, ordinal = self._plane.clusters.resolve(framedb_id)
            info = self._plane.clusters.info(cluster)
        except NotFoundError as exc:
            raise NotFoundError(_NOTHING) from exc
        shown = _in_memory(info, **_urls(self._plane, cluster))
        for member in info.members:
            if member.ordinal == ordinal:
                shown |= {"framedb_id": member.name, "port": member.port}
        return shown

    def find(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        """Those that equal every value wanted; the URLs of one that does not answer are null."""
        infos = [info for info in self._plane.clusters.list() if _fits(_in_memory(info), wanted)]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="instances") as pool:
            return list(pool.map(self._shown, infos))

    def _shown(self, info: ClusterInfo) -> dict[str, Any]:
        try:
            return _in_memory(info, **_urls(self._plane, info.name))
        except FrameDBError:
            return _in_memory(info)


class _Persistent:
    """Persistent instances, as they are told."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def get(self, framedb_id: str) -> dict[str, Any]:
        """One of them. Raises NotFoundError."""
        try:
            return _persistent(self._plane.instances.get(framedb_id))
        except NotFoundError as exc:
            raise NotFoundError(_NOTHING) from exc

    def find(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        """Those that equal every value wanted."""
        shown = [_persistent(instance) for instance in self._plane.instances.list()]
        return [each for each in shown if _fits(each, wanted)]


def _add_reading(
    router: APIRouter,
    base: str,
    model: type[BaseModel],
    example: dict[str, Any],
    query_model: type[InstanceQuery],
    instances: _InMemory | _Persistent,
) -> None:
    several = answers(REGISTRY, Data[list[model]], data([example]))  # type: ignore[valid-type]

    @router.get(f"{base}/cluster/{{cluster_id}}", summary="List instances of a site", **several)
    def of_site(cluster_id: SiteId) -> dict[str, Any]:
        """Instances of a site."""
        return data(instances.find({"cluster_id": cluster_id}))

    @router.get(f"{base}/cluster/{{cluster_id}}/node/{{node_id}}", summary="List instances of a node", **several)
    def of_node(cluster_id: SiteId, node_id: NodeId) -> dict[str, Any]:
        """Instances of a site that run on a node."""
        return data(instances.find({"cluster_id": cluster_id, "node_id": node_id}))

    def query(wanted: InstanceQuery) -> dict[str, Any]:
        """Instances that equal every value given; {}: all."""
        return data(instances.find(wanted.model_dump(exclude_none=True)))

    query.__annotations__["wanted"] = query_model
    router.post(f"{base}/query", summary="Find instances", **several)(query)

    @router.get(
        f"{base}/{{framedb_id}}",
        summary="Find an instance",
        **answers(REGISTRY, Data[model], data(example), 404),  # type: ignore[valid-type]
    )
    def get(framedb_id: InstanceId) -> dict[str, Any]:
        """An instance, and the URLs that open it. **The answer holds passwords.**"""
        return data(instances.get(framedb_id))


def _fits(shown: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(shown[name] == value for name, value in wanted.items())


def _in_memory(
    info: ClusterInfo, *, port: int | None = None, url: str | None = None, sentinels: str | None = None
) -> dict[str, Any]:
    return {
        "framedb_id": info.name,
        "node_id": info.spec.node_tag,
        "port": port if port is not None else next((member.port for member in info.members), None),
        "metadata": info.metadata,
        "public_url": url,
        "local_url": url,
        "status": info.state,
        "cluster_id": info.site,
        "sentinel_url": sentinels,
    }


def _urls(plane: ControlPlane, name: str) -> dict[str, Any]:
    connection = plane.connections.to(name)
    master = connection.master
    password = quote(master.password or "", safe="")
    sentinels = ",".join(f"{host}:{port}" for host, port in connection.sentinels)
    return {
        "port": master.port,
        "url": f"redis://:{password}@{master.host}:{master.port}/0",
        "sentinels": f"redis+sentinel://:{password}@{sentinels}/{MASTER_NAME}/0",
    }


def _persistent(instance: PersistentInstance) -> dict[str, Any]:
    return {
        "framedb_id": instance.framedb_id,
        "node_id": instance.node_tag,
        "port": _port(instance),
        "metadata": dict(instance.metadata),
        "public_url": instance.url,
        "local_url": instance.url,
        "status": instance.state,
        "cluster_id": instance.site,
        "storage_size": instance.storage_size,
        "default_ttl_s": instance.settings.get("default_ttl_s"),
    }


def _port(instance: PersistentInstance) -> int | None:
    port: int | None = urlsplit(instance.url).port
    return port


def _is_in_memory(plane: ControlPlane, framedb_id: str) -> bool:
    try:
        plane.clusters.resolve(framedb_id)
    except NotFoundError:
        return False
    return True


def _by_name(config: list[str] | dict[str, Any]) -> dict[str, Any]:
    """Settings by name; a line is a name and its value, a number where it reads as one."""
    if isinstance(config, dict):
        return config
    lines = [line.strip().partition(" ") for line in config]
    return {name: _number(value.strip()) for name, _, value in lines}


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
