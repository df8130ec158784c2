"""Parses YAML without line numbers: in C, a tenth of the time that the parser with line numbers takes."""

import re
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as _SafeLoader
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader as _SafeLoader

NotQuick = (yaml.YAMLError, ValueError)
"""What ``load_quickly`` raises for a text that the other parser has to judge."""


class _Loader(_SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """As YAML 1.2 has it, `yes` and `off` are text; a repeated key is an error."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        pairs = len(node.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(mapping) != pairs:
            raise ValueError("a key is repeated, or merged from elsewhere")
        return mapping


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if not tag.endswith((":bool", ":int", ":float", ":value"))]
    for first, found in _SafeLoader.yaml_implicit_resolvers.items()
}


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("bool", "^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_resolve("int", "^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789")
_resolve("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$", "-+.0123456789")
# Numbers of other bases and with separators, which the versions of YAML read in different ways, and `=`.
_resolve("unusual", "^(?:[-+]?0[0-9xob_].*|[-+]?[0-9]+_.*|=)$", "-+0123456789=")


def _refuse(_loader: object, node: Any) -> None:
    raise ValueError(f"{node.value} is an unusual scalar")


_Loader.add_constructor("tag:yaml.org,2002:unusual", _refuse)


def load_quickly(text: str) -> Any:
    """Return the values of one YAML document.

    Raises:
        NotQuick: It is not valid, has a repeated key, or something else for the other parser to judge.
    """
    return yaml.load(text, _Loader)  # noqa: S506  a safe loader
