"""The printer for whole trees, in the three values of SQL: TRUE where a value fails, FALSE where it holds, NULL where
the engine cannot say and the fallback has to.

A leaf is TRUE or FALSE unless the value itself is beyond it; AND, OR and NOT carry NULL as they should (Kleene), and
quantifiers over members and elements are counted so that they do as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from mlci.contract.language import predicates as p
from mlci.contract.language.pattern import speaks_of_categories
from mlci.contract.language.predicates import Predicate
from mlci.contract.language.schema import TYPES
from mlci.contract.query.quote import literal
from mlci.contract.query.sql import certain, leaf, matches
from mlci.contract.query.view import ArrayView, ObjectView, View, beyond, string

T = TypeVar("T")
_MANY = 1_000_000_000
_UNKNOWN = "NULL::BOOLEAN"
_LONG = 40_000
_NESTED = 4
_LARGE = 400
"""Parts of one rule that are printed; a larger one is left to the fallback, before the engine chokes on it."""
_DEEP = 3
"""How deep lists and objects are compared with each other; deeper ones are left to the fallback."""


class Printer:
    """Prints predicates. `unsure` tells afterwards whether anything printed may be NULL."""

    def __init__(self) -> None:
        self.unsure = False
        self._variables = 0
        self._parts = 0

    def whole(self, predicate: Predicate, view: View) -> str:
        """`fails`, or NULL for all where planning would take the engine too long: lambdas within lambdas double it."""
        sql = self.fails(predicate, view)
        if len(sql) <= _LONG and _depth(sql) <= _NESTED:
            return sql
        self.unsure = True
        return _UNKNOWN

    def fails(self, predicate: Predicate, view: View) -> str:
        """SQL that is TRUE, FALSE or NULL for a value that is there."""
        self._parts += 1
        if self._parts > _LARGE:
            self.unsure = True
            return _UNKNOWN
        match predicate:
            case p.All(parts):
                return some(self.fails(part, view) for part in parts)
            case p.Some(parts):
                return every(self.fails(part, view) for part in parts)
            case p.Not(part):
                return negated(self.fails(part, view))
            case p.ExactlyOne(parts):
                return self._counted(self._codes(parts, view), 1, 1)
            case p.If(when, then, otherwise):
                return self._if(when, then, otherwise or p.ANYTHING, view)
            case p.Beyond():
                return self._beyond(predicate, view)
            case p.Sound():
                return self._sound(view)
            case p.Required() | p.Members() | p.Names():
                return self._inside("object", view.object, view, lambda o: self._object(predicate, o))
            case p.Elements() | p.Contains() | p.Unique():
                return self._inside("array", view.array, view, lambda a: self._array(predicate, a))
            case p.Size(kind, relation, limit):
                length = view.object and view.object.length if kind == "object" else view.array and view.array.length
                return self._inside(kind, length, view, lambda n: f"({n} {relation} {limit})")
            case p.Unclaimed("object", claims, part):
                return self._inside("object", view.object, view, lambda o: self._left_members(claims, part, o, view))
            case p.Unclaimed(_, claims, part):
                return self._inside("array", view.array, view, lambda a: self._left_elements(claims, part, a, view))
        return self._leaf(predicate, view)

    def _leaf(self, predicate: Predicate, view: View) -> str:
        sql = leaf(predicate, view)
        of_numbers = isinstance(predicate, p.Bound | p.MultipleOf) or (
            isinstance(predicate, p.OneOf) and any(isinstance(v, (int, float)) for v in predicate.values)
        )
        rough = of_numbers and view.number and view.number.unsure
        if sql is None or (sql in ("TRUE", "FALSE") and not rough):
            return sql or "FALSE"
        if certain(predicate):
            sql = f"coalesce({sql}, FALSE)"
        else:
            self.unsure = True
            sql = f"({sql})"
        if rough and view.number:
            self.unsure = True
            return f"CASE WHEN {view.number.unsure} THEN NULL ELSE {sql} END"
        return sql

    def _beyond(self, predicate: p.Beyond, view: View) -> str:
        value = view.text if predicate.kind == "string" else view.number and view.number.sql
        if predicate.kind != "any" and value is None:
            return "FALSE"
        self.unsure = True
        return _UNKNOWN if predicate.kind == "any" else f"CASE WHEN ({value}) IS NULL THEN FALSE END"

    def _sound(self, view: View) -> str:
        if view.sound:
            return "FALSE"
        below: list[Predicate] = [p.Type(frozenset(TYPES))]
        if view.object:
            below.append(p.Members((), (), p.Sound()))
        if view.array:
            below.append(p.Elements((), p.Sound()))
        return some(self.fails(part, view) for part in below)

    def _if(self, when: Predicate, then: Predicate, otherwise: Predicate, view: View) -> str:
        condition, yes, no = self.fails(when, view), self.fails(then, view), self.fails(otherwise, view)
        if condition in ("TRUE", "FALSE"):
            return yes if condition == "FALSE" else no
        if yes == no:
            return yes
        return f"(CASE {condition} WHEN FALSE THEN {yes} WHEN TRUE THEN {no} END)"

    def _inside(self, kind: str, part: T | None, view: View, body: Callable[[T], str]) -> str:
        """What is said of an object or an array; other values hold it, and one without a view is unknown."""
        test = view.kinds.get(kind)
        if test is None:
            return "FALSE"
        if part is None:
            self.unsure = True
            return f"CASE WHEN {view.null} THEN FALSE WHEN NOT {test} THEN FALSE END"
        inner = body(part)
        return inner if inner == "FALSE" else f"(coalesce(NOT ({view.null}) AND {test}, FALSE) AND {inner})"

    def _object(self, predicate: Predicate, o: ObjectView) -> str:
        match predicate:
            case p.Required(names):
                members = [o.member(name) for name in names]
                return some("TRUE" if m is None else negated(m.present or "TRUE") for m in members)
            case p.Names(part):
                return self._any(o, lambda name, _: self.fails(part, string(name)))
            case p.Members(named, patterns, others):
                return self._members(named, patterns, others, o)
        raise AssertionError(f"no SQL for {predicate}")

    def _members(
        self,
        named: Sequence[tuple[str, Predicate]],
        patterns: Sequence[tuple[str | None, Predicate]],
        others: Predicate | None,
        o: ObjectView,
    ) -> str:
        found = [self._member(o, name, part) for name, part in named]

        def judge(name: str, value: View) -> str:
            hits = [self._matches(name, pattern) for pattern, _ in patterns]
            failed = [every((hit, self.fails(part, value))) for hit, (_, part) in zip(hits, patterns, strict=True)]
            if others is not None:
                mine = [negated(hit) for hit in (_among(name, [n for n, _ in named]), *hits)]
                failed.append(every((*mine, self.fails(others, value))))
            return some(failed)

        return some((*found, self._any(o, judge))) if patterns or others is not None else some(found)

    def _member(self, o: ObjectView, name: str, part: Predicate) -> str:
        member = o.member(name)
        return every((member.present or "TRUE", self.fails(part, member))) if member else "FALSE"

    def _matches(self, name: str, pattern: str | None) -> str:
        if pattern is None:
            self.unsure = True
            return _UNKNOWN
        self.unsure |= speaks_of_categories(pattern)
        return matches(pattern, name)

    def _any(self, o: ObjectView, judge: Callable[[str, View], str]) -> str:
        """Whether some member fails, told its name and its view."""
        if o.static is not None:
            views = [(name, o.member(name)) for name in o.static]
            return some(every((v.present or "TRUE", judge(literal(n), v))) for n, v in views if v)
        name = self._variable()
        return self._exists(o.names, name, judge(name, o.each(name)))

    def _exists(self, values: str, variables: str, failed: str) -> str:
        """Whether one of a list fails; unknown where none surely does and one may."""
        if failed == "FALSE":
            return "FALSE"
        if not self.unsure:
            return f"(len(list_filter({values}, lambda {variables}: {failed})) > 0)"
        code = f"CASE {failed} WHEN TRUE THEN 0 WHEN FALSE THEN 2 ELSE 1 END"
        least = f"list_min(list_transform({values}, lambda {variables}: {code}))"
        return f"(CASE {least} WHEN 0 THEN TRUE WHEN 1 THEN NULL ELSE FALSE END)"

    def _array(self, predicate: Predicate, a: ArrayView) -> str:
        match predicate:
            case p.Elements(first, others):
                found = [every((f"{a.length} > {i}", self.fails(part, a.at(i)))) for i, part in enumerate(first)]
                if others is not None:
                    item = self._variable()
                    rest = f"({self._items(a)})[{len(first) + 1}:]" if first else self._items(a)
                    found.append(self._exists(rest, item, self.fails(others, a.item(item))))
                return some(found)
            case p.Contains(part, low, high):
                item = self._variable()
                code = _code(self.fails(part, a.item(item)))
                return self._counted(f"list_transform({self._items(a)}, lambda {item}: {code})", low, high)
            case p.Unique():
                return self._unique(a)
        raise AssertionError(f"no SQL for {predicate}")

    def _items(self, a: ArrayView) -> str:
        return a.items(self._variable())

    def _codes(self, parts: Sequence[Predicate], view: View) -> str:
        return f"[{', '.join(_code(self.fails(part, view)) for part in parts)}]"

    def _counted(self, codes: str, low: int, high: int | None) -> str:
        """Whether too few or too many hold; codes are 1 for one that holds, a great many for one unknown."""
        n = self._variable()
        held, most = f"{n} % {_MANY}", f"{n} % {_MANY} + {n} // {_MANY}"
        surely = [f"{most} < {low}"] + ([] if high is None else [f"{held} > {high}"])
        not_at_all = [f"{held} >= {low}"] + ([] if high is None else [f"{most} <= {high}"])
        case = f"CASE WHEN {' OR '.join(surely)} THEN TRUE WHEN {' AND '.join(not_at_all)} THEN FALSE END"
        return f"list_transform([coalesce(list_sum({codes}), 0)::BIGINT], lambda {n}: {case})[1]"

    def _unique(self, a: ArrayView) -> str:
        same = self._variable()
        if a.comparable:
            nulls = f"len({same}) - list_count({same}) > 1"
            body, values = f"list_count({same}) > len(list_distinct({same})) OR {nulls}", self._items(a)
        else:
            self.unsure = True
            item = self._variable()
            values = f"list_transform({self._items(a)}, lambda {item}: {self._canonical(a.item(item), _DEEP)})"
            surely = f"list_count({same}) > len(list_distinct({same}))"
            body = f"CASE WHEN {surely} THEN TRUE WHEN list_count({same}) = len({same}) THEN FALSE END"
        return f"list_transform([{values}], lambda {same}: {body})[1]"

    def _canonical(self, view: View, deep: int) -> str:
        """One text for all values that are equal; NULL where the engine has none."""
        cases = [f"WHEN {view.null} THEN 'null'"]
        if view.text:
            cases.append(f"WHEN ({view.text}) IS NOT NULL THEN to_json({view.text})::VARCHAR")
        if view.boolean:
            cases.append(f"WHEN ({view.boolean}) IS NOT NULL THEN ({view.boolean})::VARCHAR")
        if view.number and view.number.whole:
            cases.append(f"WHEN {beyond(view.number.sql)} THEN {view.number.whole}::VARCHAR")
        if view.number and view.number.digits is None:
            cases.append(f"WHEN {view.number.sql} IS NOT NULL THEN ({view.number.sql} + 0.0::DOUBLE)::VARCHAR")
        if deep and view.array:
            item, whole = self._variable(), self._variable()
            parts = f"list_transform({self._items(view.array)}, lambda {item}: "
            parts += f"{self._canonical(view.array.item(item), deep - 1)})"
            cases.append(f"WHEN {view.kinds['array']} THEN {_joined(parts, whole, '[]')}")
        if deep and view.object and view.object.static is None:
            name, whole = self._variable(), self._variable()
            value = self._canonical(view.object.each(name), deep - 1)
            parts = (
                f"list_transform(list_sort({view.object.names}), lambda {name}: to_json({name})::VARCHAR || {value})"
            )
            cases.append(f"WHEN {view.kinds['object']} THEN {_joined(parts, whole, '{}')}")
        return f"(CASE {' '.join(cases)} END)"

    def _left_members(self, claims: Sequence[p.Claim], part: Predicate, o: ObjectView, view: View) -> str:
        def judge(name: str, value: View) -> str:
            covered = []
            for claim in claims:
                by = [_among(name, claim.names), *(self._matches(name, pattern) for pattern in claim.patterns)]
                mine = "TRUE" if claim.everything else some(by)
                if mine != "FALSE":
                    covered.append(every((mine, negated(self.fails(claim.guard, view)))))
            return every((negated(some(covered)), self.fails(part, value)))

        return self._any(o, judge)

    def _left_elements(self, claims: Sequence[p.Claim], part: Predicate, a: ArrayView, view: View) -> str:
        item, place = self._variable(), self._variable()
        covered = []
        for claim in claims:
            by = [f"{place} <= {claim.first}"] if claim.first else []
            by += [negated(self.fails(claim.content, a.item(item)))] if claim.content is not None else []
            mine = "TRUE" if claim.everything else some(by)
            if mine != "FALSE":
                covered.append(every((mine, negated(self.fails(claim.guard, view)))))
        failed = every((negated(some(covered)), self.fails(part, a.item(item))))
        return self._exists(self._items(a), f"{item}, {place}", failed)

    def _variable(self) -> str:
        self._variables += 1
        return f"v{self._variables}"


def some(parts: Iterable[str]) -> str:
    """OR, without what cannot matter."""
    found = [part for part in parts if part != "FALSE"]
    if "TRUE" in found:
        return "TRUE"
    return f"({' OR '.join(found)})" if found else "FALSE"


def every(parts: Iterable[str]) -> str:
    """AND, without what cannot matter."""
    found = [part for part in parts if part != "TRUE"]
    if "FALSE" in found:
        return "FALSE"
    return f"({' AND '.join(found)})" if found else "TRUE"


def negated(part: str) -> str:
    """NOT."""
    return {"TRUE": "FALSE", "FALSE": "TRUE"}.get(part) or f"(NOT {part})"


def _depth(sql: str) -> int:
    """How deep lambdas stand in lambdas, nearly: brackets inside of quotes count as well."""
    most, now, opened = 0, 0, [0]
    for mark in re.findall(r"[()]|lambda ", sql):
        if mark == "(":
            opened.append(0)
        elif mark == ")":
            now -= opened.pop() if len(opened) > 1 else 0
        else:
            opened[-1] += 1
            now += 1
            most = max(most, now)
    return most


def _among(name: str, names: Sequence[str]) -> str:
    return f"({name} IN ({', '.join(literal(n) for n in names)}))" if names else "FALSE"


def _code(failed: str) -> str:
    return {"TRUE": "0", "FALSE": "1"}.get(
        failed
    ) or f"CASE {failed} WHEN FALSE THEN 1 WHEN TRUE THEN 0 ELSE {_MANY} END"


def _joined(parts: str, whole: str, brackets: str) -> str:
    """Texts as one; NULL where one is."""
    text = f"'{brackets[0]}' || array_to_string({whole}, ',') || '{brackets[1]}'"
    return f"list_transform([{parts}], lambda {whole}: CASE WHEN list_count({whole}) = len({whole}) THEN {text} END)[1]"
