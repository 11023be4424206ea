"""What a read can ask for: one of the cloud's documents, of one charger or of the account."""

import enum
from dataclasses import dataclass

from wallbox2mqtt.bridge.history_reads import Page


class Document(enum.Enum):
    """The documents that the bridge reads."""

    LIST = "list"
    DETAIL = "detail"
    BASIC = "basic"
    SCHEDULES = "schedules"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Target:
    """A document to read; the list has no charger, and only a history has pages."""

    document: Document
    charger_id: int = 0
    page: Page | None = None

    @property
    def is_extra(self) -> bool:
        """Whether it is read seldom, in place of a planned document."""
        return self.document in {Document.SCHEDULES, Document.HISTORY}

    def __str__(self) -> str:
        """Return ``key=value`` pairs for a line of the log."""
        return f"document={self.document.value} charger={self.charger_id}"


LIST = Target(Document.LIST)


class Extra(enum.IntEnum):
    """What may be read in place of a planned document."""

    NOTHING = 0
    COMMANDED = 1
    """What a command waits for."""
    FIRST_HISTORY = 2
    """The first history of a charger, too: without it there is no ``energy_total``."""
    ANYTHING = 3


def details(charger_ids: list[int]) -> list[Target]:
    """Return the status documents of these chargers."""
    return [Target(Document.DETAIL, charger_id) for charger_id in charger_ids]


def basics(charger_ids: list[int]) -> list[Target]:
    """Return the basic documents of these chargers."""
    return [Target(Document.BASIC, charger_id) for charger_id in charger_ids]
