"""The cloud: the one home of requests."""

from wallbox2mqtt.cloud.account import Account
from wallbox2mqtt.cloud.client import CloudClient, CloudResponse

__all__ = ["Account", "CloudClient", "CloudResponse"]
