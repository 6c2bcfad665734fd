"""AND, OR and NOT over Ibis expressions in the three values of SQL; what is known beforehand is a Python truth value.

A `Truth` is True, False, or an expression that is TRUE, FALSE or NULL (the engine cannot say).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import and_, or_
from typing import Any

Expr = Any
"""An Ibis expression. Ibis has no types that a checker could hold."""
Truth = Any


def unknown() -> Expr:
    """NULL, for the fallback."""
    import ibis

    return ibis.null("boolean")


def as_expression(truth: Truth) -> Expr:
    """A truth value as an expression."""
    import ibis

    return ibis.literal(truth) if isinstance(truth, bool) else truth


def some(parts: Iterable[Truth]) -> Truth:
    """OR."""
    found = [part for part in parts if part is not False]
    if any(part is True for part in found):
        return True
    return reduce(or_, found) if found else False


def every(parts: Iterable[Truth]) -> Truth:
    """AND."""
    found = [part for part in parts if part is not True]
    if any(part is False for part in found):
        return False
    return reduce(and_, found) if found else True


def negated(part: Truth) -> Truth:
    """NOT."""
    return not part if isinstance(part, bool) else ~part


def surely(part: Truth) -> Truth:
    """FALSE where it is NULL."""
    return part if isinstance(part, bool) else part.fill_null(False)


def where(condition: Truth, yes: Expr, no: Expr) -> Expr:
    """One or the other, by a condition that is never NULL."""
    if isinstance(condition, bool):
        return yes if condition else no
    return condition.ifelse(yes, no)
