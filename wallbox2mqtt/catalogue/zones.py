"""A charger's own time: people read times as their clock shows them."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from wallbox2mqtt.catalogue.values import Values


def zone_of(view: Values) -> tzinfo:
    """Return the charger's time zone; UTC where it is not known."""
    try:
        return ZoneInfo(str(view.get("timezone")))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def local_time(when: float, now: float, view: Values) -> str:
    """Return a time (seconds since 1970) as «23:00» by the charger's clock, with the day where it is not today."""
    zone = zone_of(view)
    there, today = datetime.fromtimestamp(when, zone), datetime.fromtimestamp(now, zone).date()
    day = "" if there.date() == today else f"{there:%Y-%m-%d} "
    return f"{day}{there:%H:%M}{' UTC' if zone is UTC else ''}"


def offset_min(view: Values, wall: float) -> int:
    """Return the minutes by which the charger's clock is ahead of UTC at a time, in seconds since 1970."""
    ahead = datetime.fromtimestamp(wall, zone_of(view)).utcoffset()
    return 0 if ahead is None else round(ahead.total_seconds() / 60)
