"""jsonschema-rs, for the rows that an engine cannot judge exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

TOGETHER = {
    "properties": ("patternProperties", "additionalProperties"),
    "patternProperties": ("additionalProperties",),
    "prefixItems": ("items",),
    "contains": ("minContains", "maxContains"),
    "if": ("then", "else"),
}
"""Keywords that are judged as one: the first of them names the check."""


class Fallback:
    """A schema as jsonschema-rs has it. Made once it is needed; nothing is fetched.

    Raises ValueError where jsonschema-rs refuses the schema.
    """

    def __init__(self, schema: Any, *, formats: bool) -> None:
        import jsonschema_rs

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


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is in another document")
