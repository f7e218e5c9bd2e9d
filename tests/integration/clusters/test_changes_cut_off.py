"""Changes of a cluster that are refused, cut off, or made by two at once leave nothing half-done."""

import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from framedb.clusters import server
from framedb.clusters.drivers.local import LocalDriver
from framedb.clusters.spec import ClusterSpec
from framedb.config import MiB
from framedb.errors import ConflictError, EngineError, InsufficientRoomError
from tests.integration.clusters.members import ONE


def test_a_driver_that_is_killed_at_any_moment_leaves_nothing_that_the_next_cannot_put_right(
    driver: LocalDriver, soak: int
) -> None:
    chance = random.Random(7)
    program = (
        "import sys; from pathlib import Path\n"
        "from framedb.clusters.drivers.local import LocalDriver; from framedb.clusters.spec import ClusterSpec\n"
        "replicas = int(sys.argv[2]); driver = LocalDriver(Path(sys.argv[1])); print(flush=True)\n"
        "spec = ClusterSpec('demo', replicas=max(replicas, 1), quorum=replicas // 2 + 1, maxmemory_bytes=2**25)\n"
        "driver.apply(spec) if replicas else driver.remove('demo')"
    )
    for replicas, then in [(3, 2), (2, 0), (0, 1)] * max(1, soak // 3):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(driver.data_dir), str(replicas)], stdout=subprocess.PIPE
        ) as changing:
            assert changing.stdout is not None
            changing.stdout.readline()
            time.sleep(chance.random() * 1.5)
            changing.kill()
        if then:
            spec = ClusterSpec("demo", replicas=then, quorum=then // 2 + 1, maxmemory_bytes=32 * MiB)
            driver.apply(spec)
            assert driver.healthy(spec)
            assert driver.found() == [spec]
        else:
            driver.remove("demo")
            assert driver.leftovers() == []
        assert len(list(server.processes(driver.data_dir))) == 2 * then


def test_what_a_crash_left_of_a_cluster_can_be_removed_and_made_anew(driver: LocalDriver) -> None:
    folder = driver.data_dir / "clusters" / "demo"
    (folder / "demo-redis-node-0").mkdir(parents=True)
    (folder / "cluster.json").write_text("{")
    assert driver.leftovers() == ["demo"]
    assert driver.found() == []
    driver.remove("demo")
    assert driver.leftovers() == []
    (folder / "demo-redis-node-0").mkdir(parents=True)
    (folder / "demo-redis-node-0" / "server.json").write_text("")
    assert len(driver.apply(ONE)) == 1


def test_two_drivers_at_once_take_turns(driver: LocalDriver) -> None:
    other = LocalDriver(driver.data_dir)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda each: each.apply(ONE), [driver, other, driver, other]))
    assert answers == [answers[0]] * 4
    assert len(list(server.processes(driver.data_dir))) == 2


def test_a_cluster_that_somebody_changes_is_refused_to_others_until_they_let_go_or_die(driver: LocalDriver) -> None:
    program = (
        "import sys, time; from pathlib import Path; from framedb.clusters.drivers.local import LocalDriver\n"
        "with LocalDriver(Path(sys.argv[1])).exclusively('demo'): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(driver.data_dir)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConflictError, match="demo is being changed"), driver.exclusively("demo", wait=0):
            pass
        with driver.exclusively("another"):
            pass
        holder.kill()
    with driver.exclusively("demo", wait=5), driver.exclusively("demo", wait=0):
        refused = []

        def intrude() -> None:
            with suppress(ConflictError), driver.exclusively("demo", wait=0):
                refused.append("let in")

        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()
        assert refused == []


def test_what_the_machine_cannot_hold_is_refused(tmp_path: Path) -> None:
    driver = LocalDriver(tmp_path, memory_bytes=1024 * MiB, ports=range(31000, 31008))
    fits = ClusterSpec("a", replicas=2, maxmemory_bytes=128 * MiB)
    driver.check_room([fits], [])
    with pytest.raises(InsufficientRoomError, match=r"4 more members need 864 MiB, and 592 of the 1,024 MiB"):
        driver.check_room([fits, fits], [fits])
    with pytest.raises(InsufficientRoomError, match="10 ports are needed, and 8 from 31000 to 31007 are free"):
        driver.check_room([ClusterSpec("a", replicas=5, maxmemory_bytes=16 * MiB)], [])


def test_without_free_ports_nothing_is_left_of_a_new_cluster(tmp_path: Path) -> None:
    driver = LocalDriver(tmp_path, ports=range(31010, 31011))
    with pytest.raises(InsufficientRoomError, match="no free port from 31010 to 31010"):
        driver.apply(ONE)
    assert driver.leftovers() == []


def test_on_a_full_disk_nothing_is_left_of_a_new_cluster(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from framedb.clusters.drivers.local import LocalDriver; from framedb.clusters.spec import ClusterSpec\n"
        "driver = LocalDriver(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "driver.apply(ClusterSpec('demo', replicas=3, quorum=2))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert "framedb.errors.EngineError: cluster demo: File too large" in done.stderr
    assert LocalDriver(tmp_path).leftovers() == []


def test_a_binary_that_is_not_there_is_named_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="there is no program no-such-server"):
        LocalDriver(tmp_path, binary="no-such-server")
