"""The bridge's own topics: whether it runs, whether the cloud answers and if not why, how much it was asked."""

import threading

from wallbox2mqtt import __version__
from wallbox2mqtt.bridge.state import Publish
from wallbox2mqtt.catalogue import Json
from wallbox2mqtt.clock import Clock, iso_utc
from wallbox2mqtt.errors import AuthError, CloudError
from wallbox2mqtt.topics import OFFLINE, ONLINE, Topics, to_json

FAILURES_UNTIL_OFFLINE = 3


class BridgeStatus:
    """What the bridge says of itself. Published when changed, and anew after each connect."""

    def __init__(self, topics: Topics, publish: Publish, clock: Clock) -> None:
        self._topics, self._publish, self._clock = topics, publish, clock
        self._lock = threading.RLock()
        self._shown: dict[str, str] = {}
        self._failures = 0
        self._started = clock.monotonic()
        self.started = iso_utc(clock.wall())
        self.last_read: float | None = None
        self.last_contact = self._started
        self._failing_since: float | None = None

    def show(self, name: str, payload: str) -> None:
        """Publish one of the bridge's topics if it changed."""
        with self._lock:
            if self._shown.get(name) != payload:
                self._shown[name] = payload
                self._publish(self._topics.bridge(name), payload)

    def shown(self, name: str) -> str | None:
        """Return what is shown on one of the bridge's topics; None where nothing is yet."""
        with self._lock:
            return self._shown.get(name)

    @property
    def reason(self) -> str | None:
        """The word that is shown for how the cloud is; None before the first answer."""
        return self.shown("cloud_reason")

    def announce(self) -> None:
        """Publish everything anew, but that the bridge runs: the connection says so when it is made."""
        with self._lock:
            for name, payload in self._shown.items():
                self._publish(self._topics.bridge(name), payload)

    def still_here(self) -> None:
        """Correct an ``offline`` that somebody else wrote: an old connection's will, or another program."""
        self._publish(self._topics.state, ONLINE)

    def read_succeeded(self, reason: str = "ok") -> None:
        """Record a good read; ``reason``: what else there is to say of the cloud."""
        with self._lock:
            self._failures, self._failing_since = 0, None
            self.last_read = self.last_contact = self._clock.monotonic()
            self.show("cloud", ONLINE)
            self.show("cloud_reason", reason)
            self.show("last_poll", iso_utc(self._clock.wall()))

    def read_failed(self, error: CloudError) -> None:
        """Record a failed read: three in a row, or a refused sign-in, and the cloud counts as offline."""
        with self._lock:
            limited = error.reason == "rate_limited"
            if not limited:
                self._failures += 1
            self._failing_since = self._failing_since or self._clock.wall()
            if isinstance(error, AuthError) or self._failures >= FAILURES_UNTIL_OFFLINE:
                self.show("cloud", OFFLINE)
            self.show("cloud_reason", error.reason)

    @property
    def cloud_fault(self) -> tuple[str, float] | None:
        """Why the cloud counts as offline, in one word, and since when, in seconds since 1970; None: it does not."""
        with self._lock:
            if self._shown.get("cloud") != OFFLINE:
                return None
            return self.reason or "", self._failing_since or self._clock.wall()

    def answered(self) -> None:
        """Record an answer that is no reading and no fault: of one charger without rights, of an old token."""
        with self._lock:
            self.last_contact = self._clock.monotonic()

    def rate_limited(self) -> None:
        """Record that the cloud refuses reads as too many: it is there all the same."""
        with self._lock:
            self.show("cloud_reason", "rate_limited")

    @property
    def uptime_s(self) -> int:
        """Whole seconds since the start."""
        return int(self._clock.monotonic() - self._started)

    def info(self, **facts: Json) -> None:
        """Publish what the bridge is and how it is set up."""
        self.show("info", to_json({"version": __version__, "started": self.started, **facts}))

    def health(self, **figures: Json) -> None:
        """Publish how the bridge is."""
        self.show("health", to_json({"uptime_s": self.uptime_s, **figures}))
