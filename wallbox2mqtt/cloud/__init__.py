"""The cloud: the one home of requests."""

from wallbox2mqtt.cloud.client import Answer, Cloud, SignInLine

__all__ = ["Answer", "Cloud", "SignInLine"]
