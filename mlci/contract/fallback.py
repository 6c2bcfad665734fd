"""jsonschema-rs, for the rows that an engine cannot judge exactly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

TOGETHER = {
    "properties": ("patternProperties", "additionalProperties"),
    "patternProperties": ("additionalProperties",),
    "prefixItems": ("items",),
    "contains": ("minContains", "maxContains"),
    "if": ("then", "else"),
}
"""Keywords that are judged as one: the first of them names the check."""
_FIRST = {other: first for first, others in TOGETHER.items() for other in others}


class Fallback:
    """A schema as jsonschema-rs has it. Made once it is needed; nothing is fetched.

    Raises ValueError where jsonschema-rs refuses the schema.
    """

    def __init__(self, schema: Any, *, formats: bool) -> None:
        import jsonschema_rs

        self._schema = schema
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                schema, validate_formats=formats, ignore_unknown_formats=True, retriever=_refuse
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            raise ValueError(str(error).splitlines()[0]) from None

    def valid(self, instance: Any) -> bool:
        """Whether an instance is valid; one that is not JSON is not."""
        try:
            return bool(self._validator.is_valid(instance))
        except (ValueError, TypeError, OverflowError):
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

    def broken(self, row: str) -> Callable[[str, str], bool]:
        """Whether a row, as JSON text, breaks a keyword of a column (or of the row, for no column)."""
        try:
            errors = self._validator.iter_errors(json.loads(row))
            paths = [tuple(error.evaluation_path) for error in errors]
        except (ValueError, TypeError, OverflowError):
            return lambda *_: True

        def breaks(column: str, keyword: str) -> bool:
            start = ("properties", column) if column else ()
            keywords = {keyword, *TOGETHER.get(keyword, ())}
            n = len(start)
            return any(path[:n] == start and path[n : n + 1] and path[n] in keywords for path in paths)

        return breaks


def _first(keyword: str, schema: Any) -> str:
    """The keyword that a check of this one is named by."""
    first = _FIRST.get(keyword, keyword)
    return first if isinstance(schema, dict) and first in schema else keyword


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is in another document")
