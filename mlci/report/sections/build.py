"""The image that is built once: its digest, and its layers with their sizes."""

from __future__ import annotations

from mlci.evidence.record import StepRecord
from mlci.report import facts, markup, words
from mlci.report.markup import Markup, join, tag

_MOST = 200


def build(step: StepRecord) -> Markup:
    """What was built."""
    found = facts.of(step)
    layers = facts.objects(found.get("layers"))
    digest = facts.text(found.get("digest"))
    size = facts.number(found.get("size"))
    sizes = [facts.number(layer.get("size")) or 0.0 for layer in layers]
    most = max(sizes, default=0.0)
    rows = [
        (
            words.line(layer.get("role", ""), 60),
            tag("code", words.line(layer.get("name", ""), 120)),
            markup.digest(facts.text(layer.get("digest"))),
            words.size(facts.number(layer.get("size"))),
            markup.bar(bytes_ / most if most else 0.0, "new"),
            "as before" if layer.get("reused") is True else "new",
        )
        for layer, bytes_ in list(zip(layers, sizes, strict=True))[:_MOST]
    ]
    head = ("Layer", "What", "Digest", "Size", "", "")
    return join(
        markup.facts(
            [
                ("Image", markup.digest(digest) if digest else None),
                ("Size", words.size(size) if size is not None else None),
                ("Layers", words.number(len(layers)) if layers else None),
            ]
        ),
        markup.table(head, rows, numbers=(3,), label="Layers") if rows else None,
        markup.more(_MOST, len(layers)),
    )
