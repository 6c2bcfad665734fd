"""What the Markdown says of each kind of step. A new kind is one function and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlci.evidence.record import StepRecord
from mlci.report import facts, gfm, words
from mlci.report.broken import CAUSES, Broken, broken, cell, sample_columns, taken_at_random
from mlci.report.gfm_gate import gate
from mlci.report.sections.deploy import OUTCOMES
from mlci.report.strips import timeline_strips
from mlci.report.timeline import events

_VIOLATIONS, _SAMPLES, _SAMPLE_COLUMNS, _FILES, _LIST = 20, 3, 10, 5, 20
_LEVELS = {"fail": "❌", "warn": "⚠️", "tolerated": "➖"}


def _validate(step: StepRecord) -> list[str]:
    found = facts.of(step)
    rules = broken(found)
    said = facts.text(facts.mapping(found.get("since")).get("says"))
    table = [
        (
            gfm.code(one.column),
            gfm.code(one.rule),
            gfm.prose(one.expected, 80),
            gfm.prose(one.times),
            words.share(one.share, 1) if one.share is not None else "–",
            f"{_LEVELS[one.level]} {one.judged}",
            *([CAUSES.get(one.cause, "–")] if said else []),
        )
        for one in rules[:_VIOLATIONS]
    ]
    columns = facts.objects(found.get("columns"))
    head = ("Column", "Rule", "Expected", "Rows that break it", "Share", "", *(["What changed"] if said else []))
    return [
        gfm.prose(f"{said[:1].upper()}{said[1:]}.", 600) if said else "",
        gfm.table(head, table, numbers=(3, 4)) if table else "",
        gfm.more(_VIOLATIONS, len(rules), "broken rules"),
        *(part for one in rules[:5] for part in _samples(one, columns)),
    ]


def _samples(one: Broken, columns: list[dict[str, Any]]) -> list[str]:
    first, more = one.samples[:_SAMPLES], taken_at_random(one)[:_SAMPLES]
    files = ", ".join(f"{gfm.code(name, 60)} {words.number(count)}" for name, count in one.files[:_FILES])
    rest = f" and {words.count(len(one.files) - _FILES, 'more file')}" if len(one.files) > _FILES else ""
    remarks = [gfm.prose(f"{one.since[:1].upper()}{one.since[1:]}.", 400)] if one.since else []
    remarks += [f"Files: {files}{rest}"] if len(one.files) > 1 else []
    title = f"Rows that break {gfm.code(one.column)} {gfm.code(one.rule)}:"
    if not first and not more:
        return [f"{title} {' '.join(remarks)}"] if remarks else []
    names = sample_columns(one, [*first, *more], columns)[:_SAMPLE_COLUMNS]
    head = [words.line(name, 24) for name in names]
    lines = gfm.columns(head, [[words.line(cell(row.get(name)), 24) for name in names] for row in (*first, *more)])
    if first and more:
        lines.insert(len(first) + 1, "… and at random")
    return [" ".join([title, *remarks]), gfm.block(lines)]


def _train(step: StepRecord) -> list[str]:
    found = facts.of(step)
    metrics = {n: words.number(facts.number(v)) for n, v in facts.mapping(found.get("metrics")).items()}
    params = {n: cell(v) for n, v in facts.mapping(found.get("params")).items()}
    outputs = [(n, facts.mapping(one)) for n, one in sorted(facts.mapping(found.get("outputs")).items())]
    run_id = facts.text(facts.mapping(found.get("tracking")).get("run_id"))
    return [
        gfm.table(
            ("Output", "Digest", "Size"),
            [
                (gfm.code(n), gfm.digest(facts.text(o.get("digest"))), words.size(facts.number(o.get("size"))))
                for n, o in outputs[:_LIST]
            ],
            numbers=(2,),
        )
        if outputs
        else "",
        _pairs("Metrics", metrics),
        _pairs("Parameters", params),
        f"Tracking run: {gfm.code(run_id)}" if run_id else "",
    ]


def _pairs(name: str, values: dict[str, str]) -> str:
    shown = ", ".join(f"{gfm.code(n, 60)} {gfm.prose(v, 60)}" for n, v in sorted(values.items())[:_LIST])
    rest = gfm.more(_LIST, len(values), "")
    return f"{name}: {shown} {rest}".strip() if values else ""


def _build(step: StepRecord) -> list[str]:
    found = facts.of(step)
    layers = facts.objects(found.get("layers"))
    rows = [
        (
            gfm.prose(one.get("role", ""), 40),
            gfm.code(one.get("name", "")),
            gfm.digest(facts.text(one.get("digest"))),
            words.size(facts.number(one.get("size"))),
            "as before" if one.get("reused") is True else "new",
        )
        for one in layers[:_LIST]
    ]
    digest = facts.text(found.get("digest"))
    return [
        f"Image {gfm.code(digest)}, {words.size(facts.number(found.get('size')))}" if digest else "",
        gfm.table(("Layer", "What", "Digest", "Size", ""), rows, numbers=(3,)) if rows else "",
        gfm.more(_LIST, len(layers), "layers"),
    ]


def _promote(step: StepRecord) -> list[str]:
    found = facts.of(step)
    digest, previous = facts.text(found.get("digest")), facts.text(found.get("previous"))
    reasons = facts.objects(found.get("reasons"))
    rows = [
        (gfm.code(r.get("rule", "")), "✅ met" if r.get("ok") is True else "❌ not met", gfm.prose(r.get("detail", "")))
        for r in reasons[:_LIST]
    ]
    before = gfm.digest(previous) if previous else "nothing"
    return [
        f"Image {gfm.digest(digest)}; before: {before}" if digest else "",
        gfm.table(("Rule", "Verdict", "What shows it"), rows) if rows else "",
        gfm.more(_LIST, len(reasons), "rules"),
    ]


def _deploy(step: StepRecord) -> list[str]:
    found = facts.of(step)
    points = facts.timeline(found)
    outcome, previous = facts.text(found.get("outcome")), facts.text(found.get("previous"))
    traffic = {
        n: facts.number(facts.mapping(found.get("traffic")).get(n))
        for n in ("sent", "answered", "errors", "lost", "resent")
    }
    requests = ", ".join(f"{words.number(v)} {n}" for n, v in traffic.items() if v is not None)
    rows = [
        (
            words.duration(p.t),
            gfm.prose(p.phase, 40),
            words.share(p.weight, 1) if p.weight is not None else "–",
            gfm.prose(p.event),
        )
        for p in events(points)[:_LIST]
    ]
    strips = timeline_strips(points)
    counts = []
    if points:
        last = points[-1]
        counts = [
            f"{name}: {words.number(c.errors)} of {words.count(c.requests, 'request')} failed "
            f"({words.share(c.errors, c.requests)})"
            for name, c in (("earlier version", last.stable), ("new version", last.canary))
            if c.requests
        ]
    said = OUTCOMES.get(outcome, gfm.prose(outcome, 60))
    reason = gfm.prose(facts.text(found.get("reason")), 500)
    return [
        f"Outcome: {said}{f'. Why: {reason}' if reason else ''}" if outcome else "",
        f"New version {gfm.digest(facts.text(found.get('digest')))}, earlier version {gfm.digest(previous)}"
        if found
        else "",
        f"Endpoint: {gfm.code(found.get('endpoint') or '–')}. Requests: {requests}" if requests else "",
        "; ".join(counts),
        gfm.block(strips) if strips else "",
        gfm.table(("After", "Phase", "Share", "What happened"), rows, numbers=(0, 2)) if rows else "",
    ]


BODIES: dict[str, Callable[[StepRecord], list[str]]] = {
    "validate": _validate,
    "train": _train,
    "gate": gate,
    "build": _build,
    "promote": _promote,
    "rollback": _promote,
    "deploy": _deploy,
}
"""By kind of step: blocks of Markdown, of which empty ones are left out. Each takes any facts, also none."""
