"""The printer for whole trees as Ibis expressions: TRUE where a value fails, FALSE where it holds, NULL where the
engine cannot say and the fallback has to. The counterpart of `mlci.contract.query.nested`.

Members of a row or a struct are known by the table's schema, so what is said of names is settled here; what is
said of single elements of an array, or of a value without a type (JSON, maps), is left to the fallback.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlci.contract.elsewhere import regex
from mlci.contract.elsewhere.dialects import Dialect
from mlci.contract.elsewhere.leaves import leaf, literal
from mlci.contract.elsewhere.logic import Expr, Truth, as_expression, every, negated, some, unknown, where
from mlci.contract.elsewhere.view import NULL, View, text
from mlci.contract.language import predicates as p
from mlci.contract.language.predicates import Predicate
from mlci.contract.language.schema import TYPES

_LARGE = 400
"""Parts of one rule that are printed; a larger one is left to the fallback."""


@dataclass
class Printer:
    """Prints predicates for an engine."""

    dialect: Dialect
    parts: int = 0

    def fails(self, predicate: Predicate, view: View) -> Truth:
        """Whether a value that is there fails. Raises `regex.Unsaid` for a rule that the engine can say of no value."""
        self.parts += 1
        if self.parts > _LARGE:
            return unknown()
        match predicate:
            case p.All(parts):
                return some([self.fails(part, view) for part in parts])
            case p.Some(parts):
                return every([self.fails(part, view) for part in parts])
            case p.Not(part):
                return negated(self.fails(part, view))
            case p.ExactlyOne(parts):
                return _not_one([self.fails(part, view) for part in parts])
            case p.If(when, then, otherwise):
                return self._if(when, then, otherwise, view)
        if view.opaque:
            return where(view.null, self.fails(predicate, NULL), unknown())
        match predicate:
            case p.Beyond(_, "any"):
                return unknown()
            case p.Beyond(_, kind):
                value = view.text if kind == "string" else view.number.sql if view.number else None
                return False if value is None else where(value.isnull(), False, unknown())
            case p.Sound():
                return self._sound(view)
            case p.Required() | p.Members() | p.Names() | p.Size("object") | p.Unclaimed("object"):
                return self._inside("object", view, self._object(predicate, view))
            case p.Elements() | p.Contains() | p.Unique() | p.Size("array") | p.Unclaimed("array"):
                return self._inside("array", view, self._array(predicate, view))
        return leaf(predicate, view, self.dialect)

    def _if(self, when: Predicate, then: Predicate, otherwise: Predicate | None, view: View) -> Truth:
        fails = self.fails(when, view)
        yes = every((negated(fails), self.fails(then, view)))
        return yes if otherwise is None else some((yes, every((fails, self.fails(otherwise, view)))))

    def _inside(self, kind: str, view: View, failed: Truth) -> Truth:
        """What is said of an object or an array; other values hold it."""
        mine = every((negated(view.null), view.kinds.get(kind, False)))
        return mine if mine is False else where(mine, as_expression(failed), False)

    def _sound(self, view: View) -> Truth:
        found = [self.fails(p.Type(frozenset(TYPES)), view)]
        if view.object is not None:
            found += [every((negated(view.null), self._sound(member))) for member in view.object.values()]
        if view.array and _may_be_unsound(view.array.sql.type()):
            found.append(where(view.null, False, unknown()))
        return some(found)

    def _object(self, predicate: Predicate, view: View) -> Truth:
        members = view.object
        if members is None:
            return unknown()
        match predicate:
            case p.Required(names):
                return not all(name in members for name in names)
            case p.Size(_, relation, limit):
                return len(members) < limit if relation == "<" else len(members) > limit
            case p.Names(part):
                return some([self.fails(part, text(literal(name))) for name in members])
            case p.Members(named, patterns, others):
                return some(list(self._members(dict(named), patterns, others, members)))
            case p.Unclaimed(_, claims, part):
                return some([self._unclaimed(name, claims, part, view) for name in members])
        raise AssertionError(f"no expression for {predicate}")

    def _members(
        self,
        named: Mapping[str, Predicate],
        patterns: Sequence[tuple[str | None, Predicate]],
        others: Predicate | None,
        members: Mapping[str, View],
    ) -> Iterator[Truth]:
        for name, view in members.items():
            hits = [_matches(name, pattern) for pattern, _ in patterns]
            if name in named:
                yield self.fails(named[name], view)
            for hit, (_, part) in zip(hits, patterns, strict=True):
                yield hit if hit is False else every((hit, self.fails(part, view)))
            if others is not None and name not in named:
                mine = negated(some(hits))
                yield mine if mine is False else every((mine, self.fails(others, view)))

    def _unclaimed(self, name: str, claims: Sequence[p.Claim], part: Predicate, view: View) -> Truth:
        covered = []
        for claim in claims:
            by = some(
                [claim.everything or name in claim.names, *(_matches(name, pattern) for pattern in claim.patterns)]
            )
            covered.append(by if by is False else every((by, negated(self.fails(claim.guard, view)))))
        mine = negated(some(covered))
        assert view.object is not None
        return mine if mine is False else every((mine, self.fails(part, view.object[name])))

    def _array(self, predicate: Predicate, view: View) -> Truth:
        if view.array is None or not isinstance(predicate, p.Size):
            return unknown()
        length = view.array.sql.length()
        return (length < predicate.limit if predicate.fails == "<" else length > predicate.limit).fill_null(False)


def _matches(name: str, pattern: str | None) -> Truth:
    """Whether a name has a match: names stand in the schema, so this is Python's to say."""
    return unknown() if pattern is None else re.search(regex.printed(pattern, "python"), name) is not None


def _may_be_unsound(kind: Expr) -> bool:
    """Whether there may be NaN within an array."""
    words = str(kind)
    return any(word in words for word in ("float", "decimal", "json", "map", "unknown", "binary"))


def _not_one(fails: Sequence[Truth]) -> Truth:
    """Whether not exactly one of the parts holds, each given as whether it fails."""
    if all(isinstance(part, bool) for part in fails):
        return sum(not part for part in fails) != 1
    import ibis

    held = sum((_one(negated(part)) for part in fails), start=ibis.literal(0))
    open_ = sum((_one(part.isnull()) for part in fails if not isinstance(part, bool)), start=ibis.literal(0))
    return ibis.cases(
        ((held > 1) | (held + open_ < 1), True), ((held == 1) & (open_ == 0), False), else_=ibis.null("boolean")
    )


def _one(truth: Truth) -> Expr:
    """1 where it is TRUE, else 0."""
    import ibis

    return ibis.literal(int(truth)) if isinstance(truth, bool) else truth.ifelse(1, 0)
