"""What a validation found, for other tools: annotations on the contract's lines, and a SARIF file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from mlci.evidence.record import Run
    from mlci.github import Annotation


@dataclass(frozen=True)
class Validated:
    """The facts of one validation, its contract, the dataset's name (empty: files of the command line), and where the
    project is.
    """

    facts: Mapping[str, Any]
    contract: Path
    dataset: str = ""
    folder: Path | None = None


def validated(run: Run, root: Path) -> list[Validated]:
    """The validations of a run, also those that are reused."""
    found = []
    for step in run.steps:
        kind, _, dataset = step.name.partition(":")
        if kind == "validate" and step.receipt and "violations" in step.receipt.facts:
            contract = next((m.name for m in step.receipt.materials if m.via == "contract"), "")
            found.append(Validated(step.receipt.facts, root / contract, dataset, root))
    return found


def annotate(found: Sequence[Validated]) -> None:
    """On a GitHub runner: each broken rule as an annotation on its line of the contract, on standard error."""
    from mlci import github

    if github.on_runner():
        for line in github.commands([remark for one in found for remark in _annotations(one)]):
            click.echo(line, err=True)


def write_sarif(file: Path, found: Sequence[Validated]) -> None:
    """Write the validations as one SARIF log."""
    from mlci.contract.report.sarif import log, run
    from mlci.files import write_atomic
    from mlci.store.atomic import writing

    root = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd())
    runs = [run(one.facts, one.contract, root, one.dataset, one.folder) for one in found]
    with writing(file):
        write_atomic(file, json.dumps(log(runs), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _annotations(one: Validated) -> Iterator[Annotation]:
    from mlci import github
    from mlci.contract.report.sarif import level, times

    since = (one.facts.get("since") or {}).get("rules", ())
    for i, violation in enumerate(one.facts["violations"]):
        said = f"expected {violation['expected']}; {times(violation, one.facts['rows'])}"
        said += f" in {one.dataset}" if one.dataset else ""
        remark = since[i]["says"] if i < len(since) else ""
        yield github.Annotation(
            "error" if level(violation) == "error" else "warning",
            f"{violation['column'] or 'the table'}: {violation['rule']}",
            f"{said}. {remark}" if remark else said,
            (one.folder or one.contract.parent) / violation["where"] if violation.get("where") else one.contract,
            violation.get("line"),
        )
