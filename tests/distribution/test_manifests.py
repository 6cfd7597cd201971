"""The manifests for Kubernetes and Compose: valid by the schemas of others, and with files that the gateway takes."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from architecture.sources import ROOT
from bothways.cli.gateway import command
from bothways.gateway.config.gateway import Times
from bothways.gateway.processes.workers import SPARE_SECONDS
from bothways.testing import MutualTLS

KUBERNETES = ROOT / "packaging" / "kubernetes"
COMPOSE = ROOT / "packaging" / "compose"
MANIFESTS = ("gateway.yaml", "sidecar.yaml")
VERSIONS = ("1.31", "1.37")
KINDS = {"ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"}


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((KUBERNETES / name).read_text()))


def one(name: str, kind: str) -> dict[str, Any]:
    [found] = [each for each in documents(name) if each["kind"] == kind]
    return found


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = one(name, "Deployment")["spec"]["template"]["spec"]
    return found


def containers(name: str) -> list[dict[str, Any]]:
    return [*pod(name).get("initContainers", ()), *pod(name)["containers"]]


def gateway(name: str) -> dict[str, Any]:
    [found] = [each for each in containers(name) if each["name"] == "gateway"]
    return found


def config(name: str) -> dict[str, Any]:
    return tomllib.loads(one(name, "ConfigMap")["data"]["gateway.toml"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MANIFESTS)
def test_every_object_is_valid_by_the_schemas_of_kubernetes(name: str, version: str) -> None:
    """Strictly: a field that is not known is refused."""
    found = documents(name)
    assert {each["kind"] for each in found} == KINDS
    for each in found:
        kubernetes_validate.validate(each, version, strict=True)


def test_a_field_that_kubernetes_does_not_know_would_be_found() -> None:
    """Else the test above could not fail."""
    wrong = one("gateway.yaml", "Deployment")
    wrong["spec"]["template"]["spec"]["runAsNonRoot"] = True
    with pytest.raises(kubernetes_validate.ValidationError, match="runAsNonRoot"):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_configuration_can_be_used_with_what_is_mounted(name: str, tmp_path: Path) -> None:
    text = one(name, "ConfigMap")["data"]["gateway.toml"]
    for each in gateway(name)["volumeMounts"]:
        assert "subPath" not in each  # it would never be replaced
        text = text.replace(f'"{each["mountPath"]}/', f'"{tmp_path}{each["mountPath"]}/')
    with MutualTLS(tmp_path) as mutual:
        server = mutual.identity("server")
        files = {"tls/tls.crt": server.cert, "tls/tls.key": server.key, "tls/ca.crt": mutual.ca}
        files |= {"clients/ca.crt": mutual.ca, "clients/crl.pem": mutual.crl}
        for path, source in files.items():
            (tmp_path / path).parent.mkdir(exist_ok=True)
            shutil.copy(source, tmp_path / path)
        (tmp_path / "gateway.toml").write_text(text)
        done = CliRunner().invoke(
            command, ["check", "-c", str(tmp_path / "gateway.toml")], standalone_mode=False
        )
    assert done.exception is None, done.exception
    assert "can be used: 1 listener, 1 route" in done.output


@pytest.mark.parametrize("name", MANIFESTS)
def test_pod_is_given_longer_to_end_than_connections_to_drain(name: str) -> None:
    hook = (
        gateway(name).get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
    )
    drain = config(name)["times"]["drain"]
    assert pod(name)["terminationGracePeriodSeconds"] >= float(hook[1]) + drain + SPARE_SECONDS
    assert drain == Times().drain


@pytest.mark.parametrize("name", MANIFESTS)
def test_probes_ask_what_the_gateway_answers_on_the_port_that_it_opens(name: str) -> None:
    container, metrics = gateway(name), config(name)["metrics"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports == {"tls": config(name)["listener"][0]["port"], "metrics": metrics["port"]}
    assert metrics["host"] == "0.0.0.0"  # the kubelet does not ask by loopback
    paths = {kind: container[kind]["httpGet"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert {kind: each["path"] for kind, each in paths.items()} == {
        "startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"
    }  # fmt: skip
    assert {each["port"] for each in paths.values()} == {"metrics"}


@pytest.mark.parametrize("name", MANIFESTS)
def test_metrics_are_for_those_who_scrape_them(name: str) -> None:
    """They tell who the clients are, and the gateway itself lets everybody read them."""
    rules = one(name, "NetworkPolicy")["spec"]["ingress"]
    open_to_all = {port["port"] for each in rules if "from" not in each for port in each["ports"]}
    assert open_to_all == {"tls"}
    assert {each["port"] for each in one(name, "Service")["spec"]["ports"]} == {443}
    assert {each["targetPort"] for each in one(name, "Service")["spec"]["ports"]} == {"tls"}


@pytest.mark.parametrize("name", MANIFESTS)
def test_pods_have_no_more_rights_than_they_need(name: str) -> None:
    """The profile `restricted` of the Pod Security Standards, and a file system that is read only."""
    spec = pod(name)
    user = re.search(r"USER (\d+):(\d+)", (ROOT / "packaging" / "Containerfile").read_text())
    assert user is not None
    own = spec["securityContext"]
    assert (own["runAsNonRoot"], own["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert (str(own["runAsUser"]), str(own["fsGroup"])) == user.groups()
    assert spec["automountServiceAccountToken"] is False
    for each in containers(name):
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    for each in spec["volumes"]:
        if "secret" in each:
            assert each["secret"]["defaultMode"] == 0o440


def test_the_service_beside_a_sidecar_is_reached_through_it_only() -> None:
    [service] = [each for each in containers("sidecar.yaml") if each["name"] != "gateway"]
    backend = config("sidecar.yaml")["route"][0]["backend"]
    assert service["args"][-1] == backend
    assert backend.startswith("127.0.0.1:")
    assert gateway("sidecar.yaml")["restartPolicy"] == "Always"


def test_the_secret_that_cert_manager_renews_is_the_one_that_is_mounted() -> None:
    [certificate] = documents("certificate.yaml")
    secrets = [each["secret"]["secretName"] for each in pod("gateway.yaml")["volumes"] if "secret" in each]
    assert secrets == [certificate["spec"]["secretName"]]
    assert certificate["spec"]["dnsNames"] == config("gateway.yaml")["route"][0]["server_names"]


def test_compose_starts_gateways_with_a_file_that_can_be_used(tmp_path: Path) -> None:
    found = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    service = found["services"]["gateway"]
    assert service["volumes"] == ["./files:/config:ro"]
    assert service["command"][:3] == ["gateway", "-c", "/config/gateway.toml"]
    text = (COMPOSE / "files" / "gateway.toml").read_text()
    assert service["stop_grace_period"] == f"{tomllib.loads(text)['times']['drain'] + 15}s"
    with MutualTLS(tmp_path) as mutual:
        server = mutual.identity("server")
        names = {"gateway.pem": server.cert, "gateway.key": server.key}
        for name, source in (names | {"clients-ca.pem": mutual.ca, "clients.crl": mutual.crl}).items():
            shutil.copy(source, tmp_path / name)
        (tmp_path / "gateway.toml").write_text(text)
        done = CliRunner().invoke(
            command, ["check", "-c", str(tmp_path / "gateway.toml")], standalone_mode=False
        )
    assert done.exception is None, done.exception
    assert found["networks"]["services"] == {"internal": True}
    assert found["services"]["orders"]["networks"] == ["services"]
