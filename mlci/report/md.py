"""The report of a run as Markdown for GitHub: a job's summary, a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlci.evidence.receipt import Receipt
from mlci.evidence.record import Run, StepRecord
from mlci.report import facts, gfm, words
from mlci.report.gfm import MARKS, judged
from mlci.report.gfm_steps import BODIES
from mlci.report.lineage import lineage
from mlci.report.page import newest
from mlci.report.verdict import verdict

LIMIT = 60_000
"""Bytes of UTF-8; GitHub takes 65,536 characters in a comment."""
_MATERIALS, _NODES, _ARTEFACTS = 30, 60, 40


def markdown(run: Run) -> str:
    """The page's facts in less than `LIMIT` bytes. What does not fit is named, from the last step on."""
    head = "\n\n".join(filter(None, (*_head(run), _graph(run.steps))))
    tail = _lineage(run)
    room = LIMIT - _bytes(head) - _bytes(tail) - 200
    parts = [head]
    for n, step in enumerate(run.steps):
        full, short = _step(step, full=True), _step(step, full=False)
        part = full if _bytes(full) + 2 <= room else short
        if _bytes(part) + 2 > room:
            parts.append(f"… and {len(run.steps) - n:,} more steps: they are in the HTML report.")
            break
        parts.append(part)
        room -= _bytes(part) + 2
    return "\n\n".join([*parts, tail]).strip() + "\n"


def _bytes(text: str) -> int:
    return len(text.encode())


def _head(run: Run) -> list[str]:
    decided = verdict(run)
    own = newest(run)
    builder = facts.mapping(own.builder) if own else {}
    source = facts.mapping(own.source) if own else {}
    commit = facts.text(source.get("commit"))
    who = [facts.text(builder.get(key)) for key in ("user", "host", "ci")]
    about = [
        ("Run", gfm.code(run.id)),
        ("When", f"{_when(run.started)}, {words.duration(words.between(run.started, run.finished))}"),
        ("By", " on ".join(gfm.prose(w, 200) for w in who if w)),
        (
            "Commit",
            gfm.code(commit[:12]) + (" with changes that are not committed" if source.get("dirty") else "")
            if commit
            else "",
        ),
        ("Command", gfm.code(run.command, 200)),
        ("Exit code", str(run.exit_code)),
    ]
    return [
        f"## {MARKS[decided.status]} {gfm.prose(run.project, 80)}: {gfm.prose(decided.answer)}",
        f"**Why:** {gfm.prose(decided.reason, 900)}",
        gfm.prose(decided.aftermath, 900),
        gfm.table(("", ""), [pair for pair in about if pair[1]]),
    ]


def _when(timestamp: str) -> str:
    return words.when(timestamp) if words.moment(timestamp) else gfm.code(timestamp) or "–"


def _graph(steps: Sequence[StepRecord]) -> str:
    """The steps as a Mermaid graph. Labels keep letters, digits and a few signs: nothing in them is syntax."""
    order = {step.name: n for n, step in enumerate(steps[:_NODES])}
    if len(order) < 2:
        return ""
    lines = ["graph LR"]
    for name, n in order.items():
        step = steps[n]
        label = re.sub(r"[^\w .,:/+-]", "_", words.line(name, 40))
        said = words.state(step.status) + (", reused" if step.reused else "")
        lines.append(f'  s{n}["{label}<br/>{said}"]:::{step.status.replace("-", "")}')
        lines += [f"  s{order[before]} --> s{n}" for before in step.after if before in order]
    lines += [
        "  classDef pass stroke:#1a7f37,stroke-width:2px",
        "  classDef fail stroke:#cf222e,stroke-width:3px",
        "  classDef rolledback stroke:#bf8700,stroke-width:3px",
        "  classDef error stroke:#bf8700,stroke-width:3px",
        "  classDef skipped stroke-dasharray:4 3",
    ]
    return gfm.block(lines, "mermaid")


def _step(step: StepRecord, *, full: bool) -> str:
    place = f" from {words.line(step.origin, 200)}" if step.origin else ""
    took = f"reused{place}" if step.reused else words.duration(step.seconds)
    state = judged(step.status) + (f", {took}" if step.status != "skipped" else "")
    lines = words.clean(step.summary, 1500).strip().splitlines()
    said = gfm.block(lines) if len(lines) > 1 else f"**{state}.** {gfm.prose(''.join(lines), 600)}"
    parts = [f"### {gfm.prose(words.title(step.name), 120)}", *([f"**{state}**"] if len(lines) > 1 else []), said]
    if step.help:
        parts.append(f"**What to do:** {gfm.prose(step.help, 600)}")
    body = BODIES.get(words.kind(step.name))
    if full:
        parts += _findings(step)
        parts += body(step) if body else []
        parts += [_record(step.receipt)] if step.receipt else []
    return "\n\n".join(filter(None, parts))


def _findings(step: StepRecord) -> list[str]:
    shown = facts.findings(step)
    lines = [f"- **{gfm.prose(f.level, 20)}:** {gfm.prose(f.title)} {gfm.prose(f.detail)}".rstrip() for f in shown[:20]]
    return ["\n".join(lines), gfm.more(20, len(shown), "findings")]


def _record(receipt: Receipt) -> str:
    materials = [(gfm.code(m.name), gfm.digest(m.digest), gfm.prose(m.via, 80)) for m in receipt.materials]
    versions = facts.mapping(facts.mapping(receipt.builder).get("versions"))
    return gfm.details(
        f"Evidence: {words.count(len(materials), 'thing')} read",
        f"Key {gfm.digest(receipt.key)}, finished {_when(receipt.finished)}"
        + "".join(f", {gfm.prose(f'{n} {v}', 60)}" for n, v in sorted(versions.items())[:10]),
        gfm.table(("Read", "Digest", "Because of"), materials[:_MATERIALS]) if materials else "",
        gfm.more(_MATERIALS, len(materials), "things"),
    )


def _lineage(run: Run) -> str:
    artefacts = list(lineage(run).artefacts.values())
    if not artefacts:
        return ""
    rows = [
        (a.kind, gfm.prose(a.name, 80), gfm.code(a.digest) or "–", gfm.code(a.step, 60), gfm.prose(a.note, 80))
        for a in artefacts[:_ARTEFACTS]
    ]
    table = gfm.table(("What", "Name", "Digest", "Step", ""), rows)
    return f"### Lineage\n\n{table}\n\n{gfm.more(_ARTEFACTS, len(artefacts), 'things')}".rstrip()
