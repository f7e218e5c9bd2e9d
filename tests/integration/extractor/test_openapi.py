"""What the service says of itself is so: tried by schemathesis, which nobody here wrote."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.extractor.conftest import Service


@pytest.fixture(scope="module")
def calls(idle: Service) -> dict[str, dict[str, Any]]:
    """Every call by its name."""
    described = idle.get("/openapi.json")
    return {f"{method.upper()} {path}": call for path, of in described["paths"].items() for method, call in of.items()}


def test_every_call_is_summed_up_and_filed_under_a_tag(calls: dict[str, dict[str, Any]]) -> None:
    for name, call in calls.items():
        assert call["summary"], name
        assert call["description"], name
        assert call["tags"], name


def test_every_call_has_an_example_of_what_it_answers(calls: dict[str, dict[str, Any]]) -> None:
    for name, call in calls.items():
        content = call["responses"]["200"]["content"]
        assert "application/json" not in content or content["application/json"]["example"], name


def test_both_ways_to_submit_are_described(calls: dict[str, dict[str, Any]]) -> None:
    content = calls["POST /video-job"]["requestBody"]["content"]
    schema, form = (content[kind]["schema"] for kind in ("application/json", "multipart/form-data"))
    assert schema["examples"]
    for field, of in _properties(schema, form):
        assert of["description"], field
    assert set(schema["properties"]) - {"video_source"} <= set(form["properties"])


def _properties(*schemas: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for schema in schemas:
        yield from schema["properties"].items()


@pytest.mark.timeout(300)
def test_no_request_finds_a_fault_or_an_answer_that_is_not_described(idle: Service, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{idle.url}/openapi.json"),
            *("--phases", "coverage,fuzzing", "--exclude-path-regex", "^/metrics|^/health/ping|^/healthz"),
            # Which ways of choosing frames exclude each other, and which videos there are, no schema can tell.
            *("--exclude-checks", "positive_data_acceptance"),
            *("--max-examples", "1", "--generation-deterministic", "--no-shrink", "--continue-on-failure"),
            *("--workers", "1", "--request-timeout", "30", "--no-color", "--warnings", "off"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,  # it leaves a folder
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
