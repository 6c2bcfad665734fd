"""jsonschema-rs, for the rows that an engine cannot judge exactly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, urldefrag, urljoin

TOGETHER = {
    "properties": ("patternProperties", "additionalProperties"),
    "patternProperties": ("additionalProperties",),
    "prefixItems": ("items",),
    "contains": ("minContains", "maxContains"),
    "if": ("then", "else"),
}
"""Keywords that are judged as one: the first of them names the check."""
_FIRST = {other: first for first, others in TOGETHER.items() for other in others}

_BASE = "https://contract.invalid/"
_KEPT = 50_000
_SHORT = 200
"""Verdicts on so many texts of so many characters are kept."""
_NO_JSON = (ValueError, TypeError, OverflowError, RecursionError)
"""What comes of a value that is not JSON, or is nested deeper than Python reads."""


class Fallback:
    """A schema as jsonschema-rs has it. Made once it is needed; nothing is fetched.

    Raises ValueError where jsonschema-rs refuses the schema.
    """

    def __init__(self, schema: Any, *, formats: bool) -> None:
        import jsonschema_rs

        self._schema = schema
        own = schema.get("$id") if isinstance(schema, dict) else None
        self._base = urldefrag(urljoin(_BASE, own))[0] if isinstance(own, str) else _BASE
        schema = {**schema, "$id": self._base} if isinstance(own, str) else schema
        self._options: dict[str, Any] = {"validate_formats": formats, "ignore_unknown_formats": True}
        self._options |= {"retriever": _refuse}
        self._validators: dict[str | None, tuple[Any, Any]] = {}
        self._known: dict[tuple[str | None, str, str], bool] = {}
        try:
            self._validator = jsonschema_rs.Draft202012Validator(schema, **self._options)
            self._options["registry"] = jsonschema_rs.Registry([(self._base, schema)])
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            raise ValueError(str(error).splitlines()[0]) from None

    def valid(self, instance: Any) -> bool:
        """Whether an instance is valid; one that is not JSON is not."""
        try:
            json.dumps(instance, allow_nan=False)
            return bool(self._validator.is_valid(instance))
        except _NO_JSON:
            return False

    def errors(self, instance: Any) -> Iterator[tuple[str, str]]:
        """The column (empty: the row) and the keyword of each error of a row that is JSON, as checks name them."""
        for error in self._validator.iter_errors(instance):
            path = [str(part) for part in error.evaluation_path]
            kind: Any = error.kind
            if path[0] == "properties":
                column, keyword = path[1], path[2] if len(path) > 2 else "false"
                null = keyword == "type" and len(error.instance_path) == 1 and error.instance is None
                yield column, "null" if null else _first(keyword, self._schema["properties"][column])
            elif path == ["required"]:
                yield kind.property, "required"
            elif path == ["additionalProperties"] and hasattr(kind, "unexpected"):
                yield from ((column, path[0]) for column in kind.unexpected)
            else:
                yield "", _first(path[0], self._schema)

    def broken(self, column: str | None, keyword: str, texts: Sequence[str]) -> list[bool]:
        """Whether values of a column (None: rows), as JSON texts, break a keyword of it.

        A text that was there before is not judged again, and all that are new are valid at one call, as mostly.
        """
        if len(self._known) > _KEPT:
            self._known.clear()
        short = {text for text in texts if len(text) <= _SHORT}
        fresh = [t for t in {*texts} if t not in short or (column, keyword, t) not in self._known]
        each, many = self._of(column)
        try:
            fine = many.is_valid(json.loads(f"[{','.join(fresh)}]"))
        except _NO_JSON:
            fine = False
        judged = {text: not fine and self._breaks(keyword, text, each) for text in fresh}
        self._known |= {(column, keyword, text): judged[text] for text in fresh if text in short}
        return [judged[text] if text in judged else self._known[column, keyword, text] for text in texts]

    def _of(self, column: str | None) -> tuple[Any, Any]:
        """The validator of a column's values, and that of lists of them."""
        import jsonschema_rs

        if column not in self._validators:
            pointer = "" if column is None else "/properties/" + column.replace("~", "~0").replace("/", "~1")
            reference = {"$ref": f"{self._base}#{quote(pointer, safe='/~')}"}
            make = jsonschema_rs.Draft202012Validator
            one, many = make(reference, **self._options), make({"items": reference}, **self._options)
            self._validators[column] = (one, many)
        return self._validators[column]

    def _breaks(self, keyword: str, text: str, validator: Any) -> bool:
        try:
            instance = json.loads(text)
            if validator.is_valid(instance):
                return False
            paths = [tuple(map(str, error.evaluation_path))[1:] for error in validator.iter_errors(instance)]
        except _NO_JSON:
            return True
        return any(path and path[0] in {keyword, *TOGETHER.get(keyword, ())} for path in paths)


def _first(keyword: str, schema: Any) -> str:
    """The keyword that a check of this one is named by."""
    first = _FIRST.get(keyword, keyword)
    return first if isinstance(schema, dict) and first in schema else keyword


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is in another document")
