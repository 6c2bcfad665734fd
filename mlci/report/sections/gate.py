"""Is the new model good enough? Every metric beside its limits, alone and against the champion; then groups of rows."""

from __future__ import annotations

from typing import Any

from mlci.evidence.record import StepRecord
from mlci.report import facts, markup, words
from mlci.report.facts import Estimate, Metric, Slice
from mlci.report.intervals import metric_plot, slices_plot
from mlci.report.markup import Child, Markup, join, tag
from mlci.report.sections.suites import suites

RULES = {
    "min": "at least {}",
    "max": "at most {}",
    "margin": "not worse than the champion by more than {}",
    "improve": "better than the champion by more than {}",
}
_METRICS, _PLOTTED, _LISTED = 40, 40, 500


def gate(step: StepRecord) -> Markup:
    """What the gate measured and decided."""
    found = facts.of(step)
    metrics = facts.metrics(found)
    groups = facts.slices(found)
    return join(
        _about(found),
        _legend(found, metrics),
        tag("div", [_figure(metric) for metric in metrics[:_METRICS]], class_="figures") if metrics else None,
        _numbers(metrics) if metrics else None,
        _slices(step, metrics, groups) if groups else None,
        _skipped(found),
        _self_test(found),
        suites(found),
    )


def _about(found: dict[str, Any]) -> Markup:
    numbers = {key: facts.number(found.get(key)) for key in ("rows", "positives", "confidence")}
    rows, positives, confidence = numbers["rows"], numbers["positives"], numbers["confidence"]
    champion = facts.text(found.get("champion"))
    size = facts.mapping(found.get("size"))
    return markup.facts(
        [
            ("Rows", words.number(rows) if rows is not None else None),
            (
                "Positive",
                f"{words.number(positives)} ({words.share(positives, rows or 0)})" if positives is not None else None,
            ),
            ("Confidence", words.share(confidence, 1) if confidence is not None else None),
            ("Champion", markup.digest(champion) if champion else "none yet" if found else None),
            ("Model size", _size(size) if size else None),
            ("Family-wise level", _family(facts.mapping(found.get("family")))),
            ("Self-test", _tried(found)),
        ]
    )


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
    planted = facts.objects(facts.mapping(found.get("self_test")).get("planted"))[:_LISTED]
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
    return join(words.size(facts.number(size.get("bytes"))), of, markup.status(facts.text(size.get("verdict"))))


def _legend(found: dict[str, Any], metrics: list[Metric]) -> Markup | None:
    if not any(metric.challenger for metric in metrics):
        return None
    confidence = facts.number(found.get("confidence"))
    sure = f"interval, each end a {words.share(confidence, 1)} bound" if confidence is not None else "interval"
    champion = (
        join(tag("span", class_="key old"), " champion (serves now), on the same rows. ")
        if found.get("champion")
        else None
    )
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
    asked = [tag("li", markup.status(r.verdict), " ", asked_for(r.rule, r.limit)) for r in metric.rules]
    return tag(
        "figure",
        tag("figcaption", tag("code", words.line(metric.name, 80)), " ", markup.status(metric.verdict)),
        plot or tag("p", "There are no numbers to draw.", class_="muted"),
        tag("ul", asked or tag("li", "only measured: no limit is set"), class_="rules"),
    )


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
            interval(metric.challenger),
            interval(metric.champion),
            interval(metric.difference, "+"),
        )
        method = markup.prose(metric.method, 120)
        sight = words.number(metric.detectable, 2) if metric.detectable is not None else None
        for n, rule in enumerate(metric.rules):
            shown = measured if n == 0 else (None,) * 4
            reason = markup.prose(rule.reason)
            rows.append(
                (
                    *shown,
                    sight if n == 0 else None,
                    markup.prose(asked_for(rule.rule, rule.limit)),
                    markup.status(rule.verdict),
                    reason,
                    method,
                )
            )
        if not metric.rules:
            rows.append((*measured, sight, "no limit", None, None, method))
    head = ("Metric", "New model", "Champion", "Difference", "Shows from", "Asked for", "Verdict", "Reason", "Method")
    about = "“Shows from”: the smallest regression that holdouts like this one call worse in four of five cases."
    return join(
        tag("h3", "The same in numbers"),
        markup.table(head, rows[:_LISTED], numbers=(1, 2, 3, 4), label="Metrics"),
        tag("p", about, class_="muted") if any(metric.detectable is not None for metric in metrics) else None,
    )


def interval(one: Estimate | None, sign: str = "") -> Markup | None:
    """A value, and its interval under it."""
    if one is None:
        return None
    value, low, high = (words.fixed(v, one.spread, sign) for v in (one.value, one.low, one.high))
    return join(value, tag("small", f"{low} to {high}"))


def _slices(step: StepRecord, metrics: list[Metric], groups: list[Slice]) -> Markup:
    whole = next((m for m in metrics if m.name == groups[0].metric), None)
    overall = whole.challenger.value if whole and whole.challenger else None
    config = facts.mapping(facts.mapping(step.receipt.config).get("slices")) if step.receipt else {}
    gap = facts.number(config.get("max_gap"))
    limit = None
    if whole and overall is not None and gap is not None:
        limit = overall - gap if whole.higher_is_better else overall + gap
    plot = slices_plot(groups[:_PLOTTED], overall, limit)
    title = join("Groups of rows: ", tag("code", words.line(groups[0].metric, 80)))
    rest = len(groups) - _PLOTTED
    return join(
        tag("h3", title),
        tag(
            "p",
            f"The {_PLOTTED} worst; the other {rest:,} are in the table." if rest > 0 else "The worst first.",
            class_="muted",
        ),
        markup.scroll(plot, "Groups of rows, as a plot") if plot else None,
        markup.details(
            f"All {words.count(len(groups), 'group')} as a table", _table(groups), markup.more(_LISTED, len(groups))
        ),
    )


def _skipped(found: dict[str, Any]) -> Markup | None:
    """The groups that were not judged, by column and reason."""
    lines = [
        f"{words.count(facts.number(one.get('groups')), 'group')} of {words.line(one.get('by', ''), 80)} "
        f"({words.count(facts.number(one.get('rows')), 'row')}): {words.line(one.get('reason', ''), 200)}"
        for one in facts.objects(found.get("slices_skipped"))[:20]
    ]
    return tag("p", "Not judged: " + "; ".join(lines), class_="muted") if lines else None


def _table(groups: list[Slice]) -> Markup:
    rows = [
        (
            tag("code", words.line(one.by, 80)),
            words.line(one.value, 80),
            words.number(one.rows),
            interval(one.estimate),
            words.number(one.gap, 3),
            interval(one.difference, "+"),
            markup.status(one.verdict),
            markup.prose(one.reason) if one.reason else None,
        )
        for one in groups[:_LISTED]
    ]
    head = ("Column", "Value", "Rows", "Estimate", "Gap", "To champion", "Verdict", "")
    return markup.table(head, rows, numbers=(2, 3, 4, 5), label="Groups of rows")
