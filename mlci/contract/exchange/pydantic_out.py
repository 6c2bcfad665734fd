"""To Pydantic: the source of a model class for the rows that a server takes, so that it refuses what training refused.

Types are strict: "1" is no number and true is not 1, as in JSON Schema; `1.0` is no `int`, which is stricter.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping
from math import ceil, floor
from typing import Any

from mlci.contract.change.diff import ANNOTATIONS
from mlci.contract.change.inline import inline
from mlci.contract.language.pattern import Refused, translate

_FIELDS = {
    "number": {
        "minimum": "ge",
        "maximum": "le",
        "exclusiveMinimum": "gt",
        "exclusiveMaximum": "lt",
        "multipleOf": "multiple_of",
    },
    "string": {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern", "format": ""},
    "array": {"minItems": "min_length", "maxItems": "max_length", "items": ""},
    "object": {},
    "boolean": {},
}
_FIELDS["integer"] = _FIELDS["number"]
_WHOLE = {"minimum": ceil, "maximum": floor, "exclusiveMinimum": floor, "exclusiveMaximum": ceil}
"""Which whole number says the same of whole numbers."""
_PYTHON = {"integer": "int", "number": "float", "string": "str", "boolean": "bool", "object": "dict[str, Any]"}
_ALL = ("null", "boolean", "number", "string", "array", "object")
_FORMATS = {"date": "Date", "date-time": "Instant"}
_HELPERS = {
    "Date": """
def _date(text: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("not a date, as in 2013-01-31")
    date.fromisoformat(text)
    return text


Date = AfterValidator(_date)
""",
    "_one_of": """
def _one_of(*values: Any) -> AfterValidator:
    def check(value: Any) -> Any:
        if not any(isinstance(value, bool) is isinstance(one, bool) and value == one for one in values):
            raise ValueError(f"not one of {values}")
        return value

    return AfterValidator(check)
""",
    "Instant": """
def _instant(text: str) -> str:
    if not re.fullmatch(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]+)?"
        r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])",
        text,
    ):
        raise ValueError("not a date and time with an offset, as in 2013-01-31T12:00:00Z")
    date.fromisoformat(text[:10])
    return text


Instant = AfterValidator(_instant)
""",
}
_KNOWN = {"type", "enum", "const", "properties", "required", "additionalProperties"}


def write(schema: dict[str, Any], name: str) -> tuple[str, list[str]]:
    """The source of a module with the class `Row`, and what of the contract it does not check."""
    whole, left = inline(schema), list[str]()
    fields, helpers = list[str](), set[str]()
    required = whole.get("required", [])
    columns = {**whole.get("properties", {}), **{n: {} for n in required if n not in whole.get("properties", {})}}
    taken = set[str]()
    for column, rules in columns.items():
        said = list[str]()
        kind = _annotation(rules, said, helpers)
        field = _field_name(column, taken)
        fields += [f"    # not checked: {_comment(text)}" for text in said]
        left += [f"{column}: not carried: {text}" for text in said]
        alias = [f"alias={_text(column)}"] if field != column else []
        default = ["default=None"] if column not in required else []
        about = rules.get("description") if isinstance(rules, dict) else None
        described = [f"description={_text(str(about))}"] if about else []
        inside = ", ".join([*default, *alias, *described])
        fields.append(f"    {field}: {kind}" + (f" = Field({inside})" if inside else ""))
    others = [k for k in whole if k not in _KNOWN | ANNOTATIONS]
    left += [f"not carried: {k}" for k in others]
    extra = whole.get("additionalProperties", True)
    if not isinstance(extra, bool):
        left.append("not carried: additionalProperties, but that they may be there")
    return _module(str(whole.get("title", name)), fields, helpers, closed=extra is False, others=others), left


def _module(title: str, fields: list[str], helpers: set[str], *, closed: bool, others: list[str]) -> str:
    body = "\n".join(fields) if fields else "    pass"
    imports = "import re\nfrom datetime import date\n" if helpers - {"_one_of"} else ""
    after = "AfterValidator, " if helpers else ""
    unchecked = "".join(f"    # not checked: {_comment(k)}\n" for k in others)
    return (
        f'"""{_comment(title).replace(chr(92), " ").replace(chr(34), chr(39))}.\n\n'
        'Made by `mlci contract export --to pydantic`: change the contract, and make it again.\n"""\n\n'
        f"{imports}from typing import Annotated, Any, Literal\n\n"
        f"from pydantic import {after}BaseModel, ConfigDict, Field\n"
        f"{''.join(_HELPERS[helper] for helper in sorted(helpers))}\n\n"
        'class Row(BaseModel):\n    """One row."""\n\n'
        f"    model_config = ConfigDict(extra={_text('forbid' if closed else 'allow')}, protected_namespaces=())\n"
        f"{unchecked}\n{body}\n"
    )


def _annotation(rules: Any, left: list[str], helpers: set[str]) -> str:
    """The Python type of a column, with what Pydantic checks of it; the rest is added to `left`."""
    if not isinstance(rules, dict):
        left.extend(["false"] if rules is False else [])
        return "Any"
    given = rules.get("type", list(_ALL))
    types = [given] if isinstance(given, str) else list(given)
    listed = rules.get("enum", [rules["const"]] if "const" in rules else None)
    checked = rules.keys() & {name for fields in _FIELDS.values() for name in fields}
    others = [name for name in rules if name not in _KNOWN | ANNOTATIONS | checked]
    others += [name for name in rules if name in ("properties", "required", "additionalProperties")]
    left += [f"{name} {json.dumps(rules[name], ensure_ascii=False)}" for name in others]
    python = "Any"
    if "type" in rules or checked:
        python = " | ".join(dict.fromkeys(_one(kind, rules, left, helpers) for kind in types))
    if listed is None:
        return python
    values = [value for value in listed if isinstance(value, (str, int, float, type(None))) and _is_of(value, types)]
    if not values or any(isinstance(value, (list, dict)) for value in listed):
        left.append(f"enum {json.dumps(listed, ensure_ascii=False)}")
        return python
    if not checked and all(value is None or isinstance(value, str) for value in values):
        return f"Literal[{', '.join(map(repr, values))}]"
    helpers.add("_one_of")  # Pydantic takes true for a literal 1
    return f"Annotated[{python}, _one_of({', '.join(map(repr, values))})]"


def _is_of(value: Any, types: list[str]) -> bool:
    kind = {bool: "boolean", str: "string", int: "integer", float: "number", type(None): "null"}[type(value)]
    whole = kind == "number" and value == int(value)
    return kind in types or (kind == "integer" and "number" in types) or (whole and "integer" in types)


def _one(kind: str, rules: Mapping[str, Any], left: list[str], helpers: set[str]) -> str:
    if kind == "null":
        return "None"
    checks = ["allow_inf_nan=False"] if kind == "number" else []
    more = []
    for name, argument in _FIELDS[kind].items():
        if name not in rules:
            continue
        value = rules[name]
        if name == "pattern":
            checks += _pattern(value, left)
        elif name == "format":
            if value in _FORMATS:
                helpers.add(_FORMATS[value])
                more.append(_FORMATS[value])
            else:
                left.append(f"format {value}")
        elif name == "multipleOf" and value != int(value):
            left.append(f"{name} {value!r}")  # floats have no tenths to be multiples of
        elif argument:
            value = _WHOLE[name](value) if kind == "integer" and name in _WHOLE else value
            checks.append(f"{argument}={value!r}")
    if kind == "array":
        items = _annotation(rules.get("items", {}), left, helpers)
        python = f"list[{items}]"
    else:
        python = _PYTHON[kind]
    field = f"Field({', '.join(['strict=True', *checks])})"
    return f"Annotated[{', '.join([python, field, *more])}]"


def _pattern(pattern: str, left: list[str]) -> list[str]:
    """The pattern for Rust's engine, which Pydantic uses: as RE2 has it, but there `\\d` is of all scripts."""
    try:
        translated = translate(pattern)
    except Refused:
        left.append(f"pattern {pattern}")
        return []
    for short, meant in ((r"\d", "[0-9]"), (r"\D", "[^0-9]"), (r"\w", "[0-9A-Za-z_]"), (r"\W", "[^0-9A-Za-z_]")):
        translated = translated.replace(short, meant)
    translated = translated.replace(r"\b", r"(?-u:\b)").replace(r"\B", r"(?-u:\B)")
    return [f"pattern={_text(translated)}"]


def _field_name(column: str, taken: set[str]) -> str:
    """An attribute for a column: its own name where Python and Pydantic take it."""
    name = re.sub(r"[^0-9A-Za-z_]", "_", column)
    name = f"column_{name.lstrip('_')}" if not name[:1].isalpha() else name
    if keyword.iskeyword(name) or name.startswith("model_") or name in _RESERVED:
        name += "_"
    while name in taken:
        name += "_"
    taken.add(name)
    return name


_RESERVED = {
    "copy",
    "dict",
    "json",
    "schema",
    "construct",
    "validate",
    "from_orm",
    "parse_obj",
    "parse_raw",
    "parse_file",
}
_RESERVED |= {"schema_json", "update_forward_refs", "date", "re", "Any", "Literal", "Annotated", "Field", "list", "str"}
_RESERVED |= {"int", "float", "bool", "Date", "Instant", "BaseModel", "ConfigDict", "AfterValidator"}


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
