"""How the new version took the traffic, and whether it kept it: the timeline, what happened, the counts."""

from __future__ import annotations

from typing import Any

from mlci.evidence.record import StepRecord
from mlci.report import facts, markup, words
from mlci.report.facts import Counts, Point
from mlci.report.markup import Markup, join, tag
from mlci.report.timeline import events, timeline_plot

OUTCOMES = {
    "deployed": "the new version serves",
    "rolled-back": "the new version was taken back",
    "unchanged": "nothing to change: it served already",
}
_EVENTS = 100


def deploy(step: StepRecord) -> Markup:
    """What the deployment did."""
    found = facts.of(step)
    points = facts.timeline(found)
    reason = words.line(facts.text(found.get("reason")), 500)
    plot = timeline_plot(points)
    return join(
        tag("p", tag("strong", "Why: "), reason, class_="callout") if reason and reason not in step.summary else None,
        _about(found),
        _traffic(facts.mapping(found.get("traffic"))),
        tag("figure", markup.scroll(plot, "The deployment over time"), _caption(points), class_="wide-figure")
        if plot
        else None,
        tag("div", _events(points), _counts(points), class_="columns"),
    )


def _about(found: dict[str, Any]) -> Markup:
    digest, previous = facts.text(found.get("digest")), facts.text(found.get("previous"))
    endpoint = words.line(facts.text(found.get("endpoint")), 200)
    outcome = facts.text(found.get("outcome"))
    return markup.facts(
        [
            ("Outcome", OUTCOMES.get(outcome, words.line(outcome, 60))),
            ("New version", markup.digest(digest) if digest else None),
            ("Earlier version", markup.digest(previous) if previous else "none" if found else None),
            ("Endpoint", tag("code", endpoint) if endpoint else None),
            ("Strategy", words.line(facts.text(found.get("strategy")), 60)),
            ("Runs as", words.line(facts.text(found.get("driver")), 60)),
        ]
    )


def _traffic(traffic: dict[str, Any]) -> Markup | None:
    counts = {name: facts.number(traffic.get(name)) for name in ("sent", "answered", "errors", "lost", "resent")}
    if all(value is None for value in counts.values()):
        return None
    titles = {
        "sent": "Requests sent",
        "answered": "Answered",
        "errors": "Answered with an error",
        "lost": "Lost",
        "resent": "Sent again",
    }
    lost = counts["lost"]
    return tag(
        "div",
        [
            tag(
                "div",
                tag("b", words.number(value)),
                tag("span", titles[name]),
                class_="tile fail" if name == "lost" and lost else "tile",
            )
            for name, value in counts.items()
            if value or (value is not None and name != "resent")
        ],
        class_="tiles",
    )


def _caption(points: list[Point]) -> Markup | None:
    threshold = next((p.threshold for p in reversed(points) if p.threshold and p.threshold >= 1), None)
    kinds = len({name for p in points for name in p.harm})
    if threshold is None or not kinds:
        return None
    return tag(
        "figcaption",
        "Evidence starts at 1 and grows when the new version does worse than the earlier one in the same time. "
        f"At {words.number(threshold)} the version is taken back; to one that is not worse this happens "
        f"in at most {words.share(kinds, threshold)} of deployments, however long they are watched.",
    )


def _events(points: list[Point]) -> Markup | None:
    happened = events(points)
    if not happened:
        return None
    rows = [
        (
            str(n),
            words.duration(p.t),
            words.line(p.phase, 40).replace("-", "\u2011"),
            words.share(p.weight, 1) if p.weight is not None else "–",
            _event(p),
        )
        for n, p in enumerate(happened[:_EVENTS], 1)
    ]
    head = ("", "After", "Phase", "Share", "What happened")
    return tag(
        "div",
        markup.table(head, rows, numbers=(0, 1, 3), label="Events"),
        markup.more(_EVENTS, len(happened), "more events"),
    )


def _event(point: Point) -> Markup:
    said = markup.prose(point.event)
    return tag("strong", said) if point.phase == "rollback" else said


def _counts(points: list[Point]) -> Markup | None:
    if not points:
        return None
    last = points[-1]
    versions: list[tuple[str, Counts]] = [("Earlier version", last.stable), ("New version", last.canary)]
    if not any(counts.requests for _, counts in versions):
        return None
    rows = [
        (
            name,
            words.number(c.requests),
            words.number(c.errors),
            words.share(c.errors, c.requests) if c.requests else "–",
        )
        for name, c in versions
    ]
    return markup.table(("While watched", "Requests", "Failed", "Share"), rows, numbers=(1, 2, 3), label="Counts")
