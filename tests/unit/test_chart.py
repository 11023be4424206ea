"""The Helm chart: rendered, checked strictly against Kubernetes' own schemas, and read by the program."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from wallbox2mqtt import __version__
from wallbox2mqtt.config import load
from wallbox2mqtt.config.keys import KEYS

helm = pytest.importorskip("helm_python", reason="there is no wheel for this machine")
kubernetes_validate = pytest.importorskip("kubernetes_validate")

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/wallbox2mqtt"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Safe, and ten times as fast where PyYAML has it."""
Document = dict[str, Any]
GARAGE: Document = {"name": "garage", "secret": "wallbox-garage"}
EVERYTHING: Document = {
    "accounts": [
        GARAGE,
        {"name": "house-2", "secret": "s", "config": {"mqtt": {"host": ["b", "c:1885"], "port": 8883}}},
    ],
    "config": {
        "mqtt": {"host": "broker", "tls": {"enabled": True, "ca_file": "/ca/ca.crt"}},
        "log": {"level": "debug"},
    },
    "broker": {"secret": "broker"},
    "image": {"repository": "registry.example/wallbox2mqtt", "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "persistence": {"storageClassName": "fast"},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "networkPolicy": {
        "from": [{"namespaceSelector": {}}],
        "brokerPorts": [1885],
        "egress": [{"ports": [{"port": 3128}]}],
    },
    "podAnnotations": {"a": "b"},
    "podLabels": {"c": "d"},
    "nodeSelector": {"kubernetes.io/arch": "arm64"},
    "tolerations": [{"key": "edge", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "env": [{"name": "https_proxy", "value": "http://proxy:3128"}],
    "volumes": [{"name": "ca", "secret": {"secretName": "ca"}}],
    "volumeMounts": [{"name": "ca", "mountPath": "/ca"}],
}


def render(values: Document, release: str = "home") -> list[Document]:
    """The documents that the chart makes of values that are right."""
    with helm.Chart.load(str(CHART)) as chart:
        chart.validate_schema(values)
        texts: dict[str, str] = chart.render(values, name=release, namespace="prod")
    parts = [part for name, part in texts.items() if not name.endswith("NOTES.txt")]
    return [document for part in parts for document in yaml.load_all(part, Loader=LOADER) if document]


def kind(documents: list[Document], name: str) -> list[Document]:
    return [document for document in documents if document["kind"] == name]


def pods(documents: list[Document]) -> Iterator[tuple[Document, Document]]:
    """The specification of each pod, and of its container."""
    for document in kind(documents, "StatefulSet"):
        pod = document["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        yield pod, container


@pytest.mark.parametrize("version", ["1.29", "1.37"])
@pytest.mark.parametrize("values", [{}, {"accounts": [GARAGE]}, EVERYTHING], ids=["none", "one", "everything"])
def test_kubernetes_takes_all_documents(values: Document, version: str) -> None:
    known = [document for document in render(values) if document["kind"] != "ServiceMonitor"]
    assert len(known) == 2 + 2 * len(values.get("accounts", []))
    for document in known:
        kubernetes_validate.validate(document, version, strict=True)


def test_the_chart_is_of_this_version_and_has_no_fault() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"] == __version__
    findings = helm.lint(str(CHART))
    assert not findings["errors"]
    assert all("icon" in message["error"] for message in findings["messages"])


def test_a_pod_may_do_nothing() -> None:
    (user,) = re.findall(r"^USER (\d+):\1$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    for pod, container in pods(render(EVERYTHING)):
        assert {pod["securityContext"][key] for key in ("runAsUser", "runAsGroup", "fsGroup")} == {int(user)}
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_an_account_is_one_pod_with_its_own_volume() -> None:
    documents = kind(render(EVERYTHING), "StatefulSet")
    assert [document["metadata"]["name"] for document in documents] == [
        "home-wallbox2mqtt-garage", "home-wallbox2mqtt-house-2",
    ]  # fmt: skip
    for document in documents:
        assert document["spec"]["replicas"] == 1
        assert document["spec"]["podManagementPolicy"] == "Parallel", (
            "OrderedReady: an upgrade would wait for a pod that is not ready, tried with a real controller"
        )
        (claim,) = document["spec"]["volumeClaimTemplates"]
        assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
        assert claim["spec"]["storageClassName"] == "fast"
        own = document["spec"]["selector"]["matchLabels"]
        assert own.items() <= document["spec"]["template"]["metadata"]["labels"].items()
    assert documents[0]["spec"]["selector"] != documents[1]["spec"]["selector"]


@pytest.mark.parametrize(("given", "expected"), [(None, {}), ("", {"storageClassName": ""})])
def test_a_volume_has_no_class_or_the_default_one(given: str | None, expected: Document) -> None:
    (document,) = kind(render({"accounts": [GARAGE], "persistence": {"storageClassName": given}}), "StatefulSet")
    (claim,) = document["spec"]["volumeClaimTemplates"]
    assert {key: claim["spec"][key] for key in claim["spec"].keys() & {"storageClassName"}} == expected


def test_probes_ask_the_port_that_is_listened_at() -> None:
    documents = render(EVERYTHING | {"service": {"port": 9000}})
    for _, container in pods(documents):
        assert [port["containerPort"] for port in container["ports"]] == [9000]
        probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")]
        assert [probe["path"] for probe in probes] == ["/livez", "/livez", "/readyz"]
        assert {probe["port"] for probe in probes} == {port["name"] for port in container["ports"]}
    for document in kind(documents, "ConfigMap"):
        assert yaml.safe_load(document["data"]["config.yaml"])["web"] == {"listen": ":9000"}


def test_the_program_reads_what_it_is_given(tmp_path: Path) -> None:
    documents = render(EVERYTHING)
    read = []
    for document, (_, container) in zip(kind(documents, "ConfigMap"), pods(documents), strict=True):
        file = tmp_path / "config.yaml"
        file.write_text(document["data"]["config.yaml"], encoding="utf-8")
        environ = {entry["name"]: "x@y" for entry in container["env"] if entry["name"].startswith("WALLBOX2MQTT_")}
        assert environ.keys() <= {key.variable for key in KEYS.values()}
        (tmp_path / "password").write_text("secret", encoding="utf-8")
        files = {name: str(tmp_path / "password") for name in environ if name.endswith("_FILE")}
        config = load(file, environ | files)
        read.append(
            (config.mqtt.client_id, config.mqtt.base_topic, config.mqtt.host, config.mqtt.port, config.log.level)
        )
    assert read == [
        ("wallbox2mqtt-garage", "wallbox-garage", "broker", 1883, "debug"),
        ("wallbox2mqtt-house-2", "wallbox-house-2", "b,c:1885", 8883, "debug"),
    ]


def test_secrets_are_only_referred_to() -> None:
    documents = render(EVERYTHING)
    assert not kind(documents, "Secret")
    for pod, container in pods(documents):
        variables = [entry for entry in container["env"] if "valueFrom" in entry]
        assert [entry["valueFrom"]["secretKeyRef"]["key"] for entry in variables] == ["email", "username"]
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounted.keys() - {"state"} == {volume["name"] for volume in pod["volumes"]}
        for entry in container["env"]:
            if entry["name"].endswith("_PASSWORD_FILE"):
                assert str(Path(entry["value"]).parent) in mounted.values()


def test_the_network_is_open_to_what_is_needed() -> None:
    (policy,) = kind(render(EVERYTHING), "NetworkPolicy")
    needed, proxy = policy["spec"]["egress"]
    assert sorted(port["port"] for port in needed["ports"]) == [53, 53, 443, 1883, 1885, 8883]
    assert proxy == {"ports": [{"port": 3128}]}
    assert policy["spec"]["ingress"][0]["from"] == [{"namespaceSelector": {}}]
    assert not kind(render({"networkPolicy": {"enabled": False}}), "NetworkPolicy")


def test_a_service_monitor_finds_the_service() -> None:
    documents = render(EVERYTHING)
    (monitor,), (service,) = kind(documents, "ServiceMonitor"), kind(documents, "Service")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {end["port"] for end in monitor["spec"]["endpoints"]} == {port["name"] for port in service["spec"]["ports"]}
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert not kind(render({}), "ServiceMonitor")


@pytest.mark.parametrize("release", ["home", "wallbox2mqtt", "a-release-with-the-longest-name-that-helm-takes-here-x"])
def test_names_are_short_enough(release: str) -> None:
    """Of a StatefulSet's name and ten characters Kubernetes makes a label, which has 63 at most."""
    for document in render({"accounts": [GARAGE | {"name": "a" * 25}]}, release):
        assert len(document["metadata"]["name"]) <= 52


def test_fifty_accounts() -> None:
    accounts = [{"name": f"account-{number}", "secret": f"account-{number}"} for number in range(50)]
    documents = render({"accounts": accounts})
    ids = [yaml.safe_load(one["data"]["config.yaml"])["mqtt"]["client_id"] for one in kind(documents, "ConfigMap")]
    assert ids == [f"wallbox2mqtt-account-{number}" for number in range(50)]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"accounts": [{"name": "garage"}]}, "secret"),
        ({"accounts": [GARAGE | {"name": "Garage"}]}, "pattern"),
        ({"accounts": [GARAGE | {"name": "a" * 26}]}, "accounts/0/name"),
        ({"accounts": [GARAGE | {"password": "x"}]}, "password"),
        ({"accounts": [GARAGE | {"config": {"wallbox": {"password": "x"}}}]}, "password"),
        ({"config": {"mqtt": {"client_id": "x"}}}, "client_id"),
        ({"config": {"web": {"listen": ":1"}}}, "web"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"acounts": []}, "acounts"),
        ({"persistence": {"accessMode": "ReadWriteMany"}}, "accessMode"),
    ],
)
def test_wrong_values_are_refused(values: Document, told: str) -> None:
    with helm.Chart.load(str(CHART)) as chart, pytest.raises(helm.HelmError, match=told):
        chart.validate_schema(values)


def test_two_accounts_of_one_name_are_refused() -> None:
    with pytest.raises(helm.HelmError, match="two are called garage"):
        render({"accounts": [GARAGE, GARAGE]})


@pytest.mark.parametrize("release", ["1st", "my.home", "9wallbox2mqtt"])
def test_a_release_that_cannot_name_a_service_is_refused(release: str) -> None:
    with pytest.raises(helm.HelmError, match="accepted are a letter first"):
        render({}, release)


def test_every_value_is_in_the_schema() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    known = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))["properties"]
    assert values.keys() == known.keys() - {"global"}
