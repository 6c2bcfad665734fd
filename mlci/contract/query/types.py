"""The names of DuckDB's nested types, taken apart: `STRUCT(a INTEGER, "b c" VARCHAR[])`, `MAP(VARCHAR, DOUBLE)`."""

from __future__ import annotations

import re

_NAME = re.compile(r'"((?:[^"]|"")*)"|[^\s"]+')


def element(sql_type: str) -> str:
    """The type of the elements of a list (`INTEGER[]`) or an array (`INTEGER[3]`)."""
    return sql_type[: sql_type.rindex("[")]


def members(sql_type: str) -> dict[str, str]:
    """The members of a STRUCT, and their types."""
    found: dict[str, str] = {}
    for part in _parts(sql_type):
        name = _NAME.match(part)
        assert name, sql_type
        plain = name[1].replace('""', '"') if name[1] is not None else name[0]
        found[plain] = part[name.end() :].strip()
    return found


def key_and_value(sql_type: str) -> tuple[str, str]:
    """The types of a MAP."""
    key, value = _parts(sql_type)
    return key, value


def _parts(sql_type: str) -> list[str]:
    """What stands between the outer parentheses, at each comma that is not inside others."""
    inner = sql_type[sql_type.index("(") + 1 : sql_type.rindex(")")]
    parts, depth, quoted = [""], 0, ""
    for char in inner:
        if char in "\"'" and quoted in ("", char):
            quoted = "" if quoted else char
        depth += 0 if quoted else (char == "(") - (char == ")")
        if char == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]
