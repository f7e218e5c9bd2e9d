"""What the services say of themselves is so: tried by schemathesis, which nobody here wrote."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from framedb.clusters.spec import ClusterSpec
from framedb.config import MiB
from framedb.node.control_plane import ControlPlane
from framedb.server.services import create_config_app, create_routing_app
from tests.integration.server.conftest import opened
from tests.live import live

SERVICES: dict[str, Callable[..., FastAPI]] = {"config": create_config_app, "routing": create_routing_app}
_TOKEN = "the token"
# The same routers twice: on one machine there is nothing more to find.
_TRIED_ELSEWHERE = {"config": "^/framedb/", "routing": "instances|^/discovery|^/health|^/metrics"}


@pytest.fixture(scope="module", params=SERVICES)
def described(request: pytest.FixtureRequest, plane: ControlPlane) -> dict[str, Any]:
    """The OpenAPI of a service."""
    return SERVICES[request.param](plane, token=None).openapi()


def calls(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every call by its name."""
    for path, methods in described["paths"].items():
        for method, call in methods.items():
            yield f"{method.upper()} {path}", call


def test_every_call_is_summed_up_and_filed_under_a_tag(described: dict[str, Any]) -> None:
    for name, call in calls(described):
        assert call["summary"], name
        assert call["description"], name
        assert call["tags"], name


def test_every_call_has_an_example_of_what_it_takes_and_of_what_it_answers(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    for name, call in calls(described):
        taken = call.get("requestBody", {}).get("content", {}).get("application/json")
        if taken is not None:
            assert schemas[taken["schema"]["$ref"].rpartition("/")[2]]["examples"], name
        for status in {"200", "201"} & set(call["responses"]):
            content = call["responses"][status]["content"]
            assert "text/plain" in content or content["application/json"]["example"], name


def test_every_field_that_is_taken_is_described_and_bounded(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    for name, call in calls(described):
        taken = call.get("requestBody", {}).get("content", {}).get("application/json")
        if taken is None:
            continue
        schema = schemas[taken["schema"]["$ref"].rpartition("/")[2]]
        assert schema["additionalProperties"] is False, name
        for field, of in schema["properties"].items():
            assert of["description"], (name, field)
            if of.get("type") == "integer":
                assert "minimum" in of, (name, field)
                assert "maximum" in of or "exclusiveMaximum" in of, (name, field)
            if of.get("type") == "string":
                assert {"pattern", "maxLength", "enum"} & set(of), (name, field)


@pytest.mark.timeout(300)  # twenty seconds of work, which a busy machine stretches
@pytest.mark.parametrize("service", SERVICES)
def test_no_request_finds_a_fault_or_an_answer_that_is_not_described(service: str, tmp_path: Path) -> None:
    with opened(tmp_path / "runtime", machine_memory_bytes=64 * 2**20) as plane:
        fill(plane)
        with live(SERVICES[service](plane, token=_TOKEN)) as served:
            done = subprocess.run(
                [
                    *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{served.url}/openapi.json"),
                    *("--header", f"Authorization: Bearer {_TOKEN}"),
                    *("--phases", "examples,coverage,fuzzing", "--exclude-path-regex", _TRIED_ELSEWHERE[service]),
                    # Bounds that hold between fields (a quorum up to replicas, room on the machine) no schema can tell.
                    *("--exclude-checks", "positive_data_acceptance"),
                    *("--max-examples", "3", "--generation-deterministic", "--no-shrink", "--continue-on-failure"),
                    *("--workers", "1", "--request-timeout", "30", "--no-color", "--warnings", "off"),
                ],
                capture_output=True,
                text=True,
                timeout=280,
                cwd=tmp_path,
            )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr


def fill(plane: ControlPlane) -> None:
    """What the examples name, so that they are not all answered with 404."""
    plane.clusters.create(ClusterSpec("cluster-alpha", node_tag="node-1", maxmemory_bytes=16 * MiB))
    plane.placement.create_mapping("source-123", "node-1")
    plane.instances.create("storage-db-1", node_tag="node-1", site="plant-a")
    plane.routing.register_object("clips/hall/0001.jpg", "storage-db-1", "storage")
    plane.routing.register_stream("detections", "cluster-alpha")
