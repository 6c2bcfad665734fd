"""The reference page of mlci.yaml as Markdown, from the JSON Schema: docs/config.md is what this writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlci.config.schema import schema

_HEAD = """\
# mlci.yaml

Made from the types in `mlci/config` by `mlci schema --format md`. Everything but `version` and `project` may
be left out. The same as a JSON Schema, for completion in an editor: `mlci schema > mlci.schema.json`, and as the first
line of mlci.yaml `# yaml-language-server: $schema=mlci.schema.json`.
"""


def reference() -> str:
    """The whole page."""
    whole = schema()
    lines = [_HEAD, *_table(whole)]
    for name, section in whole["$defs"].items():
        lines += ["", f"## {name}", "", section["description"], "", *_table(section)]
    return "\n".join(lines) + "\n"


def _table(section: dict[str, Any]) -> Iterator[str]:
    yield "| key | value | | |"
    yield "|---|---|---|---|"
    for name, key in section["properties"].items():
        when = "required" if name in section["required"] else _default(key)
        yield f"| `{name}` | {_type(key)} | {_cell(key['description'])} | {when} |"


def _type(of: dict[str, Any]) -> str:
    if "$ref" in of:
        name = of["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in of:
        return " or ".join(_type(choice) for choice in of["anyOf"])
    if "enum" in of:
        return ", ".join(f"`{word}`" for word in of["enum"] if word is not None)
    if "additionalProperties" in of:
        return f"names → {_type(of['additionalProperties'])}"
    names = [of["type"]] if isinstance(of["type"], str) else of["type"]
    lists = {"array": f"list of {_type(of['items'])}"} if "items" in of else {}
    return " or ".join(lists.get(name, name) for name in names if name != "null")


def _default(key: dict[str, Any]) -> str:
    return f"`{key['default']}`" if "default" in key else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
