"""The catalogue: one row for each field and command, from which everything else is worked out."""

from wallbox2mqtt.catalogue.field import CONFIG, Button, Command, Field
from wallbox2mqtt.catalogue.parsing import Intent, parse, request_of
from wallbox2mqtt.catalogue.payloads import MAX_PAYLOAD_BYTES, Name, range_of, read_payload
from wallbox2mqtt.catalogue.quantities import Json, Quantity, Scalar, Shape
from wallbox2mqtt.catalogue.rows import CONFIG_FIELDS, FIELDS, LONGEST_PAYLOAD_BYTES
from wallbox2mqtt.catalogue.statuses import OUT_OF_TOUCH, STATUS_TEXTS, STATUSES, status_of
from wallbox2mqtt.catalogue.values import FirstValues, NotReadYetError, Values, is_quasar

__all__ = [
    "CONFIG",
    "CONFIG_FIELDS",
    "FIELDS",
    "LONGEST_PAYLOAD_BYTES",
    "MAX_PAYLOAD_BYTES",
    "OUT_OF_TOUCH",
    "STATUSES",
    "STATUS_TEXTS",
    "Button",
    "Command",
    "Field",
    "FirstValues",
    "Intent",
    "Json",
    "Name",
    "NotReadYetError",
    "Quantity",
    "Scalar",
    "Shape",
    "Values",
    "is_quasar",
    "parse",
    "range_of",
    "read_payload",
    "request_of",
    "status_of",
]
