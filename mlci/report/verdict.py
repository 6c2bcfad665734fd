"""The first sentence of a report: may it ship, and if not, what stopped it, and where."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mlci.errors import INTERRUPTED
from mlci.evidence.record import Run, StepRecord
from mlci.report import facts, words


@dataclass(frozen=True)
class Verdict:
    """A status for the colour, the answer in a few words, the reason, and what was not done because of it."""

    status: str
    answer: str
    reason: str
    aftermath: str = ""


def verdict(run: Run) -> Verdict:
    """Judge a run by its steps: what was taken back or failed counts before what could not finish."""
    for status in ("rolled-back", "fail", "error"):
        stopped = [step for step in run.steps if step.status == status]
        if stopped:
            return _stopped(run, stopped[0])
    skipped = [step for step in run.steps if step.status == "skipped"]
    if skipped:
        return Verdict("error", "No verdict", f"The run was stopped before {_names(skipped[:1])}.", _not_run(run))
    if not run.steps:
        return Verdict("error", "No verdict", "This run had no steps.")
    return _passed(run)


def _stopped(run: Run, step: StepRecord) -> Verdict:
    kind, _, name = step.name.partition(":")
    name, why = words.line(name, 80), words.sentence(step.summary)
    found = facts.of(step)
    if step.status == "rolled-back":
        reason = words.sentence(found.get("reason") or step.summary)
        previous = facts.text(found.get("previous"))
        still = f" {words.short(previous)} serves {name} as before." if previous else ""
        return Verdict(
            "rolled-back", f"It was taken back from {name or 'its environment'}", reason + still, _not_run(run)
        )
    if run.exit_code == INTERRUPTED:
        return Verdict("error", "Interrupted", f"{words.title(step.name)} was stopped. {why}", _not_run(run))
    if step.status == "error":
        reason = f"{words.title(step.name)} could not finish. {why}"
        return Verdict("error", "No verdict", reason, _not_run(run))
    if kind == "gate" and found.get("asks") is True:
        return Verdict("fail", "A person has to decide", f"The quality gate cannot tell. {why}", _not_run(run))
    said = {
        "validate": f"The data “{name}” breaks its contract.",
        "gate": "The new model did not pass the quality gate.",
        "promote": f"The rules of {name or 'the environment'} are not met.",
    }.get(kind, f"{words.title(step.name)} failed.")
    answer = f"It must not ship to {name}" if kind == "promote" and name else "It must not ship"
    return Verdict("fail", answer, f"{said} {why}".strip(), _not_run(run))


def _passed(run: Run) -> Verdict:
    """What passed, with what the gate's yes hangs on."""
    found = _shipped(run)
    hangs = next((step.summary for step in run.steps if words.kind(step.name) == "gate"), "")
    return replace(found, reason=f"{found.reason} {words.sentence(hangs)}".strip())


def _shipped(run: Run) -> Verdict:
    last = run.steps[-1]
    kind, _, name = last.name.partition(":")
    name, digest = words.line(name, 80), words.short(facts.text(facts.of(last).get("digest"))) or "The image"
    judged = any(words.kind(step.name) == "gate" for step in run.steps)
    if kind == "deploy":
        return Verdict("pass", f"It shipped to {name}", f"Every step passed, and {digest} serves {name}.")
    if kind == "rollback":
        return Verdict("pass", f"{name} was rolled back", f"It is on {digest} again.")
    if not judged and kind != "promote":
        return Verdict("pass", "Passed", "Every step of this run passed; no quality gate judged the model in it.")
    if kind == "promote":
        return Verdict("pass", f"It may ship to {name}", f"Every rule is met, and {digest} is promoted to {name}.")
    if kind == "build":
        return Verdict("pass", "It may ship", f"Every check passed, and {digest} is built. This run promoted nothing.")
    return Verdict("pass", "It may ship", "Every check passed. This run built nothing.")


def _not_run(run: Run) -> str:
    skipped = [step for step in run.steps if step.status == "skipped"]
    return f"Not run because of it: {_names(skipped)}." if skipped else ""


def _names(steps: list[StepRecord]) -> str:
    shown = ", ".join(words.line(step.name, 60) for step in steps[:8])
    return shown + (f" and {len(steps) - 8} more" if len(steps) > 8 else "")
