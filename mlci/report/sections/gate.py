"""Is the new model good enough? Every metric beside its limits, alone and against the champion; then groups of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlci.evidence.record import StepRecord
from mlci.report import facts, markup, words
from mlci.report.facts import Metric, Rule
from mlci.report.intervals import cell, metric_plot
from mlci.report.markup import Child, Markup, join, tag
from mlci.report.sections.curves import curves
from mlci.report.sections.slices import LISTED, slices
from mlci.report.sections.suites import suites

RULES = {
    "min": "at least {}",
    "max": "at most {}",
    "margin": "not worse than the champion by more than {}",
    "improve": "better than the champion by more than {}",
}
_METRICS, _SEEN, _NAMED = 40, 3, 12


def gate(step: StepRecord) -> Markup:
    """What the gate measured and decided."""
    found = facts.of(step)
    metrics = facts.metrics(found)
    return join(
        tag("p", sight(metrics), class_="muted") if any(m.detectable is not None for m in metrics) else None,
        _about(found),
        _legend(found, metrics),
        tag("div", [_figure(metric) for metric in metrics[:_METRICS]], class_="figures") if metrics else None,
        markup.more(_METRICS, len(metrics), "metrics: they are in the table"),
        _numbers(metrics) if metrics else None,
        slices(step, found, metrics),
        _skipped(found),
        _searched(facts.mapping(found.get("search"))),
        curves(found),
        _self_test(found),
        suites(found),
    )


def _about(found: dict[str, Any]) -> Markup:
    numbers = {key: facts.number(found.get(key)) for key in ("rows", "positives", "confidence")}
    rows, positives, confidence = numbers["rows"], numbers["positives"], numbers["confidence"]
    size = facts.mapping(found.get("size"))
    return markup.facts(
        [
            ("Rows", words.number(rows) if rows is not None else None),
            (
                "Positive",
                f"{words.number(positives)} ({words.share(positives, rows or 0)})" if positives is not None else None,
            ),
            ("Confidence", words.share(confidence, 1) if confidence is not None else None),
            ("Champion", _champion(found)),
            ("Holdout", _looks(found)),
            ("Model size", _size(size) if size else None),
            ("Family-wise level", _family(facts.mapping(found.get("family")))),
            ("Self-test", _tried(found)),
        ]
    )


def _champion(found: dict[str, Any]) -> Markup | str | None:
    """What the new model was compared with, and how that came to be the one."""
    champion, why = facts.text(found.get("champion")), words.line(found.get("champion_is", ""), 200)
    if champion:
        return join(markup.digest(champion), f", {why}" if why else None)
    return f"none: {why}" if why else "none yet" if found else None


def _looks(found: dict[str, Any]) -> Markup | None:
    """The rows by digest, and how many different models they have judged."""
    holdout = facts.mapping(found.get("holdout"))
    models = facts.number(holdout.get("models"))
    if models is None:
        return None
    judged = f", {words.count(models, 'different model')} judged on it" if models > 1 else ", its first model"
    return join(markup.digest(facts.text(holdout.get("digest"))), judged)


def _family(family: dict[str, Any]) -> str | None:
    """The level that all refutations of rules keep together."""
    level, tests = facts.number(family.get("level")), facts.number(family.get("tests"))
    if level is None or not tests:
        return None
    return f"{words.share(level, 1)} over {words.count(tests, 'rule')} against the champion (Holm)"


def _tried(found: dict[str, Any]) -> str | None:
    """On how many planted models the gate did right."""
    planted = facts.objects(facts.mapping(found.get("self_test")).get("planted"))
    right = sum(bool(one.get("bad")) == bool(one.get("stopped")) for one in planted)
    return f"{right} of {words.count(len(planted), 'planted model')} judged right" if planted else None


def _self_test(found: dict[str, Any]) -> Markup | None:
    """The planted models, and what the gate said of each."""
    planted = facts.objects(facts.mapping(found.get("self_test")).get("planted"))[:LISTED]
    if not planted:
        return None
    rows: list[tuple[Child, ...]] = []
    for one in planted:
        bad, stopped = bool(one.get("bad")), bool(one.get("stopped"))
        name, said = words.line(one.get("name", ""), 120), "stopped" if stopped else "let through"
        rows.append(
            (markup.status("pass" if bad == stopped else "fail"), name, said, markup.prose(one.get("reason", "")))
        )
    return markup.details(
        "Can this gate say no? The planted models that it was tried on",
        markup.table(("As it should", "Planted", "Said", "Because"), rows, label="Planted models"),
    )


def _size(size: dict[str, Any]) -> Markup:
    limit = facts.number(size.get("max"))
    of = f" of at most {words.size(limit)} " if limit is not None else " "
    champion = facts.number(size.get("champion"))
    of += f"(champion {words.size(champion)}) " if champion is not None else ""
    return join(words.size(facts.number(size.get("bytes"))), of, markup.status(facts.text(size.get("verdict"))))


def _legend(found: dict[str, Any], metrics: list[Metric]) -> Markup | None:
    if not any(metric.challenger for metric in metrics):
        return None
    confidence = facts.number(found.get("confidence"))
    sure = f"interval, each end a {words.share(confidence, 1)} bound" if confidence is not None else "interval"
    champion = join(tag("span", class_="key old"), " champion, on the same rows. ") if found.get("champion") else None
    return tag(
        "p",
        tag("span", class_="key new"),
        " new model ",
        champion,
        f"Each mark is a value with its {sure}; the shaded side of a limit is not allowed.",
        class_="legend",
    )


def _figure(metric: Metric) -> Markup:
    plot = metric_plot(metric)
    asked = [tag("li", ruled(metric, r), " ", asked_for(r.rule, r.limit)) for r in metric.rules]
    return tag(
        "figure",
        tag("figcaption", tag("code", words.line(metric.name, 80)), " ", markup.status(metric.verdict)),
        plot or tag("p", "There are no numbers to draw.", class_="muted"),
        tag("ul", asked or tag("li", "only measured: no limit is set"), class_="rules"),
    )


def unjudged(metric: Metric, rule: Rule) -> bool:
    """Whether a rule on the difference had no champion to be judged by."""
    return rule.rule in ("margin", "improve") and metric.difference is None and rule.verdict == "pass"


def ruled(metric: Metric, rule: Rule) -> Markup:
    """The verdict of a rule."""
    return markup.status("skipped", "not judged") if unjudged(metric, rule) else markup.status(rule.verdict)


def sight(metrics: Sequence[Metric]) -> str:
    """What rows like these can see at all, in a sentence; the first metrics that have a rule."""
    seen = [m for m in metrics if m.detectable is not None]
    first = sorted(seen, key=lambda m: not m.rules)[:_SEEN]
    parts = [f"{words.number(m.detectable, 2)} in {words.line(m.name, 40)}" for m in first]
    rest = f" (for {words.count(len(seen) - _SEEN, 'more metric')} see the table)" if len(seen) > _SEEN else ""
    return f"Rows like these show a regression of {', '.join(parts)} in four of five cases{rest}." if parts else ""


def asked_for(rule: str, limit: float | None) -> str:
    """A rule in words."""
    return (
        RULES[rule].format(words.number(limit, 10))
        if rule in RULES
        else words.line(f"{rule} {words.number(limit)}", 80)
    )


def _numbers(metrics: list[Metric]) -> Markup:
    rows: list[tuple[Child, ...]] = []
    for metric in metrics:
        measured = (
            tag("code", words.line(metric.name, 80)),
            cell(metric.challenger),
            cell(metric.champion),
            cell(metric.difference, "+"),
        )
        seen = words.number(metric.detectable, 2) if metric.detectable is not None else None
        for n, rule in enumerate(metric.rules):
            shown = measured if n == 0 else (None,) * 4
            reason = markup.prose(rule.reason)
            rows.append(
                (
                    *shown,
                    seen if n == 0 else None,
                    markup.prose(asked_for(rule.rule, rule.limit)),
                    ruled(metric, rule),
                    reason,
                )
            )
        if not metric.rules:
            rows.append((*measured, seen, "no limit", None, None))
    head = ("Metric", "New model", "Champion", "Difference", "Shows from", "Asked for", "Verdict", "Reason")
    about = "“Shows from”: the smallest regression that holdouts like this one call worse in four of five cases."
    return join(
        tag("h3", "The same in numbers"),
        markup.table(head, rows[:LISTED], numbers=(1, 2, 3, 4), label="Metrics"),
        tag("p", about, class_="muted") if any(metric.detectable is not None for metric in metrics) else None,
        _methods(metrics),
    )


def _methods(metrics: list[Metric]) -> Markup | None:
    """How the intervals were made; metrics of one method together."""
    by: dict[str, list[str]] = {}
    for metric in metrics[:LISTED]:
        if metric.method:
            by.setdefault(metric.method, []).append(words.line(metric.name, 80))
    rows = [
        (", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else ""), words.line(how))
        for how, names in by.items()
    ]
    table = markup.table(("Metrics", "Method"), rows, label="Methods")
    return markup.details("How the intervals were made", table) if rows else None


def _skipped(found: dict[str, Any]) -> Markup | None:
    """The groups that were not judged, by column and reason."""
    lines = [
        f"{words.count(facts.number(one.get('groups')), 'group')} of {words.line(one.get('by', ''), 80)} "
        f"({words.count(facts.number(one.get('rows')), 'row')}): {words.line(one.get('reason', ''), 200)}"
        for one in facts.objects(found.get("slices_skipped"))[:20]
    ]
    return tag("p", "Not judged: " + "; ".join(lines), class_="muted") if lines else None


def _searched(search: dict[str, Any]) -> Markup | None:
    """What the slices that were found by search are the worst of."""
    if not search:
        return None
    columns = search.get("columns")
    of = words.count(len(columns) if isinstance(columns, list) else 0, "column")
    pairs = " and of each two" if facts.number(search.get("depth")) == 2 else ""
    left = "; ".join(
        f"{words.line(one.get('column', ''), 80)} ({words.line(one.get('reason', ''), 80)})"
        for one in facts.objects(search.get("left_out"))[:40]
    )
    said = f"Searched {words.count(facts.number(search.get('candidates')), 'group')} of {of}{pairs}."
    return tag("p", said, f" Not searched: {left}." if left else None, class_="muted")
