"""Which keys each document of a charger has had: kept in ``state_dir``, because their topics outlive the process.

A field that goes while the bridge does not run would else keep its last value for good.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from wallbox2mqtt.catalogue import FIELDS, Json
from wallbox2mqtt.catalogue.quantities import is_charger_id
from wallbox2mqtt.cloud.documents import LONGEST_KEY
from wallbox2mqtt.storage import Storage

MAX_FIELDS = 1000
"""Fields of one charger; known documents have 150. A cloud that makes up new keys each time must not eat the memory."""
_FILE = "fields"
_ID = re.compile("[1-9][0-9]{0,18}")


class KeptKeys:
    """The keys by charger and document. Without a store they are known for as long as the process runs."""

    def __init__(self, store: Storage | None) -> None:
        """Restore what the last run knew."""
        self._storage = store
        self._keys: dict[int, dict[str, frozenset[str]]] = {} if store is None else _restored(store.read(_FILE))

    def of(self, charger_id: int) -> Mapping[str, frozenset[str]]:
        """Return a charger's keys by document."""
        return self._keys.get(charger_id, {})

    def all_of(self, charger_id: int) -> frozenset[str]:
        """Return a charger's keys of all documents."""
        return frozenset[str]().union(*self.of(charger_id).values())

    @property
    def chargers(self) -> list[int]:
        """The chargers of which there are keys."""
        return list(self._keys)

    def put(self, charger_id: int, document: str, keys: frozenset[str]) -> None:
        """Record all keys that a document of a charger has had; written down when they changed."""
        kept = self._keys.setdefault(charger_id, {})
        if kept.get(document) != keys:
            # chargers of a kind have the same keys: in memory as in the file each set is there once
            kept[document] = next(
                (one for documents in self._keys.values() for one in documents.values() if one == keys), keys
            )
            self._write()

    def forget(self, charger_id: int) -> None:
        """Let go of a charger."""
        if self._keys.pop(charger_id, None) is not None:
            self._write()

    def _write(self) -> None:
        if self._storage is None:
            return
        # chargers of a kind have the same keys: each set is written once
        sets: dict[frozenset[str], int] = {}
        chargers: dict[str, Json] = {
            str(charger): {document: sets.setdefault(keys, len(sets)) for document, keys in documents.items()}
            for charger, documents in self._keys.items()
        }
        self._storage.write(_FILE, {"sets": [list[Json](sorted(keys)) for keys in sets], "chargers": chargers})


def _restored(kept: dict[str, Json]) -> dict[int, dict[str, frozenset[str]]]:
    sets, chargers = kept.get("sets"), kept.get("chargers")
    known = [_keys(one) for one in sets] if isinstance(sets, list) else []
    found: dict[int, dict[str, frozenset[str]]] = {}
    for charger, documents in chargers.items() if isinstance(chargers, dict) else ():
        if isinstance(documents, dict) and _ID.fullmatch(charger) and is_charger_id(int(charger)):
            found[int(charger)] = {
                document: known[at]
                for document, at in documents.items()
                if isinstance(at, int) and not isinstance(at, bool) and 0 <= at < len(known)
            }
    return found


def _keys(kept: Json) -> frozenset[str]:
    """Return a set of keys as it was kept, without more than any charger has."""
    keys = [key for key in kept if isinstance(key, str) and len(key) <= LONGEST_KEY] if isinstance(kept, list) else []
    unknown = [key for key in keys if key not in FIELDS]
    return frozenset(keys) - frozenset(unknown[MAX_FIELDS:])


def admit_keys(values: Mapping[str, Json], known: AbstractSet[str]) -> dict[str, Json]:
    """Leave out two kinds of unknown keys: an object that became null, and more than any charger has.

    ``known``: the charger's keys, those of earlier runs too, or each restart would make room for as many new ones.
    """
    new = {key for key in values if key not in known and key not in FIELDS}
    if not new:
        return dict(values)
    parents = {key[:end] for key in known for end, sign in enumerate(key) if sign == "/"}
    refused = {key for key in new if values[key] is None and key in parents}
    room = max(0, MAX_FIELDS - len(known))
    candidates = new - refused
    refused |= set([key for key in values if key in candidates][room:])
    return {key: value for key, value in values.items() if key not in refused}
