"""YAML as the configuration wants it: no doubled keys, no surprises of type, no file content in error texts."""

import re
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"


class YamlError(ValueError):
    """Raised when a text is not acceptable YAML; says where and why, without quoting the text."""


def parse(text: str) -> object:
    """Decode one YAML document of plain values, lists and mappings.

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
    # A bare date stays text: where text is wanted it is meant so, and a wrong one makes PyYAML crash.
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag != f"{_TAG}timestamp"]
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

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - PyYAML's own
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError):  # from int() and its like, as of 0x_ or an explicit tag; the text is in it
            problem = "this is no proper value"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


# Without sets, dates, binaries and objects: what is left is what the keys can take.
_Loader.yaml_constructors = {
    tag: constructor
    for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.removeprefix(_TAG) in {"null", "bool", "int", "float", "str", "seq", "map"}
}


def _describe(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = re.sub(r"""(['"]).*?\1""", _mask, error.problem or "not YAML")
    return f"{place}{problem} (a text with special characters needs quotes)"


def _mask(quotation: re.Match[str]) -> str:
    """Hide what PyYAML quotes from the text, such as an alias: an unquoted password may look like one."""
    is_token = re.fullmatch(r"""(['"])(<.+>|\W)\1""", quotation[0])
    return quotation[0] if is_token else "…"
