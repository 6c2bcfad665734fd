"""The value of each keyword, read and checked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Any

from mlci.contract.language.formats import FORMATS
from mlci.contract.language.nodes import Complaints, Node
from mlci.contract.language.pattern import Refused, compile_error, is_small, translate
from mlci.contract.language.predicates import Beyond
from mlci.contract.language.schema import TYPES, Nan, Severity


def read_mapping(node: Node, what: str, complaints: Complaints) -> dict[str, tuple[Node, Node]]:
    """The entries of a mapping; none where it is something else."""
    if isinstance(node.value, dict):
        return node.value
    complaints.add(node, f"expected {what}, as a mapping; found {shown(node)}")
    return {}


def read_boolean(node: Node, complaints: Complaints) -> bool | None:
    """True or false; None where it is neither."""
    if isinstance(node.value, bool):
        return node.value
    complaints.add(node, f"expected true or false; found {shown(node)}")
    return None


def read_severity(node: Node, complaints: Complaints) -> Severity:
    """`error` or `warn`."""
    if node.value in ("error", "warn"):
        return "warn" if node.value == "warn" else "error"
    complaints.add(node, f"expected error or warn; found {shown(node)}")
    return "error"


def read_nan(node: Node, complaints: Complaints) -> Nan:
    """`error`, `null` or `number`."""
    if node.value in ("null", "number"):
        return "null" if node.value == "null" else "number"
    if node.value is None:  # YAML's null is meant
        return "null"
    if node.value != "error":
        complaints.add(node, f"expected error, null or number; found {shown(node)}")
    return "error"


def read_share(node: Node, complaints: Complaints) -> float:
    """A share of the rows: `0.1%` or 0.001."""
    value = node.value
    if isinstance(value, str) and (found := re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?%", value)):
        value = float(found[1]) / 100
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    complaints.add(node, f"expected a share between 0 and 1; found {shown(node)}", "write 0.1% or 0.001")
    return 0.0


def read_names(node: Node, complaints: Complaints) -> tuple[str, ...]:
    """A list of column names, none twice."""
    items = node.value if isinstance(node.value, list) else None
    if items is None:
        complaints.add(node, f"expected a list of column names; found {shown(node)}")
        return ()
    names: list[str] = []
    for item in items:
        if not isinstance(item.value, str):
            complaints.add(item, f"expected a column name; found {shown(item)}")
        elif item.value in names:
            complaints.add(item, f"`{item.value}` is there twice")
        else:
            names.append(item.value)
    return tuple(names)


def read_types(node: Node, complaints: Complaints) -> tuple[str, ...] | None:
    """The types of JSON that are named."""
    items = node.value if isinstance(node.value, list) else [node]
    if not items:
        complaints.add(node, "a list of no types allows nothing")
    types = []
    for item in items:
        if not isinstance(item.value, str) or item.value not in TYPES:
            near = difflib.get_close_matches(str(item.value), TYPES, 1) if item.value is not None else ["null"]
            meant = f'did you mean `"{near[0]}"`? ' if near else ""
            complaints.add(item, f"{shown(item)} is not a type of JSON", f"{meant}types: {', '.join(TYPES)}")
        elif item.value in types:
            complaints.add(item, f"`{item.value}` is there twice")
        else:
            types.append(item.value)
    return tuple(types) or None


def read_number(node: Node, complaints: Complaints) -> int | float | None:
    """A number."""
    if isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return node.value
    complaints.add(node, f"expected a number; found {shown(node)}")
    return None


def read_divisor(node: Node, complaints: Complaints) -> int | float | None:
    """A number above 0; a whole one as an integer."""
    value = read_number(node, complaints)
    if value is not None and value <= 0:
        complaints.add(node, "multipleOf must be more than 0")
        return None
    return int(value) if value is not None and value == int(value) else value


def read_count(node: Node, complaints: Complaints) -> int | None:
    """A whole number, 0 or more."""
    value = node.value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0 and value == int(value):
        return int(value)
    complaints.add(node, f"expected a whole number, 0 or more; found {shown(node)}")
    return None


def read_values(node: Node, complaints: Complaints) -> tuple[Any, ...] | None:
    """The values of `enum`."""
    if isinstance(node.value, list) and (node.value or complaints.lenient):
        return tuple(item.plain() for item in node.value)
    complaints.add(node, f"expected a list of at least one value; found {shown(node)}")
    return None


def read_constant(node: Node, _: Complaints) -> tuple[Any]:
    """The value of `const`."""
    return (node.plain(),)


def read_pattern(node: Node, complaints: Complaints) -> str | Beyond | None:
    """A pattern as RE2. One that RE2 cannot say is refused in a contract, and left to the fallback elsewhere."""
    if not isinstance(node.value, str):
        complaints.add(node, f"expected a regular expression; found {shown(node)}")
        return None
    try:
        translated = translate(node.value)
        why = None if is_small(translated) else compile_error(translated)
    except Refused as error:
        translated, why = "", str(error)
    if why is None:
        return translated
    if complaints.lenient:
        return Beyond(f"pattern {shown(node)}: {why}", "string")
    complaints.add(node, f"this pattern cannot be checked: {why}", "patterns are ECMA-262, run as RE2")
    return None


def read_format(node: Node, complaints: Complaints) -> str | None:
    """The name of a format. An unknown one is refused in a contract; elsewhere it says nothing, by the standard."""
    if node.value in FORMATS:
        return str(node.value)
    if not complaints.lenient:
        near = difflib.get_close_matches(str(node.value), FORMATS, 1)
        meant = f"did you mean `{near[0]}`? " if near else ""
        complaints.add(node, f"{shown(node)} is not a format of JSON Schema", f"{meant}formats: {', '.join(FORMATS)}")
    return None


KEYWORDS: dict[str, Callable[[Node, Complaints], Any]] = {
    "minimum": read_number,
    "maximum": read_number,
    "exclusiveMinimum": read_number,
    "exclusiveMaximum": read_number,
    "multipleOf": read_divisor,
    "enum": read_values,
    "const": read_constant,
    "pattern": read_pattern,
    "minLength": read_count,
    "maxLength": read_count,
    "format": read_format,
}
"""The rules of a column, in the order in which they are reported."""


def shown(node: Node) -> str:
    """A value as a person would write it, on one line."""
    import json

    text = json.dumps(node.plain(), ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"
