"""What the rules of a table are asked of: the engine, the tables, and each column as JSON sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from mlci.contract.language.plan import Plan
from mlci.contract.language.schema import Contract
from mlci.contract.query import rows
from mlci.contract.query.engine import Engine
from mlci.contract.query.quote import literal
from mlci.contract.query.tables import Column, Table
from mlci.contract.query.view import Number, View
from mlci.errors import ConfigError, Problem

SAMPLES = 5
"""So many samples of a broken rule are kept for each file."""
State = dict[str, Any]
"""What a rule is judged from: plain JSON."""
_ANY = frozenset({"number", "boolean", "string"})


@dataclass(frozen=True)
class Outcome:
    """A broken rule: how many rows break it, or what was found instead, and some samples."""

    found: str = ""
    count: int = 1
    samples: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Scan:
    """All that a rule may ask: the tables are of the same files that the states are of."""

    db: Engine
    tables: Sequence[Table]
    contract: Contract
    plan: Plan
    samples: int = SAMPLES

    @property
    def sensitive(self) -> frozenset[str]:
        """The columns whose values are never shown, nor kept."""
        return self.plan.sensitive

    def reads(self, name: str, more: frozenset[str] = frozenset()) -> frozenset[str]:
        """As what the cells of a text file are read: as `type` says, or else as what the rules speak of."""
        known = next((c.reads for c in self.plan.columns if c.name == name), self.plan.others)
        typed = any(p.name == name and p.types for p in self.contract.properties)
        return known if typed else known | more

    def view(
        self, table: Table, name: str, more: frozenset[str] = frozenset(), like: str | None = None
    ) -> tuple[Column, View]:
        """A column that the table has; of a text file, read as the column `like` is."""
        column = cast("Column", table.column(name))
        return column, rows.flat(table, column, self.reads(like or name, more))

    def number(self, table: Table, name: str) -> Number:
        """The numbers of a column, NULL for all else: also for NaN and the infinities, which are none."""
        _, seen = self.view(table, name, frozenset({"number"}))
        return seen.number or Number("NULL::DOUBLE")

    def text(self, table: Table, name: str, like: str | None = None) -> str:
        """The values of a column as text that is equal where JSON's values are, NULL for null and no value.

        Its first letter is the kind: n(umber), b(oolean), s(tring), or j for lists and objects as they are written.
        """
        column, seen = self.view(table, name, _ANY, like)
        cases = []
        if seen.number:
            cases.append(f"WHEN ({seen.number.sql}) IS NOT NULL THEN 'n' || {_canonical(seen.number)}")
        if seen.boolean:
            cases.append(f"WHEN ({seen.boolean}) IS NOT NULL THEN 'b' || ({seen.boolean})::VARCHAR")
        if seen.text:
            cases.append(f"WHEN ({seen.text}) IS NOT NULL THEN 's' || ({seen.text})")
        if seen.array or seen.object:
            nested = " OR ".join(seen.kinds[kind] for kind in ("array", "object") if kind in seen.kinds)
            cases.append(f"WHEN {nested} THEN 'j' || {column.sql}::VARCHAR")
        there = f"{column.sql} IS NOT NULL AND NOT ({seen.null})"
        return f"(CASE WHEN {there} THEN CASE {' '.join(cases)} END END)" if cases else "NULL::VARCHAR"

    def wrong(self, line: int, message: str, help: str = "") -> ConfigError:
        """A rule that cannot be judged as it stands, at its line."""
        file = self.contract.file
        text = "".join(file.read_text(encoding="utf-8-sig").splitlines()[line - 1 : line]) if file.is_file() else ""
        at = len(text) - len(text.lstrip()) + 1
        return ConfigError([Problem(file, line, at, message, help, width=max(1, len(text.strip())))])

    def on(self, tables: Sequence[Table]) -> Scan:
        """The same of other tables."""
        return replace(self, tables=tables)


def _canonical(number: Number) -> str:
    """Text of a number that is the same for 1, 1.0 and 1.00."""
    x = f"({number.sql})"
    if number.digits and number.scale:
        return f"rtrim(rtrim({x}::VARCHAR, '0'), '.')"
    if number.digits:
        return f"{x}::VARCHAR"
    return f"CASE WHEN {x} = floor({x}) AND abs({x}) < 1e38 THEN {x}::HUGEINT::VARCHAR ELSE {x}::VARCHAR END"


def union(parts: Sequence[str], *, by_name: bool = False) -> str:
    """The rows of all parts."""
    return f" UNION ALL {'BY NAME ' if by_name else ''}".join(f"({part})" for part in parts)


def texts(values: Sequence[str]) -> str:
    """An SQL list of strings."""
    return f"[{', '.join(map(literal, values))}]"
