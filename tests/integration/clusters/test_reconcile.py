"""What was cut short, died or was forgotten is mended, each cluster on its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import update

from framedb.clusters.drivers.base import Member
from framedb.clusters.drivers.local import LocalDriver
from framedb.clusters.spec import ClusterSpec
from framedb.errors import EngineError
from framedb.registry import writing
from framedb.registry.tables import clusters
from framedb.resp import Endpoint
from tests.contracts.frame_store import until

from .planes import Plane, reconciling, small
from .test_service import forget_everything


def mend(plane: Plane) -> None:
    """What a control plane does when it starts."""
    with reconciling(plane) as reconciler:
        reconciler.once(wait_for=60)


def set_state(plane: Plane, name: str, state: str) -> None:
    with writing(plane.engine) as connection:
        connection.execute(update(clusters).where(clusters.c.name == name).values(state=state))


def test_what_was_cut_short_is_rolled_back_or_finished(any_plane: Plane) -> None:
    any_plane.service.create_many([small("begun"), small("ended"), small("well")])
    before = any_plane.pids("well")
    set_state(any_plane, "begun", "creating")
    set_state(any_plane, "ended", "removing")
    mend(any_plane)
    assert any_plane.service.names() == ["well"]
    assert any_plane.driver.leftovers() == ["well"]
    assert any_plane.running() == {"well": 2}
    assert any_plane.pids("well") == before


def test_a_creation_under_way_is_left_alone(plane: Plane) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def prepare(cluster: str, master: Endpoint) -> None:
        begun.set()
        assert go_on.wait(30)

    plane.service.prepare = prepare
    creation = threading.Thread(target=lambda: plane.service.create(small("a")))
    creation.start()
    assert begun.wait(30)
    with reconciling(plane) as reconciler:
        for _ in range(3):
            reconciler.once(wait_for=10)
    assert plane.service.info("a").state == "creating"
    go_on.set()
    creation.join()
    assert plane.service.info("a").state == "ready"
    assert plane.running() == {"a": 2}


def test_whoever_moves_sources_finishes_removals(plane: Plane) -> None:
    plane.service.create(small("a"))
    set_state(plane, "a", "removing")
    finished: list[str] = []

    def remove(name: str) -> None:
        finished.append(name)
        plane.service.remove(name)

    with reconciling(plane, remove=remove) as reconciler:
        reconciler.once(wait_for=60)
    assert finished == ["a"]
    assert plane.service.names() == []


@pytest.mark.parametrize("state", ["creating", "removing"])
def test_a_cluster_can_be_made_after_one_of_its_name_was_left_half_done(plane: Plane, state: str) -> None:
    plane.service.create(small("a"))
    before = plane.pids("a")
    set_state(plane, "a", state)
    assert plane.service.create(small("a")).state == "ready"
    assert plane.running() == {"a": 2}
    assert not set(before) & set(plane.pids("a"))


def test_dead_members_and_sentinels_are_started_again(plane: Plane) -> None:
    plane.service.create(small("a", replicas=3, quorum=2))
    with plane.opened("a") as master:
        master.set("kept", "yes")
        master.wait(2, 5000)
    replica = next(each.name for each in plane.discovery.members("a") if each.role == "replica")
    plane.kill("a", replica)
    assert plane.running() == {"a": 4}
    mend(plane)
    assert plane.running() == {"a": 6}
    with plane.opened("a", int(replica[-1])) as client:
        assert client.get("kept") == b"yes"


def test_all_clusters_of_a_machine_that_was_switched_off_start_again(plane: Plane) -> None:
    plane.service.create_many([small("a", replicas=2), small("b")])
    for name in ("a", "b"):
        plane.kill(name)
    mend(plane)
    assert plane.running() == plane.registered() == {"a": 4, "b": 2}


def test_a_scaling_that_was_cut_short_is_finished(plane: Plane) -> None:
    plane.service.create(small("a"))
    with writing(plane.engine) as connection:
        connection.execute(update(clusters).values(replicas=2))
    mend(plane)
    assert plane.running() == {"a": 4}
    assert len(plane.service.addresses("a")) == 2
    with writing(plane.engine) as connection:
        connection.execute(update(clusters).values(replicas=1))
    mend(plane)
    assert plane.running() == {"a": 2}
    assert len(plane.service.addresses("a")) == 1


def test_what_runs_and_nobody_knows_is_adopted(plane: Plane) -> None:
    plane.service.create_many([small("runs"), small("stopped")])
    plane.service.stop("stopped")
    before = plane.pids("runs")
    forget_everything(plane.engine)
    mend(plane)
    assert [(info.name, info.state) for info in plane.service.list()] == [("runs", "ready")]
    assert plane.pids("runs") == before
    assert plane.running() == {"runs": 2}
    assert plane.service.create(small("stopped")).state == "ready"


def test_a_member_is_given_a_second_look_before_it_is_started_again(plane: Plane) -> None:
    plane.service.create(small("a"))
    with reconciling(plane) as reconciler:
        reconciler.once(wait_for=60)
        plane.kill("a")
        reconciler.once(wait_for=60)
        assert plane.running() == {}
        reconciler.once(wait_for=60)
        assert plane.running() == {"a": 2}


class _BrokenDriver(LocalDriver):
    """The real driver, that fails or hangs for some clusters."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.attempts: list[str] = []
        self.failing: set[str] = set()
        self.hanging: set[str] = set()
        self.released = threading.Event()

    def apply(self, spec: ClusterSpec, **options: object) -> list[Member]:
        self.attempts.append(spec.name)
        if spec.name in self.hanging:
            assert self.released.wait(60)
        if spec.name in self.failing:
            raise EngineError("its disk is gone")
        return super().apply(spec, **options)  # type: ignore[arg-type]


@contextmanager
def broken(plane: Plane) -> Iterator[tuple[Plane, _BrokenDriver]]:
    """A control plane on the same registry and folder, with a driver that can be broken."""
    driver = _BrokenDriver(plane.data_dir)
    yield Plane.on(plane.engine, plane.data_dir, driver), driver


def test_a_cluster_that_hangs_holds_up_no_other(plane: Plane) -> None:
    plane.service.create_many([small("a"), small("b")])
    with broken(plane) as (made, driver):
        driver.hanging = {"a"}
        with reconciling(made) as reconciler:
            for name in ("a", "b"):
                plane.kill(name)
            reconciler.once()
            until(lambda: made.running() == {"b": 2}, "the other cluster to run")
            for _ in range(3):
                reconciler.once(wait_for=0.1)
            assert driver.attempts.count("a") == 1
            driver.released.set()
        assert made.running() == {"a": 2, "b": 2}


def test_what_will_not_start_is_tried_after_ever_longer_pauses(plane: Plane, caplog: pytest.LogCaptureFixture) -> None:
    plane.service.create(small("a"))
    now = 0.0
    tried: list[float] = []
    with broken(plane) as (made, driver), reconciling(made, clock=lambda: now) as reconciler:
        driver.failing = {"a"}
        while len(tried) < 7:
            before = len(driver.attempts)
            reconciler.once(wait_for=60)
            if len(driver.attempts) > before:
                tried.append(now)
            now += 1.0
        pauses = [after - before for before, after in pairwise(tried)]
        assert pauses == [2, 4, 8, 16, 30, 30]
        assert "cluster a could not be mended: its disk is gone" in caplog.text
        driver.failing = set()
        now += 30.0
        reconciler.once(wait_for=60)
        assert made.service.is_well(made.service.info("a"))
