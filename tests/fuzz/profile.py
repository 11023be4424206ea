"""How the fuzzing runs: the same examples each time, so that a failure is one for everybody.

``WALLBOX2MQTT_FUZZ=10 scripts/test tests/fuzz`` tries ten times as many, other ones each time.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

_TIMES = float(os.environ.get("WALLBOX2MQTT_FUZZ", "1"))

patience = pytest.mark.timeout(120 * max(1, _TIMES))
"""The limit of a test, of real seconds: ten times as many examples take ten times as long."""


def fuzz(examples: int, *, steps: int = 50, shrinks: bool = True) -> settings:
    """Give the settings of a test that tries so many, of so many steps where it has steps.

    ``shrinks``: whether a failing example is made smaller, which takes minutes where an example takes a second.
    """
    return settings(
        max_examples=int(examples * _TIMES),
        derandomize=_TIMES == 1,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        stateful_step_count=steps,
        phases=(Phase.explicit, Phase.generate, *((Phase.shrink,) if shrinks or _TIMES != 1 else ())),
    )
