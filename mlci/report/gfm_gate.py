"""The gate in Markdown: what its verdict hangs on, the metrics as a table, the groups of rows that matter.

GitHub shows no drawings in a comment, so plots are made of characters, and closed at first.
"""

from __future__ import annotations

from typing import Any

from mlci.evidence.record import StepRecord
from mlci.report import facts, gfm, words
from mlci.report.facts import Estimate, Metric, Slice
from mlci.report.gfm_suites import suites
from mlci.report.sections.gate import asked_for, sight, unjudged
from mlci.report.sections.slices import blocked
from mlci.report.strips import metric_strip

_METRICS, _DRAWN, _WORST, _GROUPS = 60, 20, 5, 20


def gate(step: StepRecord) -> list[str]:
    """The blocks of the step; its sentence stands before them."""
    found = facts.of(step)
    metrics = facts.metrics(found)
    drawn = [line for m in metrics[:_DRAWN] for line in (f"{words.line(m.name, 60)}:", *metric_strip(m), "")]
    key = "● new model  ○ champion  ┊ limit, or no difference"
    return [
        _about(found),
        _table(metrics),
        gfm.more(_METRICS, len(metrics), "metrics"),
        gfm.prose(sight(metrics), 400),
        *_groups(facts.slices(found)),
        gfm.details("The metrics as plots", gfm.block([*drawn, key])) if drawn else "",
        *suites(found),
    ]


def _about(found: dict[str, Any]) -> str:
    """The rows, how often models were judged on them, and which champion it was and why."""
    rows, champion = facts.number(found.get("rows")), facts.text(found.get("champion"))
    why = gfm.prose(facts.text(found.get("champion_is")), 200)
    models = facts.number(facts.mapping(found.get("holdout")).get("models"))
    said = [words.count(rows, "row")] if rows is not None else []
    said += [f"champion {gfm.digest(champion)}" + (f" ({why})" if why else "")] if champion else []
    said += [f"no champion: {why}"] if why and not champion else []
    said += [f"{words.count(models, 'different model')} judged on this holdout"] if models else []
    return ", ".join(said)


def _table(metrics: list[Metric]) -> str:
    """A line for each rule; a reason is given for what does not pass, for the numbers say the rest."""
    rows = []
    for metric in metrics[:_METRICS]:
        numbers = (_interval(metric.challenger), _interval(metric.champion), _interval(metric.difference, "+"))
        for n, rule in enumerate(metric.rules):
            shown = (gfm.code(metric.name, 60), *numbers) if n == 0 else ("",) * 4
            said = gfm.judged("skipped", "not judged") if unjudged(metric, rule) else gfm.judged(rule.verdict)
            reason = "" if rule.verdict == "pass" and not unjudged(metric, rule) else gfm.prose(rule.reason)
            rows.append((*shown, gfm.prose(asked_for(rule.rule, rule.limit)), said, reason))
        if not metric.rules:
            rows.append((gfm.code(metric.name, 60), *numbers, "no limit", "", ""))
    head = ("Metric", "New model", "Champion", "Difference", "Asked for", "Verdict", "Reason")
    return gfm.table(head, rows, numbers=(1, 2, 3)) if rows else ""


def _groups(groups: list[Slice]) -> list[str]:
    """The sentence and the worst groups that are not fine; all of them closed."""
    if not groups:
        return []
    worst = [one for one in groups if one.verdict != "pass"][:_WORST]
    title = f"{words.count(len(groups), 'group')} of rows, the worst first"
    return [
        gfm.prose(f"Groups of rows by `{groups[0].metric}`: {blocked(groups)}", 600),
        _listed(worst) if worst else "",
        gfm.details(title, _listed(groups[:_GROUPS]), gfm.more(_GROUPS, len(groups), "groups")),
    ]


def _listed(groups: list[Slice]) -> str:
    beside = any(one.champion or one.difference for one in groups)
    rows = [
        (
            gfm.code(f"{one.by} = {one.value}"),
            words.number(one.rows),
            _interval(one.estimate),
            *((_interval(one.champion), _interval(one.difference, "+")) if beside else ()),
            words.number(one.gap, 3),
            gfm.judged(one.verdict),
        )
        for one in groups
    ]
    both = ("Champion", "Difference") if beside else ()
    head = ("Group", "Rows", "New model", *both, "Gap", "Verdict")
    return gfm.table(head, rows, numbers=range(1, 4 + len(both)))


def _interval(one: Estimate | None, sign: str = "") -> str:
    if one is None:
        return "–"
    value, low, high = (words.fixed(v, one.spread, sign) for v in (one.value, one.low, one.high))
    return f"{value} ({low} to {high})"
