"""YAML as the configuration needs it: values as they were written, no doubled keys, no file content in error texts.

YAML itself would read ``012`` in base 8, ``12:34`` in base 60 and ``no`` as a boolean. Here the key decides what a
value is.
"""

import re
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"


class Quoted(str):
    """A text that was in quotes: it is never a number or a boolean."""

    __slots__ = ()


class YamlError(ValueError):
    """Raised when a text is not acceptable YAML; says where and why, without quoting the text."""


def parse(text: str) -> object:
    """Decode one YAML document: mappings, lists, None, and text; ``Quoted`` where it stood in quotes.

    Raises:
        YamlError: the text is not YAML, has a key twice, or uses tags.
    """
    problem = ""
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        problem = _describe(error)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"line {line}: a character that YAML does not allow"
    # Outside the handlers, so that the library's error, which quotes the line, is no context of ours.
    raise YamlError(problem)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag == f"{_TAG}null"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 - PyYAML's own signature
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # a list or a mapping is no key: construct_mapping says so
            if key.value in lines:
                problem = f"the key {key.value} stands already in line {lines[key.value]}"
                raise yaml.composer.ComposerError(None, None, problem, key.start_mark)
            lines[key.value] = key.start_mark.line + 1
        return node

    def construct_scalar_text(self, node: yaml.ScalarNode) -> str:
        text = str(self.construct_scalar(node))
        return Quoted(text) if node.style in {"'", '"'} else text


# Explicit tags, such as !!int or !secret, have no constructor.
_Loader.yaml_constructors = {
    tag: constructor
    for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.removeprefix(_TAG) in {"null", "seq", "map"}
} | {f"{_TAG}str": _Loader.construct_scalar_text}


def _describe(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    found = error.problem or "not YAML"
    problem = re.sub(r"""(['"]).*?\1""", _mask, found)
    if "'\\t'" in found:
        advice = "YAML is indented with blanks, not with tabs"
    elif "tag '!secret'" in found:
        advice = "!secret is Home Assistant's own; here a password can stand in a file, which password_file names"
    else:
        advice = "a text with special characters needs quotes"
    return f"{place}{problem} ({advice})"


def _mask(quotation: re.Match[str]) -> str:
    """Hide what PyYAML quotes from the text, such as an alias: an unquoted password may look like one."""
    is_token = re.fullmatch(r"""(['"])(<.+>|\W)\1""", quotation[0])
    return quotation[0] if is_token else "…"
