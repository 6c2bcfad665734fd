"""A contract in the making: columns are filled in rule by rule; what cannot be carried is noted where it belongs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlci.contract.language.nodes import read
from mlci.contract.learn.write import DIALECT
from mlci.errors import ConfigError, Problem, UsageError


@dataclass
class Draft:
    """Columns with their rules. `nullable` are those that may hold null; types are written without it."""

    properties: dict[str, dict[str, Any]] = field(default_factory=dict)
    required: dict[str, None] = field(default_factory=dict)
    nullable: set[str] = field(default_factory=set)
    keys: list[list[str]] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    closed: bool = False
    about: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def column(self, name: str) -> dict[str, Any]:
        """The rules of a column, to be added to."""
        return self.properties.setdefault(name, {})

    def left(self, column: str, what: str) -> None:
        """Note something that is not carried, on a column or ("") on the whole."""
        self.notes.setdefault(column, []).append(f"not carried: {what}")

    def rule(self, column: str, keyword: str, value: Any) -> None:
        """Add a rule. Where the column has another one of this keyword, the new one is not carried."""
        rules = self.column(column)
        if keyword in rules and rules[keyword] != value:
            self.left(column, f"a second {keyword}, {value!r}")
        else:
            rules[keyword] = value

    def key(self, *columns: str) -> None:
        """No two rows have the same values there."""
        if list(columns) not in self.keys:
            self.keys.append(list(columns))

    def schema(self) -> dict[str, Any]:
        """The contract as plain data."""
        columns = {
            name: _with_null(rules) if name in self.nullable else rules for name, rules in self.properties.items()
        }
        whole: dict[str, Any] = {"$schema": DIALECT, **self.about, "type": "object"}
        whole |= {"required": list(self.required)} if self.required else {}
        whole |= {"additionalProperties": False} if self.closed else {}
        whole |= {"properties": columns, **self.extra}
        keys = self.keys[0] if len(self.keys) == 1 else self.keys
        table = {**({"unique": keys} if keys else {}), **({"rows": self.rows} if self.rows else {})}
        return {**whole, **({"x-table": table} if table else {})}

    def warnings(self) -> list[str]:
        """All notes, with their columns."""
        return [f"{name}: {said}" if name else said for name, notes in self.notes.items() for said in notes]


def _with_null(rules: dict[str, Any]) -> dict[str, Any]:
    """The same rules for a column that may also hold null."""
    out = dict(rules)
    if "type" in out:
        types = [out["type"]] if isinstance(out["type"], str) else list(out["type"])
        out["type"] = [*types, "null"] if "null" not in types else types
    if "const" in out:
        out["enum"] = [out.pop("const")]
    if "enum" in out and None not in out["enum"]:
        out["enum"] = [*out["enum"], None]
    return out


def document(source: str, folder: Path) -> Any:
    """A YAML or JSON file as plain data. Raises ConfigError."""
    return read(folder / source)[0].plain()


def expect(value: Any, kind: type, what: str, source: str) -> Any:
    """The value, if it is of this kind; else the file is not what it is said to be."""
    if isinstance(value, kind):
        return value
    raise ConfigError([Problem(Path(source), 1, 1, f"this is no {what}")])


def chosen(found: dict[str, Any], wanted: str | None, what: str) -> Any:
    """The one of several that is wanted; the only one where none is named."""
    if wanted is None and len(found) == 1:
        return next(iter(found.values()))
    if wanted in found:
        return found[wanted]
    if not found:
        raise UsageError(f"there is no {what} in it", help="is it the right file, and the right tool?")
    names = ", ".join(found)
    said = f"there is no {what} {wanted}" if wanted else f"which {what} is wanted?"
    raise UsageError(said, help=f"--name takes one of: {names}")


NAMED_TYPES = {
    "integer": ("int", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "integer", "long"),
    "number": ("float", "float16", "float32", "float64", "double", "number", "numeric", "decimal", "real", "floating"),
    "string": ("str", "string", "object_", "varchar", "text", "char", "character varying", "string[python]", "uuid"),
    "boolean": ("bool", "boolean", "bool_"),
    "date": ("date", "date32", "date64"),
    "date-time": ("datetime", "timestamp", "datetime64", "datetime64[ns]", "datetime64[us]", "timestamp_ntz"),
    "array": ("list", "array"),
    "object": ("dict", "struct", "map"),
}
_MORE = {
    "bigint": "integer",
    "smallint": "integer",
    "tinyint": "integer",
    "string[pyarrow]": "string",
    "object": "string",
}
_JSON = {alias: name for name, aliases in NAMED_TYPES.items() for alias in aliases} | _MORE


def type_of(named: str) -> dict[str, str] | None:
    """The rules for a type as Python, SQL, numpy or pandas call it; None where it is not known."""
    name = named.lower().split("(", 1)[0].split(",", 1)[0].strip().removeprefix("numpy.").removeprefix("pandas.")
    found = _JSON.get(name)
    if found in ("date", "date-time"):
        return {"type": "string", "format": found}
    return {"type": found} if found else None
