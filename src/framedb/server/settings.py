"""`/config`: settings of running clusters and of their sentinels, and their snapshots."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from framedb.node.control_plane import ControlPlane
from framedb.server.described import answers
from framedb.server.envelopes import CLUSTERS, Result, result
from framedb.server.fields import AskedId, Body, SettingName, SettingValue
from framedb.server.long_calls import LongCalls

_ID = "cluster-alpha"


def _body(**example: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class NamedInstance(Body):
    """An instance by its id."""

    model_config = _body(framedb_id=_ID)

    framedb_id: AskedId


class NamedSetting(NamedInstance):
    """A setting of an instance."""

    model_config = _body(framedb_id=_ID, configName="maxmemory")

    configName: SettingName  # noqa: N815  - the published spelling


class NewSetting(NamedSetting):
    """A setting of an instance, and the value it is to have."""

    model_config = _body(framedb_id=_ID, configName="maxmemory", value="512mb")

    value: SettingValue


class SentinelSetting(NamedInstance):
    """A setting of the sentinels of an instance."""

    model_config = _body(framedb_id=_ID, configName="down-after-milliseconds")

    configName: SettingName  # noqa: N815


class NewSentinelSetting(SentinelSetting):
    """A setting of the sentinels of an instance, and the value it is to have."""

    model_config = _body(framedb_id=_ID, configName="down-after-milliseconds", value=2000)

    value: SettingValue


class SnapshotInterval(NamedInstance):
    """When snapshots are taken."""

    model_config = _body(framedb_id=_ID, interval=900, n_keys_changed=1)

    interval: Annotated[int, Field(ge=0, le=7 * 24 * 3600, description="Seconds between two looks; 0: never.")]
    n_keys_changed: Annotated[
        int, Field(ge=1, le=999_999_999, description="A snapshot is taken if so many keys have changed.")
    ]


class Option(BaseModel):
    """What a setting of the sentinels may be."""

    min: int
    max: int
    unit: str
    default: int


def settings_router(plane: ControlPlane) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/config", tags=["settings"])
    settings = plane.cluster_settings
    long_call = LongCalls()

    @router.post(
        "/basic/getConfig", summary="Read a setting", **answers(CLUSTERS, Result[str], result("268435456"), 404)
    )
    def get(of: NamedSetting) -> dict[str, Any]:
        """The value that the cluster has. Only published settings can be read."""
        return result(settings.get_config(of.framedb_id, of.configName))

    @router.post("/basic/setConfig", **_sentence("Change a setting", "maxmemory of cluster-alpha is 512mb"))
    @long_call
    def change(new: NewSetting) -> dict[str, Any]:
        """Change a published setting on every member; it survives restarts and failovers, and holds for new members."""
        settings.set_config(new.framedb_id, new.configName, new.value)
        return result(f"{new.configName} of {new.framedb_id} is {new.value}")

    @router.post(
        "/snapshots/setSnapshotInterval",
        **_sentence("Take snapshots from now on", "Snapshots of cluster-alpha: every 900 s if 1 keys changed"),
    )
    @long_call
    def snapshots(new: SnapshotInterval) -> dict[str, Any]:
        """Take a snapshot whenever so many keys have changed within so many seconds; 0 seconds: no more."""
        settings.set_snapshot_interval(new.framedb_id, new.interval, new.n_keys_changed)
        when = f"every {new.interval} s if {new.n_keys_changed} keys changed" if new.interval else "never"
        return result(f"Snapshots of {new.framedb_id}: {when}")

    @router.post("/snapshots/takeSnapshot", **_sentence("Take a snapshot now", "Snapshot of cluster-alpha is taken"))
    @long_call
    def snapshot(of: NamedInstance) -> dict[str, Any]:
        """Write a snapshot of the master now: answered when it is on disk."""
        settings.take_snapshot(of.framedb_id)
        return result(f"Snapshot of {of.framedb_id} is taken")

    @router.post("/restore/restoreConfig", **_sentence("Go back to the last snapshot", "cluster-alpha is restored"))
    @long_call
    def restore(of: NamedInstance) -> dict[str, Any]:
        """Bring back what the last snapshot holds."""
        settings.restore(of.framedb_id)
        return result(f"{of.framedb_id} is restored")

    @router.post(
        "/getConfig", summary="Read a setting of the sentinels", **answers(CLUSTERS, Result[int], result(1000), 404)
    )
    def get_sentinel(of: SentinelSetting) -> dict[str, Any]:
        """The value that the cluster's sentinels have."""
        return result(settings.get_sentinel_config(of.framedb_id, of.configName))

    @router.post(
        "/setConfig",
        **_sentence("Change a setting of the sentinels", "down-after-milliseconds of cluster-alpha is 2000"),
    )
    @long_call
    def change_sentinel(new: NewSentinelSetting) -> dict[str, Any]:
        """Change a setting on every sentinel of the cluster; it survives restarts."""
        settings.set_sentinel_config(new.framedb_id, new.configName, new.value)
        return result(f"{new.configName} of {new.framedb_id} is {new.value}")

    @router.get(
        "/getOptions",
        summary="List the settings of sentinels",
        **answers(
            CLUSTERS,
            Result[dict[str, Option]],
            result({"down-after-milliseconds": {"min": 1000, "max": 600000, "unit": "milliseconds", "default": 1000}}),
            takes_input=False,
        ),
    )
    def options() -> dict[str, Any]:
        """Settings of sentinels, each with its bounds."""
        return result(settings.sentinel_options())

    return router


def _sentence(summary: str, example: str) -> dict[str, Any]:
    """Arguments for a route that answers with a sentence."""
    return {"summary": summary, **answers(CLUSTERS, Result[str], result(example), 404, 409, 504)}
