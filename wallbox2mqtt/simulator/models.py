"""The models: captures as they were recorded, and the differences of the models of which no capture is public.

``tests/fixtures/SOURCES.md`` says where each capture comes from.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from wallbox2mqtt.simulator.paths import Document, Json, drop, has, update
from wallbox2mqtt.simulator.schedule import DAYS


@cache
def capture(name: str) -> Document:
    """Return a recorded document of the package: ``pulsar-plus``, ``pulsar-plus-2026``, ``basic`` or ``groups``."""
    text = (resources.files("wallbox2mqtt.simulator") / "documents" / f"{name}.json").read_text(encoding="utf-8")
    document: dict[str, Json] = json.loads(text)
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model: a capture, what differs from it, and what no document tells.

    ``capacity_kwh``: the battery of the car that is plugged in by default, whose state of charge is reported
    by a model with ``reports_state_of_charge``.
    """

    capture: str
    charger_type: str
    changes: Mapping[str, Json] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    capacity_kwh: float = 60.0
    reports_state_of_charge: bool = False

    @property
    def detail(self) -> Document:
        """The status document."""
        document = capture(self.capture)
        for path in self.missing:
            document = drop(document, path)
        return update(document, self.changes)


OLD = Model(  # captures of 2022 (firmware 5.5.10)
    capture="pulsar-plus",
    charger_type="PulsarPlus",
    changes={
        "config_data.part_number": "PLP1-0-1-2-3-004-C",
        "config_data.software": {"currentVersion": "5.5.10", "latestVersion": "5.5.10", "updateAvailable": False},
        "config_data.plan": {
            "plan_name": "Basic",
            "features": ["DEFAULT_FEATURE", "POWER_BOOST", "MOBILE_CONNECTIVITY", "AUTOMATIC_REPORTING", "STATISTICS"],
        },
        "config_data.operation_mode": "wallbox",
        "config_data.unlock_user_id": None,
        "config_data.home_sharing": 1,
        "config_data.icp_max_current": 16,
        "max_available_power": 20,
        "ocpp_status": 1,
        "power_sharing_status": 256,
    },
    missing=(
        "finished",
        "config_data.ecosmart",
        "config_data.timezone",
        "config_data.contract_charging_available",
        "config_data.energyCost",
    ),
)
QUASAR = Model(  # no capture is public: [?] all but the prefix, the fields and the 32 A
    capture="pulsar-plus-2026",
    charger_type="Quasar",
    changes={
        "config_data.part_number": "QSX1-0-2-4-9-002-E",
        "config_data.software.fileName": "qsx1.tar",
        "preventive_discharge": False,
        "added_range": 0,
        "charging_time": 0,
    },
    capacity_kwh=40.0,
    reports_state_of_charge=True,
)
MODELS: Mapping[str, Model] = {
    "pulsar-plus": Model(capture="pulsar-plus", charger_type="PulsarPlus"),
    "pulsar-plus-2026": Model(capture="pulsar-plus-2026", charger_type="PulsarPlus"),
    "quasar": QUASAR,
    "old": OLD,
}
"""All models by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerSpec:
    """A charger to simulate.

    ``name``: None is the vendor's «<model> SN <id>». ``ocpp``: run by an OCPP back end, as in both captures; else
    the charger obeys. ``changes`` and ``missing``: paths of the status document that differ from the model's.
    ``begin``: moves (word, value) made at the start, on top of the state of the capture. ``past_days``: so many
    days before the start have sessions in the history. ``report_offset_s``: how long after the start it reports for
    the first time, where the settings have it report.
    """

    id: int
    model: str = "pulsar-plus"
    name: str | None = None
    group: str = "Home"
    ocpp: bool = False
    changes: Mapping[str, Json] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    begin: Sequence[tuple[str, Json]] = ()
    past_days: int = 0
    report_offset_s: float = 0.0

    def __post_init__(self) -> None:
        """Check the model and the id."""
        if self.model not in MODELS:
            msg = f"model {self.model!r} is not one of {', '.join(MODELS)}"
            raise ValueError(msg)
        if self.id <= 0:
            msg = f"a charger's id is a positive number, not {self.id}"
            raise ValueError(msg)

    @property
    def uid(self) -> str:
        """The 26 characters that the vendor also knows the charger by."""
        return f"01FZ{self.id:022d}"

    @property
    def detail(self) -> Document:
        """The status document at the start."""
        model = MODELS[self.model]
        name = f"{model.charger_type} SN {self.id}" if self.name is None else self.name
        changes: dict[str, Json] = {
            "name": name,
            "depot_name": self.group,
            "config_data.name": name,
            "config_data.charger_id": self.id,
            "config_data.serial_number": str(self.id),
            "config_data.uid": self.uid,
        }
        if not self.ocpp:
            changes |= {"config_data.operation_mode": "wallbox", "ocpp_status": 1}
        document = update(model.detail, {**changes, **self.changes})
        for path in self.missing:
            document = drop(document, path)
        return document


READY_MOVES: tuple[tuple[str, Json], ...] = (("unplug", None), ("unlock", None))
_SCENES: tuple[tuple[tuple[str, Json], ...], ...] = (
    (*READY_MOVES, ("plug", 22)),
    READY_MOVES,
    (("unplug", None), ("lock", None)),
    (*READY_MOVES, ("plug", 8)),
    (*READY_MOVES, ("plug", 14), ("pause", None)),
    (*READY_MOVES, ("plug", 0)),
)


_FIRST_ID = 900001
_LIVELY_DAYS = 60
_NIGHTS: dict[str, Json] = {
    "id": 0,
    "enable": False,
    "max_current": 16,
    "max_energy": 0,
    "days": dict.fromkeys(DAYS, True),
    "start": "2200",
    "stop": "0430",
}


def fleet(count: int, models: Sequence[str] = tuple(MODELS), *, lively: bool = False) -> tuple[ChargerSpec, ...]:
    """Return so many chargers, the models in turn, all ready, each with its own phase of reports.

    ``lively``: the first charges and the others do this or that, always the same, with sessions in the past, for a
    demo.
    """
    chance = random.Random(1)  # noqa: S311 - variety for the eye, no secret
    return tuple(
        ChargerSpec(
            id=_FIRST_ID + number,
            model=models[number % len(models)],
            group="Home" if number < 8 else f"Site {number // 8}",  # noqa: PLR2004 - some chargers a group
            begin=_lively_moves(number, models[number % len(models)], chance) if lively else READY_MOVES,
            past_days=_LIVELY_DAYS if lively else 0,
            report_offset_s=number * 11 % 30,
        )
        for number in range(count)
    )


def _lively_moves(number: int, model: str, chance: random.Random) -> tuple[tuple[str, Json], ...]:
    scene = _SCENES[0] if number == 0 else chance.choice(_SCENES)
    follows_sun = number == 1 and has(MODELS[model].detail, "config_data.ecosmart")
    schedules: Json = [{**_NIGHTS, "chargerId": _FIRST_ID + number}]
    eco_smart: tuple[tuple[str, Json], ...] = (("set", {"config_data.ecosmart.enabled": True}),) if follows_sun else ()
    return (*scene, *eco_smart, ("schedules", schedules))
