"""The keys of the configuration, as frozen structs. Each key is defined here, and nowhere else.

Its type says what is accepted, its ``Meta`` what it means; variable names, error texts and the JSON schema are worked
out from these.
"""

import secrets
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field, structs

from wallbox2mqtt.config.secret import Secret
from wallbox2mqtt.config.texts import (
    Addresses,
    Alpn,
    BaseTopic,
    ChargerIds,
    Email,
    Hosts,
    Listen,
    MqttText,
    Port,
    Positive,
    PriceTopic,
    Url,
    UrlPath,
    broker_of,
    listen_address,
)


class WallboxConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The account at the vendor's cloud, and how often it may be asked."""

    email: Annotated[Email, Meta(description="E-mail address of the Wallbox account.")]
    password: Annotated[Secret, Meta(description="Password of the account; or use password_file.")]
    password_file: Annotated[Path | None, Meta(description="File that holds the password, instead of password.")] = None
    chargers: Annotated[
        ChargerIds, Meta(description="Ids of the chargers to serve; empty for all of the account.")
    ] = ()
    sign_in: Annotated[
        Literal["auto", "modern", "legacy"],
        Meta(description="How to sign in; auto tries the modern way first and remembers what worked."),
    ] = "auto"
    poll_interval: Annotated[
        Positive, Meta(description="Seconds between two reads, as far as reads_per_minute allows.")
    ] = 20
    reads_per_minute: Annotated[
        Positive | Literal["auto"],
        Meta(
            description="Reads of the cloud in any 60 s, at most; auto finds out whether the account allows 1, 2 or 3.",
            extra={"accepts": "auto or a number above 0"},
        ),
    ] = "auto"
    writes_per_minute: Annotated[Positive, Meta(description="Writes to the cloud in any 60 s, at most.")] = 5
    status_writes_per_minute: Annotated[
        int, Meta(ge=0, le=3, description="How many of the writes may be spent on extra status reads; 0 for none.")
    ] = 1
    timeout: Annotated[Positive, Meta(description="Seconds for a whole request to the cloud.")] = 10
    api_url: Annotated[Url, Meta(description="Address of the cloud's API.")] = "https://api.wall-box.com"
    user_api_url: Annotated[Url, Meta(description="Address of the cloud's modern sign-in.")] = (
        "https://user-api.wall-box.com"
    )

    @property
    def account(self) -> str:
        """What tells accounts apart, for the names of their files."""
        return f"{self.email} {self.api_url} {self.user_api_url}"


class TlsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Encryption on the way to the broker."""

    enabled: Annotated[bool, Meta(description="Encrypt; the port is then mostly 8883.")] = False
    ca_file: Annotated[Path | None, Meta(description="Certificates to trust (PEM); null for the system's.")] = None
    cert_file: Annotated[Path | None, Meta(description="Client certificate (PEM); goes with key_file.")] = None
    key_file: Annotated[Path | None, Meta(description="Key of the client certificate (PEM), not encrypted.")] = None
    verify: Annotated[bool, Meta(description="Check the broker's certificate and name; false is for tests.")] = True
    alpn: Annotated[
        Alpn | None,
        Meta(description="Protocols to offer (ALPN), for brokers that share port 443; null for none."),
    ] = None


class MqttConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The broker, and how the bridge presents itself there."""

    host: Annotated[
        Hosts,
        Meta(description="Name or address of the broker; several as a list, each with :port where it is another."),
    ] = "localhost"
    port: Annotated[Port, Meta(description="Port of the broker.")] = 1883
    username: Annotated[MqttText | None, Meta(description="User name at the broker; null for none.")] = None
    password: Annotated[Secret | None, Meta(description="Password at the broker; or use password_file.")] = None
    password_file: Annotated[Path | None, Meta(description="File that holds the password, instead of password.")] = None
    client_id: Annotated[
        MqttText, Meta(description="Client id; two bridges on one broker need two ids and two base topics.")
    ] = "wallbox2mqtt"
    base_topic: Annotated[BaseTopic, Meta(description="Beginning of all topics of the bridge.")] = "wallbox"
    protocol: Annotated[Literal["5", "3.1.1"], Meta(description="Version of MQTT.")] = "5"
    transport: Annotated[Literal["tcp", "websockets"], Meta(description="Transport of MQTT.")] = "tcp"
    websocket_path: Annotated[UrlPath, Meta(description="Path on the broker, with transport websockets.")] = "/mqtt"
    keepalive: Annotated[
        int, Meta(ge=1, le=65_535, description="Seconds of silence after which the two sides check on each other.")
    ] = 30
    tls: TlsConfig = field(default_factory=TlsConfig)

    @property
    def brokers(self) -> tuple[tuple[str, int], ...]:
        """Host and port of each broker, in the order in which they are tried."""
        return tuple(broker_of(text.strip(), self.port) for text in str(self.host).split(","))

    @property
    def where(self) -> str:
        """The brokers, for people."""
        return ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.brokers)

    def for_guest(self, word: str) -> "MqttConfig":
        """Return the configuration of a client beside the bridge, with an id of its own."""
        return structs.replace(self, client_id=f"{self.client_id}-{word}-{secrets.token_hex(3)}")


class HomeAssistantConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How chargers are announced to Home Assistant."""

    discovery: Annotated[
        Literal["device", "entity", "off"],
        Meta(description="One announcement for each device, or for each entity (openHAB before 5.2), or off."),
    ] = "device"
    language: Annotated[
        Literal["en", "de", "es", "fr", "it", "nl"],
        Meta(description="Language of names, options and status texts in Home Assistant; topics stay as they are."),
    ] = "en"
    times_as: Annotated[
        Literal["time", "text"],
        Meta(description="Platform of a schedule's times; text for Home Assistant before 2026.5, which refuses time."),
    ] = "time"
    prefix: Annotated[BaseTopic, Meta(description="Home Assistant's discovery prefix.")] = "homeassistant"
    birth_topic: Annotated[
        BaseTopic | None, Meta(description="Where Home Assistant says that it has started; null for <prefix>/status.")
    ] = None
    birth_payload: Annotated[MqttText, Meta(description="What it says there.")] = "online"

    @property
    def births(self) -> str:
        """The topic on which Home Assistant says that it has started."""
        return self.birth_topic or f"{self.prefix}/status"


class CommandsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which commands are accepted, and for how long they are valid."""

    allow_factory_reset: Annotated[bool, Meta(description="Accept the action factory_reset.")] = False
    unlock_before_resume: Annotated[
        bool, Meta(description="Unlock a locked charger before charging is resumed: two writes, one result.")
    ] = False
    accept_retained: Annotated[
        bool, Meta(description="Accept retained commands, for brokers that retain everything.")
    ] = False
    settle_s: Annotated[
        float, Meta(ge=0, description="Seconds in which the cloud may still show the old value after a command.")
    ] = 45
    max_age_s: Annotated[Positive, Meta(description="Seconds after which a waiting command has failed.")] = 120


class TariffConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What energy really costs."""

    topic: Annotated[
        PriceTopic | None, Meta(description="Any topic with the price per kWh from the grid; null for none.")
    ] = None
    solar_price: Annotated[float, Meta(description="Price per kWh from the sun.")] = 0


class WebConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The optional port for people, probes and metrics."""

    listen: Annotated[
        Listen | None,
        Meta(description="Address and port of the status page, the probes and the metrics; null for none."),
    ] = None
    clients: Annotated[Addresses, Meta(description="Addresses that may connect; empty for all.")] = ()

    @property
    def address(self) -> tuple[str, int] | None:
        """Host (empty: all addresses) and port; None where nothing listens."""
        return None if self.listen is None else listen_address(self.listen)


class LogConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged, and where."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Lowest level that is logged.")] = (
        "info"
    )
    mqtt: Annotated[bool, Meta(description="Log to <base_topic>/bridge/log as well.")] = False


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration. Lengths of time are seconds."""

    wallbox: WallboxConfig
    mqtt: MqttConfig = field(default_factory=MqttConfig)
    home_assistant: HomeAssistantConfig = field(default_factory=HomeAssistantConfig)
    commands: CommandsConfig = field(default_factory=CommandsConfig)
    tariff: TariffConfig = field(default_factory=TariffConfig)
    web: WebConfig = field(default_factory=WebConfig)
    standby: Annotated[
        bool,
        Meta(
            description="Wait while another bridge of this account and base topic works; each needs its own client_id."
        ),
    ] = False
    log: LogConfig = field(default_factory=LogConfig)
    state_dir: Annotated[
        Path | None,
        Meta(description="Directory of tokens and counters; null for $STATE_DIRECTORY or ~/.local/state/wallbox2mqtt."),
    ] = None
