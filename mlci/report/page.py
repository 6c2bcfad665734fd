"""The report of a run as one HTML page that needs nothing else: no network, no script, no font.

What decided comes first. Everything that a run carries was written by others, so it is escaped by `markup`, and the
page's policy lets a browser load nothing even if that should ever fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from mlci.evidence.receipt import Receipt
from mlci.evidence.record import Run, StepRecord
from mlci.report import facts, graph, markup, svg, words
from mlci.report.lineage import lineage
from mlci.report.markup import Markup, join, tag
from mlci.report.sections import BODIES
from mlci.report.verdict import verdict

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_STEPS, _MATERIALS, _HISTORY = 200, 300, 30


def html(run: Run, *, history: Sequence[Run] = ()) -> str:
    """The page for a run; `history` are earlier runs of the project, oldest first."""
    decided = verdict(run)
    steps = run.steps[:_STEPS]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{decided.answer}: {words.line(run.project, 80)} {words.line(run.id, 80)}"),
        tag("link", rel="icon", href="data:,"),
        tag("style", _style()),
    )
    body = tag(
        "body",
        tag("header", _headline(run), class_="page"),
        tag(
            "main",
            tag("section", tag("h2", "Steps"), _steps(steps), class_="card", id="steps"),
            [_section(n, step) for n, step in enumerate(steps) if not _left_out(step)],
            _not_run(steps),
            markup.more(_STEPS, len(run.steps), "more steps"),
            _lineage(run),
            _history(history),
        ),
        tag("footer", "Made by mlci. Digests are shown short: a click selects the whole of one.", class_="page"),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


@cache
def _style() -> Markup:
    return Markup(files("mlci.report").joinpath("style.css").read_text(encoding="utf-8"))


def _headline(run: Run) -> Markup:
    decided = verdict(run)
    return join(
        tag(
            "p", tag("strong", words.line(run.project, 80)), " ", tag("span", words.line(run.id, 80)), class_="project"
        ),
        tag(
            "div",
            svg.mark(decided.status),
            tag(
                "div",
                tag("h1", decided.answer),
                tag("p", decided.reason),
                tag("p", decided.aftermath, class_="muted") if decided.aftermath else None,
            ),
            class_=f"verdict {decided.status}",
        ),
        _about(run),
    )


def _about(run: Run) -> Markup:
    own = newest(run)
    source = facts.mapping(own.source) if own else {}
    commit = facts.text(source.get("commit"))
    dirty = ", with changes that are not committed" if source.get("dirty") else ""
    return markup.facts(
        [
            ("When", words.when(run.started)),
            ("Took", words.duration(words.between(run.started, run.finished))),
            ("By", _who(own)),
            ("Commit", join(markup.commit(commit), dirty) if commit else None),
            ("Command", tag("code", words.line(run.command, 300))),
            ("Ended with", f"exit code {run.exit_code}"),
        ]
    )


def newest(run: Run) -> Receipt | None:
    """The receipt that says who ran it and on which commit: the newest that this run made, else the newest at all."""
    known = [step for step in run.steps if step.receipt]
    own = [step for step in known if not step.reused] or known
    return max((s.receipt for s in own if s.receipt), key=lambda r: str(r.finished), default=None)


def _who(receipt: Receipt | None) -> Markup | None:
    builder = facts.mapping(receipt.builder) if receipt else {}
    user, host, ci = (words.line(facts.text(builder.get(key)), 200) for key in ("user", "host", "ci"))
    if ci.startswith("https://"):
        return join(user, ", in ", tag("a", "this CI run", href=ci, rel="noopener noreferrer"))
    return join(" on ".join(filter(None, (user, host or ci)))) or None


def _steps(steps: Sequence[StepRecord]) -> Markup:
    order = {step.name: n for n, step in enumerate(steps)}
    nodes = []
    for n, step in enumerate(steps):
        kind, _, name = step.name.partition(":")
        timed = step.status not in ("skipped", "error")
        took = "reused" if step.reused else words.duration(step.seconds) if timed else ""
        note = ", ".join(filter(None, (words.state(step.status), took)))
        title = f"{words.line(step.name)}: {note}. {words.line(step.summary)}"
        look = f"{step.status} reused" if step.reused else step.status
        nodes.append(graph.Node(f"{n}", kind, name, note, look, step.status, f"#step-{n}", title))
    edges = [graph.Edge(f"{order[b]}", f"{n}") for n, step in enumerate(steps) for b in step.after if b in order]
    return graph.draw(nodes, edges, "The steps of the run and what each waited for")


def _section(n: int, step: StepRecord) -> Markup:
    body = BODIES.get(words.kind(step.name))
    place = words.line(step.origin, 200) or "an earlier run"
    took = f"reused from {place}" if step.reused else words.duration(step.seconds)
    return tag(
        "section",
        tag(
            "div",
            tag("h2", words.title(step.name)),
            markup.status(step.status),
            tag("span", took, class_="muted") if step.status != "skipped" else None,
            class_="title",
        ),
        _summary(step),
        _findings(step),
        body(step) if body else None,
        _record(step.receipt) if step.receipt else None,
        class_="card",
        id=f"step-{n}",
    )


def _left_out(step: StepRecord) -> bool:
    return step.status == "skipped" and step.receipt is None


def _not_run(steps: Sequence[StepRecord]) -> Markup | None:
    """The steps that were not run, together."""
    rows = [
        (tag("span", words.title(step.name), id=f"step-{n}"), markup.prose(step.summary), words.line(step.help))
        for n, step in enumerate(steps)
        if _left_out(step)
    ]
    if not rows:
        return None
    table = markup.table(("Step", "Why", ""), rows, label="Steps that were not run")
    return tag("section", tag("div", tag("h2", "Not run"), class_="title"), table, class_="card")


def _summary(step: StepRecord) -> Markup:
    text = words.clean(step.summary, 4000).strip()
    if words.kind(step.name) == "gate" and len(text) < 400:
        text = words.sentence(text)  # it is what the verdict hangs on
    said = tag("pre", text, tabindex="0") if "\n" in text else tag("p", text, class_="summary") if text else None
    return join(
        said, tag("p", tag("strong", "What to do: "), words.clean(step.help), class_="callout") if step.help else None
    )


def _findings(step: StepRecord) -> Markup | None:
    shown = facts.findings(step)
    items = [
        tag(
            "li",
            tag("strong", f"{words.line(f.level, 20).capitalize()}: "),
            words.line(f.title),
            tag("span", f" {words.line(f.detail, 500)}", class_="muted") if f.detail else None,
        )
        for f in shown[:50]
    ]
    return join(tag("ul", items, class_="findings"), markup.more(50, len(shown))) if items else None


def _record(receipt: Receipt) -> Markup:
    versions = facts.mapping(facts.mapping(receipt.builder).get("versions"))
    source = facts.mapping(receipt.source)
    commit = facts.text(source.get("commit"))
    rows = [
        (tag("code", words.line(m.name, 200)), markup.digest(m.digest), words.line(m.via, 120))
        for m in receipt.materials
    ]
    return markup.details(
        f"Evidence: {words.count(len(receipt.materials), 'thing')} read, by whom, with what",
        markup.facts(
            [
                ("Started", words.when(receipt.started)),
                ("Finished", words.when(receipt.finished)),
                ("By", _who(receipt)),
                ("Commit", join(markup.commit(commit), ", changed" if source.get("dirty") else "") if commit else None),
                ("Versions", ", ".join(words.line(f"{n} {v}", 80) for n, v in sorted(versions.items()))),
                ("Key", markup.digest(receipt.key)),
                *(
                    (f"Left: {words.line(name, 60)}", markup.digest(digest))
                    for name, digest in sorted(receipt.subjects.items())
                ),
            ]
        ),
        markup.table(("Read", "Digest", "Because of"), rows[:_MATERIALS], label="What the step read") if rows else None,
        markup.more(_MATERIALS, len(rows)),
    )


def _lineage(run: Run) -> Markup | None:
    found = lineage(run)
    if not found.artefacts:
        return None
    rows = [
        (
            a.kind,
            words.line(a.name, 120),
            tag("code", words.line(a.digest, 200)) if a.digest else "–",
            tag("code", a.step),
            words.line(a.note, 120),
        )
        for a in found.artefacts.values()
    ]
    head = ("What", "Name", "Digest", "Step", "")
    return tag(
        "section",
        tag("h2", "Lineage"),
        tag("p", "What came of what. Dashed: judged by it, or offered and not kept.", class_="muted"),
        graph.draw(found.nodes(), found.edges, "From data and code to the environments", width=184),
        markup.details("The same as a table, with whole digests", markup.table(head, rows, label="Lineage")),
        class_="card",
        id="lineage",
    )


def _history(history: Sequence[Run]) -> Markup | None:
    if not history:
        return None
    rows = []
    for run in list(reversed(history))[:_HISTORY]:
        decided = verdict(run)
        rows.append((words.line(run.id, 80), words.when(run.started), markup.status(decided.status), decided.answer))
    table = markup.table(("Run", "When", "Verdict", ""), rows, label="Earlier runs")
    return tag(
        "section", tag("h2", "Earlier runs"), table, markup.more(_HISTORY, len(history)), class_="card", id="history"
    )
