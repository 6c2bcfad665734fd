"""A schema with each `$ref` replaced by what it means, so that two schemas can be compared keyword by keyword."""

from __future__ import annotations

from typing import Any

from mlci.errors import UsageError

_SCHEMAS = {"not", "if", "then", "else", "items", "contains", "propertyNames", "additionalProperties"}
_SCHEMAS |= {"unevaluatedItems", "unevaluatedProperties"}
_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
_MAPPINGS = {"properties", "patternProperties", "dependentSchemas"}
_UNKNOWN = {"$dynamicRef", "$dynamicAnchor", "$anchor"}


def inline(root: Any) -> Any:
    """The schema without `$ref` and `$defs`. Raises UsageError for a reference out of the document or in circles."""
    return _inlined(root, root, ())


def _inlined(schema: Any, root: Any, above: tuple[str, ...]) -> Any:
    if not isinstance(schema, dict):
        return schema
    if found := _UNKNOWN & schema.keys():
        raise UsageError(f"`{sorted(found)[0]}` in a contract cannot be compared", help="use `$ref` and `$defs`")
    out: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _SCHEMAS:
            out[name] = _inlined(value, root, above)
        elif name in _LISTS and isinstance(value, list):
            out[name] = [_inlined(item, root, above) for item in value]
        elif name in _MAPPINGS and isinstance(value, dict):
            out[name] = {key: _inlined(item, root, above) for key, item in value.items()}
        elif name not in ("$ref", "$defs"):
            out[name] = value
    reference = schema.get("$ref")
    if reference is None:
        return out
    if reference in above:
        raise UsageError(f"the reference {reference} leads back to itself", help="write the columns out")
    meant = _inlined(_at(root, str(reference)), root, (*above, reference))
    if not out:
        return meant
    return {**out, "allOf": [*out.get("allOf", []), meant]}


def _at(root: Any, reference: str) -> Any:
    """What a JSON pointer (RFC 6901) in a fragment points to."""
    at = root
    if not reference.startswith("#"):
        raise UsageError(f"the reference {reference} leads out of the contract", help="copy it into `$defs`")
    for part in reference[1:].split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            at = at[int(key)] if isinstance(at, list) else at[key]
        except (KeyError, IndexError, ValueError, TypeError):
            raise UsageError(f"the reference {reference} leads nowhere", help="check `$defs`") from None
    return at
