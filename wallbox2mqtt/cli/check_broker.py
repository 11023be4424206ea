"""Tries the broker: whether it can be reached, what the bridge may do there, whether Home Assistant is there."""

import secrets
from collections.abc import Iterator

from wallbox2mqtt.cli.guest import Guest
from wallbox2mqtt.cli.report import Finding, Verdict
from wallbox2mqtt.config import Config
from wallbox2mqtt.history.prices import price_of
from wallbox2mqtt.mqtt import (
    Connected,
    Disconnected,
    Event,
    Limited,
    Message,
    OwnState,
    QuietWait,
    Refused,
    TellsStored,
)
from wallbox2mqtt.mqtt.replay import ACKNOWLEDGE_S, ECHO_S
from wallbox2mqtt.topics import Topics

CONNECT_S, BACK_S = 22.0, 3.0
_TAKE_BACK_S = 3.0
_WHAT = "broker"
_NEXT = (
    ("clock", "set this machine's clock, or renew the broker's certificate"),
    ("set mqtt.host", "use a name that the broker's certificate has"),
    ("mqtt.", "change that in the configuration"),
    ("protocol version", "set mqtt.protocol: 3.1.1"),
    ("user name", "check mqtt.username and mqtt.password"),
    ("authorized", "check mqtt.username and mqtt.password; some brokers also want a certain client id"),
    ("certificate", "name the authority that signed the broker's certificate in mqtt.tls.ca_file"),
    ("secure connection", "is this the broker's port for TLS? It is mostly 8883; else mqtt.tls.enabled: false"),
    ("refused", "is the broker running, and at this port? mqtt.host, mqtt.port"),
    ("name", "mqtt.host is no name that this machine can look up"),
)
_ELSE = "check mqtt.host and mqtt.port, and the network between the two machines"


class BrokerCheck:
    """A broker to try, as a guest, beside the running bridge."""

    def __init__(self, config: Config) -> None:
        """Prepare.

        Raises:
            ConfigError: a certificate file cannot be used.

        """
        self._config, self._topics = config, Topics(config.mqtt.base_topic)
        self._prefix, self._announces = config.home_assistant.prefix, config.home_assistant.discovery != "off"
        self._mark = secrets.token_hex(4)
        self._own = {"bridge": self._topics.bridge("check"), "charger": f"{config.mqtt.base_topic}/0/check"}
        self._announcement = f"{self._prefix}/device/wallbox2mqtt_check_{self._mark}/check"
        self._needed = [*self._topics.command_filters(), self._topics.state, config.home_assistant.births]
        self._needed += [] if config.tariff.topic is None else [config.tariff.topic]
        self._tells_stored: bool | None = None
        self._guest = Guest(
            config.mqtt,
            "check",
            [*self._needed, self._own["charger"], self._announcement, *_shown(self._topics)],
            self._take,
            # retained for a moment, to see whether the broker marks what it has stored
            OwnState(self._topics.bridge("check"), self._mark),
        )
        self.shown: dict[str, str] = {}
        """What has come, by topic; also what a running bridge shows, which some brokers do not mark as stored."""
        self._refused = ""
        self._limits: list[str] = []
        self._given_back = 0
        self.is_connected = False

    def try_out(self) -> Iterator[Finding]:
        """Connect, publish and receive, look for Home Assistant."""
        try:
            event = self._guest.connect(CONNECT_S)
            where = self._config.mqtt.where
            if not isinstance(event, Connected):
                yield _not_connected(where, event, tls=self._config.mqtt.tls.enabled)
                return
            self.is_connected = True
            yield Finding(_WHAT, "ok", f"{where}, MQTT {self._config.mqtt.protocol}, connected")
            yield from self._rights(event)
            yield from (Finding(_WHAT, "warning", limit, "mosquitto does better") for limit in self._limits)
            yield self._stored()
            yield self._wildcards()
            yield self._home_assistant()
            if self._config.tariff.topic is not None:
                yield self._price_of_energy(self._config.tariff.topic)
        finally:
            # taken back, and waited for: else the broker would store our will there
            last = (self._own["bridge"], "") if self.is_connected else None
            self._guest.mqtt.stop(last=last, timeout_s=_TAKE_BACK_S)

    def _take(self, event: Event) -> None:
        if isinstance(event, Refused):
            self._refused = event.reason
        elif isinstance(event, Limited):
            self._limits.append(event.reason)
        elif isinstance(event, TellsStored):
            self._tells_stored = True
        elif isinstance(event, QuietWait):
            self._tells_stored = False
        elif isinstance(event, Message):
            self._given_back += event.retained and event.topic == self._own["bridge"]
            self.shown[event.topic] = event.payload.decode(errors="replace")

    def _rights(self, event: Connected) -> Iterator[Finding]:
        for denied, reason in event.denied.items():
            if denied in self._needed:
                text = f"may not subscribe to {denied}: {reason}"
                yield Finding("rights", "fault", text, "give the bridge's user read rights on it")
        tried = dict.fromkeys(self._own.values(), f"{self._topics.base}/#")
        if self._announces:
            # below the device topics, but not with the last level that announces something
            tried[self._announcement] = f"{self._prefix}/device/#"
        for topic in tried:
            self._guest.mqtt.publish(topic, "" if topic == self._announcement else self._mark, retain=False)
        self._guest.wait(lambda: tried.keys() <= self.shown.keys(), BACK_S)
        for topic, rights in tried.items():
            yield self._right(topic, rights, must_come_back=topic != self._announcement)

    def _right(self, topic: str, rights: str, *, must_come_back: bool) -> Finding:
        """Judge a topic by whether the message came back, and by what the broker said of it (only MQTT 5 says)."""
        verdict: Verdict
        if topic in self.shown:
            return Finding("rights", "ok", f"{topic}: published and received back")
        if self._refused:
            verdict, text = "fault", f"{topic}: may not be published ({self._refused})"
        elif self._config.mqtt.protocol == "5" and not must_come_back:
            return Finding("rights", "ok", f"{topic}: may be published")
        else:
            verdict, text = "fault" if must_come_back else "warning", f"{topic}: published, but it did not come back"
        return Finding("rights", verdict, text, f"give the bridge's user write and read rights on {rights}")

    def _stored(self) -> Finding:
        """Judge whether the broker tells stored commands from live ones."""
        what = "stored commands"
        self._guest.wait(lambda: self._tells_stored is not None, ACKNOWLEDGE_S + ECHO_S)
        if self._config.commands.accept_retained:
            return Finding(what, "ok", "commands.accept_retained: they count when the broker was quiet for 5 s")
        if self._tells_stored:
            return Finding(what, "ok", "the broker marks what it has stored with the retain flag")
        text = "the broker does not mark what it has stored with the retain flag, or may not be asked for it"
        hint = "after each connection commands count only when it was quiet for 5 s; mosquitto does better"
        return Finding(what, "warning", text, hint)

    def _wildcards(self) -> Finding:
        """Judge whether who subscribes with a wildcard gets what is stored."""
        what, before = "stored values", self._given_back
        self._guest.mqtt.listen([f"{self._topics.base}/+/check"])
        self._guest.wait(lambda: self._given_back > before, BACK_S)
        if self._given_back > before:
            return Finding(what, "ok", "given back to who subscribes later, by topic and by wildcard")
        text = "not given back to who subscribes with a wildcard"
        hint = "RabbitMQ is so: consumers have to subscribe to each topic by its name, or see values when they change"
        return Finding(what, "warning", text, hint)

    def _home_assistant(self) -> Finding:
        what = "home assistant"
        if not self._announces:
            return Finding(what, "ok", "home_assistant.discovery is off")
        birth = self._config.home_assistant.births
        if birth in self.shown:
            return Finding(what, "ok", f"seen at {birth}")
        text = f"not seen at {birth}; it tells of itself only when it starts"
        hint = "if entities are missing: does its MQTT integration use this broker, and the discovery prefix"
        return Finding(what, "warning", text, f"{hint} {self._prefix}?")

    def _price_of_energy(self, topic: str) -> Finding:
        what = "price of energy"
        if topic not in self.shown:
            text = f"none at {topic} while this looked; sessions get no cost_real before one comes"
            return Finding(
                what, "warning", text, "let it be published retained, and give the bridge's user read rights"
            )
        if price_of(self.shown[topic].encode()) is None:
            text = f"no number at {topic}: {self.shown[topic][:40]!r}"
            return Finding(what, "fault", text, "publish the price a kWh as a plain number, such as 0.25")
        return Finding(what, "ok", f"{self.shown[topic].strip()} a kWh at {topic}")


def _shown(topics: Topics) -> list[str]:
    """Name the topics by which a running bridge shows its chargers."""
    keys = ("name", "availability", "basic/chargerType", "software/currentVersion")
    return [topics.bridge("info"), *(f"{topics.base}/+/{key}" for key in keys)]


def _not_connected(where: str, event: Disconnected | None, *, tls: bool) -> Finding:
    if event is None:
        hint = "" if tls else "; a port for TLS answers like that: then mqtt.tls.enabled: true"
        return Finding(_WHAT, "fault", f"{where}: no answer within {CONNECT_S:.0f} s", f"{_ELSE}{hint}")
    words = event.reason.lower()
    return Finding(_WHAT, "fault", f"{where}: {event.reason}", next((to for word, to in _NEXT if word in words), _ELSE))
