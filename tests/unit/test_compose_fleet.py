"""The example of several accounts under Compose: no rights, no name twice, and only keys that exist."""

from pathlib import Path
from typing import Any

import yaml

from wallbox2mqtt.config.keys import KEYS

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "examples/compose-fleet.yaml").read_text(encoding="utf-8"))
SINGLE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
ONE: dict[str, Any] = SINGLE["services"]["wallbox2mqtt"]
OWN = {"environment", "secrets", "volumes", "depends_on"}


def test_each_account_runs_as_the_one_of_compose_yaml() -> None:
    for service in COMPOSE["services"].values():
        assert {key: service[key] for key in service.keys() - OWN} == {key: ONE[key] for key in ONE.keys() - OWN}


def test_no_two_accounts_share_anything() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        assert service["environment"]["WALLBOX2MQTT_MQTT__CLIENT_ID"] == f"wallbox2mqtt-{name}"
        assert service["environment"]["WALLBOX2MQTT_MQTT__BASE_TOPIC"] == f"wallbox-{name}"
        assert service["volumes"] == [f"{name}:/var/lib/wallbox2mqtt"]
        assert service["secrets"] == [{"source": f"{name}-password", "target": "wallbox-password"}]
    assert services.keys() == COMPOSE["volumes"].keys()
    assert {f"{name}-password" for name in services} == COMPOSE["secrets"].keys()


def test_keys_exist_and_none_holds_a_password() -> None:
    known = {key.variable for key in KEYS.values()}
    for service in COMPOSE["services"].values():
        assert service["environment"].keys() <= known | {"RUNTIME_DIRECTORY"}
        assert not [name for name in service["environment"] if name.endswith("__PASSWORD")]


def test_an_image_from_elsewhere_is_named_in_full() -> None:
    """Podman on Debian knows no registry to look in, and completes only well-known names."""
    services = [*COMPOSE["services"].values(), *SINGLE["services"].values()]
    from_elsewhere = {service["image"] for service in services if "build" not in service}
    assert from_elsewhere == {"docker.io/library/eclipse-mosquitto:2.0"}
