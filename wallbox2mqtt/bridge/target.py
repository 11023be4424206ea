"""What a read can ask for: one of the cloud's documents, of one charger or of the account."""

import enum
from dataclasses import dataclass


class Document(enum.Enum):
    """The documents that the bridge reads."""

    LIST = "list"
    DETAIL = "detail"
    BASIC = "basic"


@dataclass(frozen=True, slots=True)
class Target:
    """A document to read; the list has no charger."""

    document: Document
    charger_id: int = 0

    def __str__(self) -> str:
        """Return ``key=value`` pairs for a line of the log."""
        return f"document={self.document.value} charger={self.charger_id}"


LIST = Target(Document.LIST)


def details(charger_ids: list[int]) -> list[Target]:
    """Return the status documents of these chargers."""
    return [Target(Document.DETAIL, charger_id) for charger_id in charger_ids]


def basics(charger_ids: list[int]) -> list[Target]:
    """Return the basic documents of these chargers."""
    return [Target(Document.BASIC, charger_id) for charger_id in charger_ids]
