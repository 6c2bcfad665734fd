"""What a value must hold, as a tree of small predicates that know nothing of any engine.

Each predicate is two-valued, as JSON Schema is: it holds or fails, and one that speaks of numbers holds for
everything that is no number. A printer says a predicate in an engine's language; where the engine cannot say it
exactly (`Beyond`, and what the printer finds in the data), the row is left to the fallback.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal


@dataclass(frozen=True)
class Present:
    """The row has the value at all, be it null."""


@dataclass(frozen=True)
class NotNull:
    """The value is not null."""


@dataclass(frozen=True)
class Type:
    """The value is null or of one of these JSON types."""

    types: frozenset[str]


@dataclass(frozen=True)
class Bound:
    """A number does not stand in this relation to the limit: `<` for `minimum`."""

    fails: Literal["<", "<=", ">", ">="]
    limit: int | float


@dataclass(frozen=True)
class MultipleOf:
    """A number is a whole multiple of this one, both taken as the decimals that are written."""

    divisor: int | float


@dataclass(frozen=True)
class OneOf:
    """The value is equal to one of these scalars, as JSON compares: 1 is 1.0 and is not true."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Matches:
    """A string contains a match of this RE2 pattern."""

    pattern: str


@dataclass(frozen=True)
class Length:
    """A string's length in characters (code points) does not stand in this relation to the limit."""

    fails: Literal["<", ">"]
    limit: int


@dataclass(frozen=True)
class Format:
    """A string is of this format."""

    name: str


@dataclass(frozen=True)
class If:
    """Where `when` holds, `then` holds; elsewhere `otherwise`, where there is one."""

    when: Predicate
    then: Predicate
    otherwise: Predicate | None = None


@dataclass(frozen=True)
class Never:
    """Nothing holds this."""


@dataclass(frozen=True)
class All:
    """Every part holds; without parts: anything does."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True)
class Some:
    """At least one part holds."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True)
class ExactlyOne:
    """One part holds and no other."""

    parts: tuple[Predicate, ...]


@dataclass(frozen=True)
class Not:
    """The part fails."""

    part: Predicate


@dataclass(frozen=True)
class Required:
    """An object has these members, be they null."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Members:
    """Members of an object, by name, by pattern (None: one that only the fallback can match), and all others."""

    named: tuple[tuple[str, Predicate], ...]
    patterns: tuple[tuple[str | None, Predicate], ...] = ()
    others: Predicate | None = None


@dataclass(frozen=True)
class Names:
    """Each name of an object's members, as a string, holds this."""

    part: Predicate


@dataclass(frozen=True)
class Size:
    """The number of an array's elements, or an object's members, does not stand in this relation to the limit."""

    kind: Literal["array", "object"]
    fails: Literal["<", ">"]
    limit: int


@dataclass(frozen=True)
class Elements:
    """The first elements of an array hold `first`, one each; all after them hold `others`."""

    first: tuple[Predicate, ...]
    others: Predicate | None = None


@dataclass(frozen=True)
class Contains:
    """At least `low` and at most `high` elements of an array hold this."""

    part: Predicate
    low: int
    high: int | None


@dataclass(frozen=True)
class Unique:
    """No two elements of an array are equal, as JSON compares."""


@dataclass(frozen=True)
class Claim:
    """What a schema has evaluated where `guard` holds: members by name or pattern, elements by place or content."""

    guard: Predicate
    names: tuple[str, ...] = ()
    patterns: tuple[str | None, ...] = ()
    first: int = 0
    content: Predicate | None = None
    everything: bool = False


@dataclass(frozen=True)
class Unclaimed:
    """Members of an object, or elements of an array, that no claim covers hold this (`unevaluated…`)."""

    kind: Literal["array", "object"]
    claims: tuple[Claim, ...]
    part: Predicate


@dataclass(frozen=True)
class Sound:
    """Nothing in the value, however deep, is what JSON has no word for: NaN and the infinities."""


@dataclass(frozen=True)
class Beyond:
    """What no engine is asked: for a string (or anything) the fallback decides."""

    reason: str
    kind: Literal["string", "number", "any"] = "any"


Leaf = Present | NotNull | Type | Bound | MultipleOf | OneOf | Matches | Length | Format | Never | Sound | Beyond
Tree = If | All | Some | ExactlyOne | Not | Required | Members | Names | Size | Elements | Contains | Unique | Unclaimed
Predicate = Leaf | Tree

ANYTHING = All(())


def has(*names: str) -> Predicate:
    """The value is an object with these members."""
    return All((NotNull(), Type(frozenset({"object"})), Required(names)))


def all_of(parts: tuple[Predicate, ...]) -> Predicate:
    """`All`, without a level where one part says it."""
    return parts[0] if len(parts) == 1 else All(parts)


def within(predicate: Any) -> Iterator[Any]:
    """The predicate and everything below it."""
    if isinstance(predicate, tuple):
        for part in predicate:
            yield from within(part)
    elif hasattr(predicate, "__dataclass_fields__"):
        yield predicate
        for field in fields(predicate):
            yield from within(getattr(predicate, field.name))
