"""The configuration: a YAML file and the environment, made into frozen structs. The one home of PyYAML."""

from wallbox2mqtt.config.load import Given, find, load, runtime_dir, service_links, state_dir
from wallbox2mqtt.config.model import (
    CommandsConfig,
    Config,
    HomeAssistantConfig,
    LogConfig,
    MqttConfig,
    TariffConfig,
    TlsConfig,
    WallboxConfig,
    WebConfig,
)
from wallbox2mqtt.config.password_file import PasswordFile
from wallbox2mqtt.config.schema import schema
from wallbox2mqtt.config.secret import Secret

__all__ = [
    "CommandsConfig",
    "Config",
    "Given",
    "HomeAssistantConfig",
    "LogConfig",
    "MqttConfig",
    "PasswordFile",
    "Secret",
    "TariffConfig",
    "TlsConfig",
    "WallboxConfig",
    "WebConfig",
    "find",
    "load",
    "runtime_dir",
    "schema",
    "service_links",
    "state_dir",
]
