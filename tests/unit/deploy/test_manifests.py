"""What `deploy/` hands to an orchestrator: well-formed, of settings there are, and of one piece."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from framedb.config import Settings
from tests.documents import ROOT

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSED: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["extractor"]
MANIFESTS = [path for path in sorted(KUBERNETES.rglob("*.yaml")) if path.name != "kustomization.yaml"]
SETTINGS = {field.alias for field in Settings.model_fields.values()}


def objects() -> Iterator[dict[str, Any]]:
    for path in MANIFESTS:
        yield from yaml.safe_load_all(path.read_text())


def the(kind: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in objects() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pods() -> list[dict[str, Any]]:
    return [each["spec"]["template"] for each in objects() if each["kind"] in ("Deployment", "StatefulSet")]


def pod_of_the_extractor() -> dict[str, Any]:
    pod: dict[str, Any] = the("StatefulSet", "video-extractor")["spec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_knows_every_word(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(document, "1.33", strict=True)


def test_what_is_needed_is_applied_and_nothing_else_is_there() -> None:
    applied = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    assert sorted(applied) == sorted(path.name for path in MANIFESTS if path.parent == KUBERNETES)
    for each in objects():
        if each["kind"] in ("HorizontalPodAutoscaler", "Ingress"):  # these are applied by themselves
            assert each["metadata"]["namespace"] == "video-extractor"


def test_services_and_probes_find_their_ports() -> None:
    for service in (each for each in objects() if each["kind"] == "Service"):
        (pod,) = [each for each in pods() if service["spec"]["selector"].items() <= each["metadata"]["labels"].items()]
        names = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    for pod in pods():
        for container in pod["spec"]["containers"]:
            names = {port["name"] for port in container["ports"]}
            for probe in (value for name, value in container.items() if name.endswith("Probe")):
                assert (probe.get("httpGet") or probe["tcpSocket"])["port"] in names


def test_the_ingress_and_the_autoscaler_are_for_what_there_is() -> None:
    path = the("Ingress", "video-extractor")["spec"]["rules"][0]["http"]["paths"][0]
    service = the("Service", path["backend"]["service"]["name"])
    assert path["backend"]["service"]["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
    scaled = the("HorizontalPodAutoscaler", "video-extractor")["spec"]["scaleTargetRef"]
    assert the(scaled["kind"], scaled["name"])["apiVersion"] == scaled["apiVersion"]


def test_pods_may_do_little() -> None:
    for pod in pods():
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        assert not pod["spec"]["automountServiceAccountToken"]
        for container in pod["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert "memory" in container["resources"]["limits"]


def test_only_settings_that_there_are_are_set() -> None:
    image = set(re.findall(r"\b([A-Z_]+)=", DOCKERFILE)) - {"PATH", "PYTHONUNBUFFERED"}
    secret = set(re.findall(r'"([A-Z_]+)=\$', (KUBERNETES / "deploy.sh").read_text()))
    assert secret == {"FRAMEDB_TOKEN", "TIDB_URL"}
    assert {*COMPOSED["environment"], *the("ConfigMap", "video-extractor")["data"], *image, *secret} <= SETTINGS


def test_a_service_called_redis_does_not_set_the_port_of_redis() -> None:
    """Kubernetes sets REDIS_PORT=tcp://... for it, unless it is told not to."""
    assert pod_of_the_extractor()["enableServiceLinks"] is False
    Settings.model_validate(the("ConfigMap", "video-extractor")["data"])


def test_the_same_image_is_meant_everywhere() -> None:
    (container,) = pod_of_the_extractor()["containers"]
    assert COMPOSED["image"] == container["image"] == "framedb"
    assert "s|image: framedb$|" in (KUBERNETES / "deploy.sh").read_text()
    assert (DEPLOY / COMPOSED["build"]["context"] / COMPOSED["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"


def test_data_goes_where_the_volumes_are() -> None:
    *_, folder = re.findall(r"^WORKDIR (\S+)$", DOCKERFILE, re.MULTILINE)  # that of the image, not of what builds it
    (container,) = pod_of_the_extractor()["containers"]
    assert any(volume.endswith(f":{folder}/runtime") for volume in COMPOSED["volumes"])
    assert f"{folder}/runtime" in {mount["mountPath"] for mount in container["volumeMounts"]}
