"""A promotion, or a rollback of one: which digest takes the place of which, and every rule that was asked."""

from __future__ import annotations

from mlci.evidence.record import StepRecord
from mlci.report import facts, markup, words
from mlci.report.markup import Markup, join, tag

_MOST = 100


def promote(step: StepRecord) -> Markup:
    """What was promoted, and why it might be."""
    found = facts.of(step)
    digest, previous = facts.text(found.get("digest")), facts.text(found.get("previous"))
    number = facts.number(found.get("number"))
    why = words.line(facts.text(found.get("why")), 300)
    reasons = facts.objects(found.get("reasons"))
    rows = [
        (
            tag("code", words.line(one.get("rule", ""), 80)),
            markup.status("pass", "met") if one.get("ok") is True else markup.status("fail", "not met"),
            markup.prose(facts.text(one.get("detail"))),
        )
        for one in reasons[:_MOST]
    ]
    same = digest and digest == previous
    return join(
        markup.facts(
            [
                ("Environment", words.line(facts.text(found.get("environment")), 80)),
                ("Number", words.number(number) if number is not None else None),
                ("Image", markup.digest(digest) if digest else None),
                (
                    "Was before",
                    "the same" if same else markup.digest(previous) if previous else "nothing" if found else None,
                ),
                ("Why", why if why != "promoted" else None),
            ]
        ),
        markup.table(("Rule", "Verdict", "What shows it"), rows, label="Rules") if rows else None,
        markup.more(_MOST, len(reasons)),
        tag("p", "The environment asks for nothing.", class_="muted") if found and not reasons and not why else None,
    )
