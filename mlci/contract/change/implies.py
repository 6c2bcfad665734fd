"""When one value of a keyword implies another: whatever keeps the old part of a schema keeps the new one.

A part is a keyword with those that only mean something beside it, by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from mlci.contract.change.plain import unique_keys

Part = Mapping[str, Any]


def limit(side: int, part: Part) -> tuple[Fraction, bool] | None:
    """The tighter of the two bounds, turned so that more is tighter; and whether it is exclusive."""
    plain, exclusive = ("minimum", "exclusiveMinimum") if side > 0 else ("maximum", "exclusiveMaximum")
    found = [(side * exact(part[name]), name == exclusive) for name in (plain, exclusive) if name in part]
    return max(found, default=None)


def bounded(side: int, old: Part, new: Part) -> bool:
    """Whether a bound (side 1: from below, -1: from above) is as tight as before, or looser."""
    was, now = limit(side, old), limit(side, new)
    return now is None or (was is not None and was >= now)


def multiple(old: Part, new: Part) -> bool:
    """Whether multiples of the one are multiples of the other."""
    return not new or (bool(old) and exact(old["multipleOf"]) % exact(new["multipleOf"]) == 0)


def at_least(keyword: str, old: Part, new: Part) -> bool:
    """Whether a least number is not larger than before."""
    return bool(new.get(keyword, 0) <= old.get(keyword, 0))


def at_most(keyword: str, old: Part, new: Part) -> bool:
    """Whether a largest number is not smaller than before."""
    return bool(old.get(keyword, float("inf")) <= new.get(keyword, float("inf")))


def flag(keyword: str, old: Part, new: Part) -> bool:
    """Whether what is asked for now was asked for before."""
    return not new.get(keyword, False) or bool(old.get(keyword, False))


def dependent(old: Part, new: Part) -> bool:
    """Whether no name asks for more names than before."""
    was, now = old.get("dependentRequired", {}), new.get("dependentRequired", {})
    return all(set(names) <= set(was.get(name, ())) for name, names in now.items())


def unique(old: Part, new: Part) -> bool:
    """Rows that differ in a part of a key differ in the key; a key that only warns promises nothing."""
    was = unique_keys(old.get("unique", []))
    return all(
        any(columns <= key and said.implies(wanted) for columns, said in was) or wanted.severity == "warn"
        for key, wanted in unique_keys(new.get("unique", []))
    )


def canonical(value: Any) -> str:
    """JSON text that is equal where JSON values are: 1 and 1.0, not 1 and true; keys in any order."""

    def plain(v: Any) -> Any:
        if isinstance(v, dict):
            return {k: plain(x) for k, x in v.items()}
        if isinstance(v, list):
            return [plain(x) for x in v]
        return int(v) if isinstance(v, float) and v.is_integer() else v

    return json.dumps(plain(value), sort_keys=True, ensure_ascii=False)


def exact(value: int | float) -> Fraction:
    """The number as it is written: 0.1 is a tenth."""
    return Fraction(repr(value))
