"""The status page's files: they need nothing from outside and fit together. Its looks were judged in a browser."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from wallbox2mqtt.catalogue import FIELDS
from wallbox2mqtt.catalogue.statuses import STATUS_TEXTS
from wallbox2mqtt.web.routes import files

STATIC = Path(__file__).parents[2] / "wallbox2mqtt/web/static"
HTML, STYLE, SCRIPT = ((STATIC / name).read_text(encoding="utf-8") for name in ("index.html", "page.css", "page.js"))
OWN = {"index.html": HTML, "page.css": STYLE, "page.js": SCRIPT, "icon.svg": (STATIC / "icon.svg").read_text()}
VENDORED = {"uplot.min.js", "uplot.min.css", "uplot.LICENSE.txt", "uplot.VERSION.txt"}
ROUTES = {"api/status"}
"""Addresses of the page that are no files."""


class Elements(HTMLParser):
    """All elements of the page with their attributes, and the text inside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str]]] = []
        self.inline = ""
        self.feed(HTML)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.all and self.all[-1][0] in {"script", "style"}:
            self.inline += data.strip()

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] for _, attributes in self.all if attribute in attributes]


ELEMENTS = Elements()
IDS = ELEMENTS.values("id")
CLASSES = {name for value in ELEMENTS.values("class") for name in value.split()}


def test_the_files_are_these_and_small() -> None:
    assert {path.name for path in STATIC.iterdir()} == OWN.keys() | VENDORED
    assert sum(len(text) for text in OWN.values()) < 80_000
    assert sum(path.stat().st_size for path in STATIC.iterdir()) < 140_000


def test_all_of_them_are_served() -> None:
    assert files().keys() == {"/", *(f"/static/{name}" for name in OWN.keys() | VENDORED)}


def test_the_fields_that_a_card_shows_are_fields() -> None:
    block = re.search(r"^const VALUES = \[$(.*?)^\];$", SCRIPT, re.MULTILINE | re.DOTALL)
    assert block is not None
    shown = {key for keys in re.findall(r", \[(.*?)\]\],", block[1]) for key in re.findall(r"\"(.*?)\"", keys)}
    assert len(shown) > 8
    assert shown <= FIELDS.keys()


def test_uplot_is_the_version_that_is_told() -> None:
    version = (STATIC / "uplot.VERSION.txt").read_text().strip()
    assert f"(v{version})" in (STATIC / "uplot.min.js").read_text(encoding="utf-8")[:200]
    assert "Permission is hereby granted" in (STATIC / "uplot.LICENSE.txt").read_text()


@pytest.mark.parametrize("name", OWN)
def test_nothing_comes_from_outside(name: str) -> None:
    found = set(re.findall(r"(?:https?:)?//[a-z][^\s\"'`)]*\.[^\s\"'`)]+", OWN[name]))
    assert found <= {"http://www.w3.org/2000/svg"}
    assert "url(" not in OWN[name]
    assert "@import" not in OWN[name]


@pytest.mark.parametrize("address", sorted({*ELEMENTS.values("href"), *ELEMENTS.values("src")}))
def test_an_address_is_relative_and_leads_somewhere(address: str) -> None:
    if address.startswith("#"):
        assert address[1:] in IDS
    elif address not in ROUTES:
        folder, _, name = address.partition("/")
        assert folder == "static"
        assert (STATIC / name).is_file()


def test_the_script_asks_below_its_own_address_only() -> None:
    asked = set(re.findall(r"(?:fetchJson|EventSource)\([\"`]([^\"`?]+)", SCRIPT))
    assert asked == {"api/history", "events"}


def test_nothing_is_inline() -> None:
    assert ELEMENTS.inline == ""
    names = {name for _, attributes in ELEMENTS.all for name in attributes}
    assert not {name for name in names if name == "style" or name.startswith("on")}


@pytest.mark.parametrize(
    "word",
    ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "cssText", '"style"'],
)
def test_no_text_becomes_markup_or_code(word: str) -> None:
    assert word not in SCRIPT


def test_what_the_script_looks_up_is_there() -> None:
    looked_up = set(re.findall(r"(?:\$|link)\(\"([^\"]+)\"", SCRIPT))
    looked_up |= {
        f"{name}-{part}" for name in re.findall(r"fill\(\"(\w+)\"", SCRIPT) for part in ("rows", "table", "empty")
    }
    assert len(looked_up) > 30
    assert looked_up <= set(IDS)
    parts = re.search(r"\[(\"card-name\".*?)\]", SCRIPT)
    assert parts is not None
    assert {name.split(" .")[-1] for name in re.findall(r"\"([^\"]+)\"", parts[1])} <= CLASSES


def test_ids_are_unique_and_references_hold() -> None:
    assert len(IDS) == len(set(IDS))
    for attribute in ("for", "aria-labelledby", "aria-describedby"):
        assert set(ELEMENTS.values(attribute)) <= set(IDS)


def test_each_table_has_a_caption_and_scopes() -> None:
    tags = [tag for tag, _ in ELEMENTS.all]
    assert tags.count("table") == tags.count("caption") > 3
    assert all(attributes.get("scope") == "col" for tag, attributes in ELEMENTS.all if tag == "th")


KINDS = re.findall(r"^  \[\"([^\"]+)\", \"(\w+)\", \"(\w+)\", \"(\w+)\"\],$", SCRIPT, re.MULTILINE)


@pytest.mark.parametrize("text", [text for text in STATUS_TEXTS if text not in {"Offline", "Disconnected", "Unknown"}])
def test_each_status_has_a_look(text: str) -> None:
    found = [kind for kind in KINDS if text.startswith(kind[0])]
    assert found
    _, _, group, icon = found[0]
    assert group in ELEMENTS.values("data-group")
    assert f"icon-{icon}" in IDS


def palettes() -> dict[str, dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    return {
        name: dict(re.findall(r"--([\w-]+): (#\w{6});", text)) for name, text in {"light": light, "dark": dark}.items()
    }


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("palette", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *((text, ground) for text in ("text", "muted", "calm") for ground in ("ground", "surface")),
        *((text, "surface") for text in ("accent", "busy", "bad", "write")),
        *((text, f"{text}-soft") for text in ("accent", "busy", "calm", "bad")),
        ("text", "quiet-soft"),
        ("surface", "text"),
    ],
)
def test_text_stands_out_from_its_ground(palette: str, text: str, ground: str) -> None:
    colours = palettes()[palette]
    one, other = sorted((luminance(colours[text]), luminance(colours[ground])))
    assert (other + 0.05) / (one + 0.05) >= 4.5
