"""The numbers of a charger's states as public clients know them, with the texts of the API document."""

from collections.abc import Mapping

TEXTS: Mapping[int, str] = {
    0: "Disconnected",
    4: "Completed",
    5: "Offline",
    14: "Error",
    15: "Error",
    161: "Ready",
    162: "Ready",
    163: "Disconnected",
    164: "Waiting",
    165: "Locked",
    166: "Updating",
    177: "Scheduled",
    178: "Paused",
    179: "Scheduled",
    180: "Waiting for car demand",
    181: "Waiting for car demand",
    182: "Paused",
    183: "Waiting in queue by Power Sharing",
    184: "Waiting in queue by Power Sharing",
    185: "Waiting in queue by Power Boost",
    186: "Waiting in queue by Power Boost",
    187: "Waiting MID failed",
    188: "Waiting MID safety margin exceeded",
    189: "Waiting in queue by Eco-Smart",
    193: "Charging",
    194: "Charging",
    195: "Charging",
    196: "Discharging",
    209: "Locked",
    210: "Locked - Car connected",
}
WITH_CAR = frozenset({164, *range(177, 190), 193, 194, 195, 196, 210})
"""A car is connected."""
