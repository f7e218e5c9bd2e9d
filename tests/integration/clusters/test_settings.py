"""What is set holds for every member, now and after restarts; snapshots are taken, kept and put back."""

import random
import time

import pytest

from framedb.clusters.backup import KEPT
from framedb.clusters.spec import ClusterSpec
from framedb.errors import EngineError, InvalidInputError, NotFoundError, StoreError
from framedb.resp import Endpoint, close_redis, open_redis
from framedb.resp.sentinel import MASTER_NAME
from tests.contracts.frame_store import until

from .planes import Plane, small
from .test_reconcile import mend


def values(plane: Plane, cluster: str, name: str) -> list[str]:
    """What each member says."""
    found = []
    for member in plane.service.addresses(cluster):
        with plane.opened(cluster, member.ordinal) as client:
            found.append(str(client.config_get(name)[name]))
    return found


def sentinel_values(plane: Plane, cluster: str, name: str) -> list[int]:
    """What each sentinel says."""
    found = []
    for member in plane.service.addresses(cluster):
        client = open_redis(Endpoint(member.host, member.sentinel_port, password=plane.driver.password))
        flat = [part.decode() for part in client.execute_command("SENTINEL", "MASTER", MASTER_NAME)]
        close_redis(client)
        found.append(int(flat[flat.index(name) + 1]))
    return found


def test_what_is_set_holds_for_every_member_at_once_and_ever_after(plane: Plane) -> None:
    plane.service.create(small("a", replicas=2))
    with plane.opened("a") as master:
        master.set("kept", "yes")
    before = plane.pids("a")
    plane.settings.set_config("a", "slowlog-max-len", 64)
    plane.settings.set_config("a-redis-node-1", "maxmemory", "40mb")
    plane.settings.set_configs("a", {"save": "900 1", "timeout": 600})
    assert plane.settings.get_config("a", "MAXMEMORY") == str(40 * 2**20)
    assert plane.settings.get_config("a-redis-node-0", "slowlog-max-len") == "64"
    assert values(plane, "a", "save") == ["900 1"] * 2
    plane.settings.set_config("a", "save", "")
    plane.settings.set_sentinel_config("a", "down-after-milliseconds", 3000)
    plane.settings.set_sentinel_config("a-redis-node-0", "failover-timeout", "20000")
    plane.settings.set_sentinel_config("a", "parallel-syncs", 2)

    def holds(members: int) -> bool:
        return (
            values(plane, "a", "slowlog-max-len") == ["64"] * members
            and values(plane, "a", "maxmemory") == [str(40 * 2**20)] * members
            and values(plane, "a", "save") == [""] * members
            and values(plane, "a", "timeout") == ["600"] * members
            and sentinel_values(plane, "a", "down-after-milliseconds") == [3000] * members
            and sentinel_values(plane, "a", "failover-timeout") == [20_000] * members
            and sentinel_values(plane, "a", "parallel-syncs") == [2] * members
        )

    assert holds(2)
    assert plane.settings.get_sentinel_config("a", "failover-timeout") == 20_000
    assert plane.pids("a") == before
    with plane.opened("a") as master:
        assert master.get("kept") == b"yes"
    plane.service.scale("a", 3)
    assert holds(3)
    plane.kill("a")
    mend(plane)
    assert holds(3)


def test_what_may_not_be_set_and_what_the_servers_refuse_changes_nothing(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.service.create(small("a"))
    before = plane.service.info("a").spec
    for name in ("requirepass", "masterauth", "dir", "*"):
        with pytest.raises(InvalidInputError, match="choose one of"):
            plane.settings.get_config("a", name)
        with pytest.raises(InvalidInputError, match="choose one of"):
            plane.settings.set_config("a", name, "x")
    with pytest.raises(InvalidInputError, match="takes sources"):
        plane.settings.set_configs("a", {"timeout": 1, "maxmemory-policy": "allkeys-lru"})
    with pytest.raises(NotFoundError):
        plane.settings.set_config("b", "timeout", "1")
    really = plane.driver.apply

    def refuse(spec: ClusterSpec, **options: object) -> object:
        done = really(spec, **options)  # type: ignore[arg-type]
        if spec.settings.get("timeout") == "77":
            raise StoreError("a-redis-node-0: not here")
        return done

    monkeypatch.setattr(plane.driver, "apply", refuse)
    with pytest.raises(StoreError, match="not here"):
        plane.settings.set_config("a", "timeout", 77)
    assert plane.service.info("a").spec == before
    assert values(plane, "a", "timeout") == ["0"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("failover-timeout", 999), ("failover-timeout", 600_001), ("down-after-milliseconds", "999"),
        ("down-after-milliseconds", "many"), ("parallel-syncs", 0), ("parallel-syncs", 101), ("parallel-syncs", True),
        ("parallel-syncs", "1" * 20), ("parallel-syncs", "²"), ("auth-pass", 1), ("notification-script", "x"),
    ],
)  # fmt: skip
def test_sentinel_settings_have_bounds(plane: Plane, name: str, value: object) -> None:
    with pytest.raises(InvalidInputError):
        plane.settings.set_sentinel_config("a", name, value)  # type: ignore[arg-type]


def test_the_options_of_sentinels_are_told(plane: Plane) -> None:
    options = plane.settings.sentinel_options()
    assert {name: (each["min"], each["max"]) for name, each in options.items()} == {
        "failover-timeout": (1000, 600_000),
        "down-after-milliseconds": (1000, 600_000),
        "parallel-syncs": (1, 100),
    }


def test_a_snapshot_is_put_back_on_master_and_replicas(plane: Plane) -> None:
    prepared: list[str] = []
    plane.service.create(small("a", replicas=2))
    plane.service.prepare = lambda cluster, master: prepared.append(cluster)
    frames = {f"hall:{n}": random.Random(n).randbytes(40_000) for n in range(300)}
    with plane.opened("a") as master:
        for key, data in frames.items():
            master.set(key, data, px=600_000)
        master.set("brief", "gone soon", px=600)
        master.zadd("fdb:hall:t", dict.fromkeys(frames, 1.0))
        master.rpush("fdb:q:waiting", "one", "two")
    taken = plane.settings.take_snapshot("a")
    assert taken.path.parent == plane.data_dir / "clusters" / "a" / "snapshots"
    assert taken.size == taken.path.stat().st_size > 300 * 40_000
    time.sleep(0.7)  # not a wait for anything: the time of `brief` has to run out
    with plane.opened("a") as master:
        master.delete(*list(frames)[:200], "fdb:q:waiting")
        master.zremrangebyrank("fdb:hall:t", 0, 199)
        master.set("later", "not in the snapshot")
        master.set("hall:299", "changed")
    assert plane.settings.restore("a") == taken
    assert prepared == ["a"]
    for ordinal in (0, 1):
        with plane.opened("a", ordinal) as client:
            until(lambda client=client: client.dbsize() == 302, "the replica to follow")  # type: ignore[misc]
            assert {key: client.get(key) for key in frames} == frames
            assert 0 < client.pttl("hall:7") <= 600_000
            assert client.zcard("fdb:hall:t") == 300
            assert client.lrange("fdb:q:waiting", 0, -1) == [b"one", b"two"]
            assert client.exists("brief", "later") == 0
    assert [each.state for each in plane.discovery.members("a")] == ["online", "online"]


def test_a_restarted_cluster_is_empty_until_its_snapshot_is_put_back(plane: Plane) -> None:
    wanted = {"maxmemory-policy": "allkeys-lru", "save": "3600 1 300 100", "timeout": "600"}
    plane.service.create(small("a", settings=wanted, accepts_sources=False))
    for name, value in wanted.items():
        assert plane.settings.get_config("a", name) == value
    with plane.opened("a") as master:
        master.set("kept", "yes")
    plane.service.stop("a")  # in order, and so it writes a snapshot
    mend(plane)
    with plane.opened("a") as master:
        assert master.dbsize() == 0
    assert plane.settings.restore("a").path.parent.name == "snapshots"
    with plane.opened("a") as master:
        assert master.get("kept") == b"yes"


def test_a_few_snapshots_are_kept_and_a_broken_one_changes_nothing(plane: Plane) -> None:
    plane.service.create(small("a"))
    with pytest.raises(NotFoundError, match="has no snapshot"):
        plane.settings.restore("a")
    with plane.opened("a") as master:
        master.set("kept", "x" * 1000)
        taken = [plane.settings.take_snapshot("a").path for _ in range(KEPT + 2)]
        assert sorted(taken[0].parent.iterdir()) == taken[2:]
        assert all(path.stat().st_mode & 0o077 == 0 for path in taken[2:])
        whole = taken[-1].read_bytes()
        taken[-1].unlink()
        taken[-1].write_bytes(whole[:-50])
        with pytest.raises(EngineError, match="cannot be loaded"):
            plane.settings.restore("a")
        assert master.get("kept") == b"x" * 1000


def test_snapshots_are_written_on_an_interval(plane: Plane) -> None:
    plane.service.create(small("a"))
    with plane.opened("a") as master:
        plane.settings.set_snapshot_interval("a", 1, 1)
        master.set("kept", "yes")
        until(lambda: master.info("persistence")["rdb_changes_since_last_save"] == 0, "a snapshot", seconds=20)
        plane.settings.set_snapshot_interval("a", 3600, 1)
        master.delete("kept")
        restored = plane.settings.restore("a")
        assert restored.path.name == "dump.rdb"
        assert master.get("kept") == b"yes"
        assert master.config_get("save") == {"save": "3600 1"}
        plane.settings.set_snapshot_interval("a", 0)
        assert master.config_get("save") == {"save": ""}
    for interval, changed in ((-1, 1), (1, 0), (8 * 24 * 3600, 1), (True, 1), ("1", 1)):
        with pytest.raises(InvalidInputError):
            plane.settings.set_snapshot_interval("a", interval, changed)  # type: ignore[arg-type]
