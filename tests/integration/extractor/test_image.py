"""The image's own command, and how orchestrators ask whether it is well."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3
import yaml

from tests.documents import ROOT
from tests.integration.extractor.commands import running

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()


def instruction(name: str) -> list[str]:
    """The command of an instruction, in its JSON form."""
    found = re.search(rf"^{name}\b.*?(\[.*?\])$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert found is not None
    command: list[str] = json.loads(found[1])
    return command


@pytest.mark.parametrize("settings", [{}, {"REDIS_HOST": "redis.invalid"}], ids=["alone", "without its cache"])
def test_it_serves_and_says_that_it_is_well(folder: Path, settings: dict[str, str]) -> None:
    assert instruction("ENTRYPOINT") == ["framedb"]
    command, check = instruction("CMD"), instruction("HEALTHCHECK")
    token = {"FRAMEDB_TOKEN": "secret", "VIDEO_ROOTS": "videos"}
    # The last address counts: tests keep to this machine.
    with running(folder, "--host", "127.0.0.1", command=tuple(command), **token, **settings) as service:
        ours = [part.replace(":8000", f":{service.port}") for part in [sys.executable, *check[1:]]]
        subprocess.run(ours, check=True, timeout=30)
        pods = (ROOT / "deploy/kubernetes/video-extractor.yaml").read_text()
        (container,) = list(yaml.safe_load_all(pods))[1]["spec"]["template"]["spec"]["containers"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert urllib3.request("GET", service.url + container[probe]["httpGet"]["path"]).status == 200
        assert urllib3.request("GET", service.url).status == 401
    assert subprocess.run(ours, capture_output=True, timeout=30).returncode != 0
