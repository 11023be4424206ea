"""What the project is run by: units, image, compose file. Read here as text; where systemd is, by systemd too."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.mosquitto import LIMIT_S
from wallbox2mqtt.config.keys import KEYS, PREFIX
from wallbox2mqtt.daemon.heartbeat import BEAT_S

ROOT = Path(__file__).parents[2]
UNIT, TEMPLATE = ROOT / "systemd/wallbox2mqtt.service", ROOT / "systemd/wallbox2mqtt@.service"
UNITS = pytest.mark.parametrize("unit", [UNIT, TEMPLATE], ids=["service", "template"])


def settings(unit: Path) -> dict[str, list[str]]:
    """The settings of a unit, in order, whatever their section."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#;[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def environment(unit: Path) -> dict[str, str]:
    words = " ".join(settings(unit)["Environment"]).split()
    return dict(word.split("=", 1) for word in words)


class TestUnits:
    @UNITS
    def test_is_supervised(self, unit: Path) -> None:
        found = settings(unit)
        assert found["Type"] == ["notify"]
        assert found["RestartPreventExitStatus"] == ["78"]
        assert found["Restart"] == ["always"]
        assert found["StartLimitIntervalSec"] == ["0"]
        assert (found["RestartSteps"], found["RestartMaxDelaySec"]) == (["5"], ["60"])
        assert 3 * BEAT_S <= int(found["WatchdogSec"][0]) <= 60

    @UNITS
    def test_secrets_come_as_credentials(self, unit: Path) -> None:
        names = [value.split(":")[0] for value in settings(unit)["LoadCredential"]]
        assert names == ["config.yaml", "wallbox-password", "mqtt-password"]
        given = environment(unit)
        for section in ("WALLBOX", "MQTT"):
            assert given[f"{PREFIX}{section}__PASSWORD_FILE"] == f"%d/{section.lower()}-password"

    @UNITS
    def test_its_variables_are_keys(self, unit: Path) -> None:
        known = {key.variable for key in KEYS.values()}
        assert {name for name in environment(unit) if name.startswith(PREFIX)} <= known

    @UNITS
    def test_is_hardened(self, unit: Path) -> None:
        found = settings(unit)
        switches = [
            *("DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateUsers"),
            *("ProtectClock", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables"),
            *("ProtectControlGroups", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID"),
            *("LockPersonality", "MemoryDenyWriteExecute"),
        ]
        assert {name: found.get(name) for name in switches} == {name: ["yes"] for name in switches}
        assert found["CapabilityBoundingSet"] == [""]
        assert found["LimitCORE"] == ["0"]
        assert {"MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"} <= environment(unit).keys()
        assert found["ProtectSystem"] == ["strict"]
        assert found["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]

    @UNITS
    def test_a_reload_hands_over_what_the_start_did(self, unit: Path) -> None:
        found, given = settings(unit), environment(unit)
        (copies,) = found["ExecReload"]
        names = [value.split(":")[0] for value in found["LoadCredential"]]
        assert f"cp {' '.join(names)} " in copies
        assert all(
            value.split(":")[1].startswith(given["CONFIGURATION_DIRECTORY"]) for value in found["LoadCredential"]
        )
        assert given["RELOAD_DIRECTORY"] == f"/run/{found['RuntimeDirectory'][0]}.reload"

    def test_instances_never_collide(self) -> None:
        given = environment(TEMPLATE)
        assert given[f"{PREFIX}MQTT__CLIENT_ID"] == "wallbox2mqtt-%i"
        assert given[f"{PREFIX}MQTT__BASE_TOPIC"] == "wallbox-%i"
        found = settings(TEMPLATE)
        assert all("/%i/" in value for value in found["LoadCredential"])
        assert found["StateDirectory"] == found["RuntimeDirectory"] == ["wallbox2mqtt-%i"]

    def test_the_template_is_the_service_but_for_the_instance(self) -> None:
        one, other = settings(UNIT), settings(TEMPLATE)
        named = {"Description", "LoadCredential", "Environment", "StateDirectory", "RuntimeDirectory"}
        assert {key: one[key] for key in one.keys() - named} == {key: other[key] for key in other.keys() - named}

    @UNITS
    def test_systemd_agrees(self, unit: Path, tmp_path: Path) -> None:
        analyze = shutil.which("systemd-analyze")
        if analyze is None:
            return  # the tests above read the units without it
        text = unit.read_text(encoding="utf-8").replace(
            "/opt/wallbox2mqtt/bin/wallbox2mqtt", shutil.which("true") or ""
        )
        copy = tmp_path / unit.name.replace("@.", "@garage.")
        copy.write_text(text, encoding="utf-8")
        if "@" in unit.name:
            (tmp_path / unit.name).write_text(text, encoding="utf-8")
        done = subprocess.run(  # noqa: S603 - our own command
            [analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False, timeout=LIMIT_S
        )
        # scripts/install-systemd leaves out what an older one does not know
        unknown = re.compile(
            r".*: Unknown key '(RestartSteps|RestartMaxDelaySec)' in section \[Service\], ignoring\.\n"
        )
        assert (done.returncode, unknown.sub("", done.stdout + done.stderr)) == (0, "")
        rated = subprocess.run(  # noqa: S603 - our own command
            [analyze, "security", "--offline=true", "--threshold=100", str(copy)],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        level = re.search(r"exposure level for .*: ([0-9.]+)", rated.stdout)
        assert level is not None, rated
        assert float(level[1]) <= 1.2


class TestInstaller:
    def test_is_a_sound_script(self) -> None:
        script = ROOT / "scripts/install-systemd"
        assert script.stat().st_mode & stat.S_IXUSR
        done = subprocess.run(  # noqa: S603 - our own command
            [shutil.which("bash") or "bash", "-n", str(script)], capture_output=True, check=False, timeout=LIMIT_S
        )
        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--help"], "--uninstall"),
            (["--purge"], "--purge goes with --uninstall"),
            (["../etc"], "found: '../etc'"),
            (["a/b"], "found: 'a/b'"),
            (["my garage"], "found: 'my garage'"),
            (["größe"], "found: 'größe'"),
            ([""], "found: ''"),
            (["a", "b", "c"], "found: a and 'b'"),
        ],
    )
    def test_refuses_what_it_does_not_know(self, arguments: list[str], told: str) -> None:
        done = subprocess.run(  # noqa: S603 - our own command
            [str(ROOT / "scripts/install-systemd"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
            env={"PATH": os.environ["PATH"]},
        )
        assert done.returncode == 2
        assert told in done.stderr


class TestContainer:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    def test_runs_without_rights(self) -> None:
        assert re.search(r"^USER \d+:\d+$", self.dockerfile, re.MULTILINE)
        assert re.search(r'^HEALTHCHECK .*CMD \["wallbox2mqtt", "health"\]$', self.dockerfile, re.MULTILINE)
        assert 'ENTRYPOINT ["wallbox2mqtt"]' in self.dockerfile

    def test_a_signal_waits_for_its_handler(self) -> None:
        """Of a container's first process: else one that comes in the first moments is lost."""
        (line,) = re.findall(r"^RUN sed -i '1s\|\^#!\|#!(.*) \|' (\S+)$", self.dockerfile, re.MULTILINE)
        assert line == ("/usr/bin/env -S --block-signal=TERM,INT", "/opt/wallbox2mqtt/bin/wallbox2mqtt")

    def test_compiles_nothing(self) -> None:
        assert "--only-binary :all:" in self.dockerfile

    def test_names_its_base_once(self) -> None:
        bases = set(re.findall(r"^FROM (\S+)", self.dockerfile, re.MULTILINE))
        (label,) = re.findall(r'base\.name="docker\.io/library/(\S+)"', self.dockerfile)
        assert bases == {f"{label}${{BASE_DIGEST}}"}
        assert ":latest" not in label

    def test_installs_by_hash(self) -> None:
        assert "--require-hashes --requirement requirements/build.txt" in self.dockerfile
        assert "set -- --require-hashes" in self.dockerfile
        assert '"$@" --requirement requirements/run.txt' in self.dockerfile
        assert "--no-deps --no-build-isolation" in self.dockerfile
        assert "--no-deps --no-index /wheels/*.whl" in self.dockerfile

    def test_only_what_it_needs_goes_in(self) -> None:
        lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        assert "*" in lines
        assert not [line for line in lines if "secret" in line and line.startswith("!")]

    @pytest.mark.parametrize("name", ["wallbox2mqtt", "mosquitto"])
    def test_compose_gives_no_rights(self, name: str) -> None:
        compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))

    def test_compose_needs_nothing_that_engines_refuse(self) -> None:
        """A config with its content in place is refused for a read-only service; ``start_interval`` wants engine 25."""
        compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
        assert "configs" not in compose
        assert all("start_interval" not in service.get("healthcheck", {}) for service in compose["services"].values())
        for service in compose["services"].values():
            mounted = [volume.split(":")[0] for volume in service["volumes"] if volume.startswith("./")]
            assert all((ROOT / path).is_file() for path in mounted)

    def test_compose_names_keys(self) -> None:
        compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
        known = {key.variable for key in KEYS.values()}
        assert compose["services"]["wallbox2mqtt"]["environment"].keys() <= known | {"RUNTIME_DIRECTORY"}
        assert not [one for one in compose["services"]["wallbox2mqtt"]["environment"] if one.endswith("__PASSWORD")]
