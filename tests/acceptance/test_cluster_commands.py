"""`framedb cluster` and `framedb serve`, as people type them."""

import json
import signal
import subprocess
from collections.abc import Iterator

import pytest
import urllib3

from tests.acceptance.conftest import FRAMEDB, UpNode, node_on, until
from tests.engines import free_port


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpNode]:
    """A node whose clusters are small."""
    small = {"FRAMEDB_CLUSTER_MAXMEMORY_BYTES": str(16 * 2**20), "FRAMEDB_MACHINE_MEMORY_BYTES": str(500 * 2**20)}
    with node_on(tmp_path_factory.mktemp("cluster-commands"), "--no-workers", **small) as node:
        yield node


def test_a_cluster_is_made_listed_scaled_and_removed(up: UpNode) -> None:
    made = up.cli("cluster", "create", "typed", "--node-tag", "typed", "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["members"][0]["role"] == "master"
    assert "typed" in up.cli("cluster", "list").stdout
    listed = {each["_id"]: each for each in json.loads(up.cli("cluster", "list", "--json").stdout)}
    assert (listed["typed"]["replicas"], listed["typed"]["quorum"]) == (1, 1)
    assert "typed-redis-node-0" in up.cli("cluster", "info", "typed").stdout

    scaled = up.cli("cluster", "scale", "typed", "2")
    assert (scaled.returncode, scaled.stdout) == (0, "cluster typed now has 2 members\n")
    assert "majority" in scaled.stderr
    assert "has 2 members" in up.cli("cluster", "scale", "typed", "2").stdout

    assert up.cli("cluster", "remove", "typed").returncode == 0
    assert up.cli("cluster", "info", "typed").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "Not_A_Label"], "is no DNS label"),
        (["create", "x", "--replicas", "0"], "n_replicas must be > 0"),
        (["create", "x", "--replicas", "2", "--quorum", "3"], "quorum 3 must be from 1 to replicas (2)"),
        (["create", "x", "--replicas", "15"], "memory"),
        (["create", "local"], "Cluster already exists!"),
        (["info", "no-such"], "Cluster no-such does not exist"),
        (["scale", "local", "0"], "Scale to Zero is not allowed"),
        (["remove", "local"], "node's own"),
        (["watch", "no-such"], "Cluster no-such does not exist"),
    ],
)
def test_a_mistake_is_one_clear_line(up: UpNode, arguments: list[str], said: str) -> None:
    result = up.cli("cluster", *arguments)
    assert result.returncode == 1, result
    assert said in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [["--json"], ["local", "--json"], []])
def test_a_watch_shows_members_until_ctrl_c(up: UpNode, options: list[str]) -> None:
    with subprocess.Popen(
        [*FRAMEDB, "cluster", "watch", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=up.folder,
        env={**up.environment, "FRAMEDB_URL": up.url, "PYTHONUNBUFFERED": "1"},
    ) as watching:  # fmt: skip
        assert watching.stdout is not None
        lines = [next(watching.stdout) for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        _, complaints = watching.communicate(timeout=30)
    assert watching.returncode == 0, complaints
    assert complaints == ""
    if "--json" in options:
        for line in lines:
            (local,) = [each for each in json.loads(line)["clusters"] if each["_id"] == "local"]
            assert local["members"][0]["role"] == "master"
    else:
        assert "local-redis-node-0" in lines[1]


@pytest.mark.parametrize("service", ["config", "routing"])
def test_a_service_alone_answers_and_ends_with_its_signal(up: UpNode, service: str) -> None:
    port = free_port()
    command = [*FRAMEDB, "serve", service, "--data-dir", "alone", "--port", str(port)]
    with subprocess.Popen(command, cwd=up.folder, env=up.environment, stdout=subprocess.PIPE, text=True) as serving:
        try:
            until(lambda: _answers(port), f"the {service} service")
            second = subprocess.run(command, cwd=up.folder, env=up.environment, capture_output=True, text=True)
            assert second.returncode == 1
            assert f"cannot listen on 127.0.0.1:{port}" in second.stderr
        finally:
            serving.terminate()
        assert f"FrameDB's {service} service is up" in serving.communicate(timeout=30)[0]
    assert serving.returncode == 0


def test_a_service_alone_lets_no_others_in_without_a_token(up: UpNode) -> None:
    for service in ("config", "routing"):
        command = [*FRAMEDB, "serve", service, "--host", "0.0.0.0", "--data-dir", "never"]
        done = subprocess.run(command, cwd=up.folder, env=up.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert "set FRAMEDB_TOKEN" in done.stderr
        assert not (up.folder / "never").exists()


def _answers(port: int) -> bool:
    try:
        return urllib3.request("GET", f"http://127.0.0.1:{port}/health/ping", retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False
