"""How the model was made: what went in, what it measured, what came out."""

from __future__ import annotations

from typing import Any

from mlci.evidence.record import StepRecord
from mlci.report import facts, markup, words
from mlci.report.broken import cell
from mlci.report.markup import Child, Markup, join, tag

_MOST = 200


def train(step: StepRecord) -> Markup:
    """What the training left."""
    found = facts.of(step)
    tracking = facts.mapping(found.get("tracking"))
    outputs = facts.mapping(found.get("outputs"))
    seconds = facts.number(found.get("seconds"))
    run_id = words.line(facts.text(tracking.get("run_id")), 120)
    return join(
        markup.facts(
            [
                ("Training time", words.duration(seconds) if seconds is not None else None),
                ("Tracking run", tag("code", run_id) if run_id else None),
                ("Tracked in", tag("code", words.line(facts.text(tracking.get("uri")), 200)) if run_id else None),
            ]
        ),
        _outputs(outputs) if outputs else None,
        tag(
            "div",
            _pairs(
                "Metric", {n: words.number(facts.number(v)) for n, v in facts.mapping(found.get("metrics")).items()}
            ),
            _pairs("Parameter", {n: cell(v) for n, v in facts.mapping(found.get("params")).items()}),
            class_="columns",
        ),
    )


def _outputs(outputs: dict[str, Any]) -> Markup:
    rows: list[tuple[Child, ...]] = []
    for name, raw in sorted(outputs.items())[:_MOST]:
        one = facts.mapping(raw)
        size, files = facts.number(one.get("size")), facts.number(one.get("files"))
        digest = facts.text(one.get("digest"))
        rows.append((words.line(name, 120), markup.digest(digest), words.number(files), words.size(size)))
    return markup.table(("Output", "Digest", "Files", "Size"), rows, numbers=(2, 3), label="Outputs")


def _pairs(what: str, values: dict[str, str]) -> Markup | None:
    if not values:
        return None
    rows = [(tag("code", words.line(name, 120)), value) for name, value in sorted(values.items())[:_MOST]]
    return tag(
        "div",
        markup.table((what, "Value"), rows, numbers=(1,), label=f"{what}s"),
        markup.more(_MOST, len(values)),
    )
