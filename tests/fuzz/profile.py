"""How many examples Hypothesis tries: in ``tests/fuzz`` the same ones each time: a failure is one for everybody.

``WALLBOX2MQTT_FUZZ=10 scripts/test`` tries ten times as many in all tests, other ones each time.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

TIMES = float(os.environ.get("WALLBOX2MQTT_FUZZ", "1"))
EXAMPLES = max(1, int(40 * TIMES))
"""The examples of a test outside ``tests/fuzz``."""

time_limit = pytest.mark.timeout(300 * max(1, TIMES))
"""The limit of a test, of real seconds: ten times as many examples take ten times as long."""


def fuzz(examples: int, *, steps: int = 50, shrinks: bool = True) -> settings:
    """Return the settings of a test that tries so many, of so many steps where it has steps.

    ``shrinks``: whether a failing example is made smaller, which takes minutes where an example takes a second.
    """
    return settings(
        max_examples=int(examples * TIMES),
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        stateful_step_count=steps,
        phases=(Phase.explicit, Phase.generate, *((Phase.shrink,) if shrinks or TIMES != 1 else ())),
    )
