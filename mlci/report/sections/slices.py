"""Groups of rows in the gate's part of the page: which stop the model, which stand out, and all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlci.evidence.record import StepRecord
from mlci.report import facts, markup, words
from mlci.report.facts import Metric, Slice
from mlci.report.intervals import cell
from mlci.report.markup import Markup, join, tag
from mlci.report.slices import Limits, slices_plot

_PLOTTED, LISTED, _NAMED = 40, 500, 5


def slices(step: StepRecord, found: dict[str, Any], metrics: list[Metric]) -> Markup | None:
    """The sentence, the plot of the worst, and the table of all."""
    groups = facts.slices(found)
    if not groups:
        return None
    plot = slices_plot(groups[:_PLOTTED], _limits(step, metrics, groups[0].metric))
    rest = len(groups) - _PLOTTED
    order = f"The {_PLOTTED} worst; the other {rest:,} are in the table." if rest > 0 else "The worst first."
    return join(
        tag("h3", "Groups of rows: ", tag("code", words.line(groups[0].metric, 80))),
        tag("p", blocked(groups), class_="summary"),
        tag("p", f"{order}{_marks(found, groups)}", class_="muted"),
        markup.scroll(plot, "Groups of rows, as a plot") if plot else None,
        markup.details(
            f"All {words.count(len(groups), 'group')} as a table", _table(groups), markup.more(LISTED, len(groups))
        ),
    )


def blocked(groups: Sequence[Slice]) -> str:
    """Which groups stop the model, in a sentence."""
    stopped = [words.line(f"{one.by} = {one.value}", 80) for one in groups if one.verdict == "fail"]
    if stopped:
        rest = f" and {len(stopped) - _NAMED:,} more" if len(stopped) > _NAMED else ""
        verb = "stops" if len(stopped) == 1 else "stop"
        return f"{', '.join(stopped[:_NAMED])}{rest} {verb} the model."
    unsure = sum(one.verdict == "inconclusive" for one in groups)
    perhaps = f" {words.count(unsure, 'group')} may be over a limit, but not surely." if unsure else ""
    return f"None of {words.count(len(groups), 'group')} stops the model.{perhaps}"


def _marks(found: dict[str, Any], groups: Sequence[Slice]) -> str:
    """What the diamond means, where there is one."""
    out = sum(one.stands_out for one in groups)
    if not out:
        return ""
    level = 1 - (facts.number(found.get("confidence")) or 0.95)
    return (
        f" ◆ {words.count(out, 'group')} worse than all rows, of which about {words.share(level, 1)} by chance "
        "(Benjamini & Hochberg); that alone stops nothing."
    )


def _limits(step: StepRecord, metrics: list[Metric], name: str) -> Limits:
    whole = next((m for m in metrics if m.name == name), None)
    overall = whole.challenger.value if whole and whole.challenger else None
    higher = whole.higher_is_better if whole else True
    rules = facts.mapping(facts.mapping(step.receipt.config).get("slices")) if step.receipt else {}
    gap, margin = facts.number(rules.get("max_gap")), facts.number(rules.get("margin"))
    sign = 1 if higher else -1
    return Limits(
        overall,
        overall - sign * gap if overall is not None and gap is not None else None,
        -sign * margin if margin is not None else None,
        higher,
    )


def _table(groups: list[Slice]) -> Markup:
    beside = any(one.champion or one.difference for one in groups)
    rows = [
        (
            tag("code", words.line(one.by, 80)),
            words.line(one.value, 80),
            words.number(one.rows),
            cell(one.estimate),
            *((cell(one.champion), cell(one.difference, "+")) if beside else ()),
            words.number(one.gap, 3),
            "◆" if one.stands_out else None,
            markup.status(one.verdict),
            markup.prose(one.reason) if one.reason else None,
        )
        for one in groups[:LISTED]
    ]
    both = ("Champion", "Difference") if beside else ()
    head = ("Column", "Value", "Rows", "New model", *both, "Gap", "Stands out", "Verdict", "")
    return markup.table(head, rows, numbers=range(2, 5 + len(both)), label="Groups of rows")
