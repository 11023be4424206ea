"""The simulated cloud's endpoints without a wire: the table is whole, and no request makes one fail."""

import json
from base64 import b64encode
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeClock
from wallbox2mqtt.simulator import EMAIL, PASSWORD, ChargerSpec, Settings, Simulator
from wallbox2mqtt.simulator.endpoints import ENDPOINTS, Endpoint
from wallbox2mqtt.simulator.messages import ApiRequest

ONE = 101
ANSWERS = {200, 400, 403, 409}
KEYS = st.sampled_from(
    [
        "locked",
        "maxChargingCurrent",
        "name",
        "energy_price",
        "currency_id",
        "home_sharing",
        "icp_max_current",
        "action",
        "data",
        "attributes",
        "type",
        "enabled",
        "mode",
        "percentage",
        "schedules",
        "id",
        "chargerId",
        "days",
        "start",
        "stop",
        "enable",
        "max_energy",
        "max_current",
        "monday",
        "x",
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-300, 300),
    st.floats(allow_nan=False),
    st.sampled_from(["eco_smart", "1300", "16", ""]),
    st.text(max_size=3),
)
BODIES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=9))
)
PARAMETERS = st.dictionaries(
    st.sampled_from(["charger", "start_date", "end_date", "limit", "offset"]),
    st.one_of(st.integers(-9, 2_000_000_000).map(str), st.sampled_from(["", "x", "1e9", "nan", "inf", "²"])),
)


def signed_in(cloud: Simulator) -> str:
    basic = b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Partner": "wallbox"}
    answer, _, _ = cloud.exchange(ApiRequest("GET", "users/signin", headers))
    token: str = json.loads(answer.body)["data"]["attributes"]["token"]
    return token


@pytest.fixture(scope="module")
def cloud() -> Simulator:
    settings = Settings(reads_per_minute=None, writes_per_minute=None)
    return Simulator(chargers=[ChargerSpec(id=ONE, past_days=9)], clock=FakeClock(), settings=settings)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
@given(body=BODIES, parameters=PARAMETERS)
def test_any_body_is_answered(cloud: Simulator, endpoint: Endpoint, body: object, parameters: dict[str, str]) -> None:
    request = ApiRequest(
        method=endpoint.method,
        path=endpoint.path.replace("{id}", str(ONE)),
        headers={"Authorization": f"Bearer {signed_in(cloud)}"},
        body=json.dumps(body).encode(errors="replace"),
        query=urlencode(parameters, errors="replace"),
    )
    answer, _, _ = cloud.exchange(request)
    assert answer.status in (ANSWERS | {401} if endpoint.is_open else ANSWERS)


def test_no_two_endpoints_share_a_method_and_a_path() -> None:
    assert len({(one.method, one.path) for one in ENDPOINTS}) == len(ENDPOINTS)
