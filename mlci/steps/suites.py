"""The suites of the gate: what they read, as inputs of the step, and what they found, for its receipt."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci import image, process
from mlci.config.judging import Gate
from mlci.config.judging import Suite as Options
from mlci.config.units import command
from mlci.evidence.receipt import Finding, Material
from mlci.gate import suites
from mlci.gate.suites import Asked, Job, Judged, Rows
from mlci.steps.files import expand, materials
from mlci.steps.imports import read_by
from mlci.steps.protocol import Context
from mlci.store import Descriptor

VIA = "suite"
"""How a material came to be read begins with this when only a suite reads it."""
Predict = Callable[[str, Path], None]
"""Write the challenger's predictions for a dataset, by its name, to a file."""


@dataclass(frozen=True)
class Verdicts:
    """What the suites found, as the receipt keeps it; `pages` are in the store."""

    objections: tuple[str, ...] = ()
    facts: tuple[dict[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()
    pages: tuple[Descriptor, ...] = ()

    def summary(self, others: str, passed: bool) -> str:
        """One sentence for the gate: what the suites say where everything else passes, else that first."""
        if not self.objections:
            return others
        more = f"; and {len(self.objections) - 1} more" if len(self.objections) > 1 else ""
        return f"{self.objections[0]}{more}" if passed else f"{others}; and {len(self.objections)} of suites"


def reads(ctx: Context) -> tuple[Material, ...]:
    """What decides on the suites' findings, beside the model and the holdout: tools, programs, the training data."""
    found: list[Material] = []
    for options in _gate(ctx).suites:
        asked = suites.asked(options)
        digest = hashlib.sha256(asked.runs.identity(asked.argument).encode()).hexdigest()
        found.append(Material(suites.name_of(options), f"sha256:{digest}", f"{VIA}: its version"))
        files = []
        if asked.kind == "command":
            named = read_by(ctx.project, command(asked.argument), (), ("gate", "suites"), {})
            files = [(path, f"{VIA}: {via}") for path, via in named]
        if train := suites.training_data(ctx.project.config, options):
            files += [(path, f"{VIA}: its training data") for path in _files(ctx, train)]
        found += materials(ctx.project, ctx.home, files)
    return tuple(dict.fromkeys(found))


def judge(
    ctx: Context, model: Path, holdout: Sequence[Path], challenger: Path, predict: Predict, work: Path
) -> Verdicts:
    """Run every suite, one after the other, and keep their pages."""
    names: dict[str, Path] = {}

    def predicted(train: str) -> Path:
        if train not in names:
            names[train] = work / f"{train}-predictions.parquet"
            ctx.say(f"the challenger predicts {train}, for the suites")
            predict(train, names[train])
        return names[train]

    judged = []
    for at, options in enumerate(_gate(ctx).suites):
        folder = work / f"suite-{at}"
        folder.mkdir()
        ctx.say(f"suite {suites.name_of(options)}")
        judged.append(
            suites.judge(suites.asked(options), _job(ctx, options, model, holdout, challenger, predicted, folder))
        )
        for line in judged[-1].lines():
            ctx.say(line)
    return _verdicts(ctx, judged)


def _verdicts(ctx: Context, judged: Sequence[Judged]) -> Verdicts:
    pages = [image.put_tree(ctx.store, one.html) if one.html else None for one in judged]
    errors = [(f"{one.name}: {found.title}", found.detail) for one in judged for found in one.errors]
    return Verdicts(
        objections=tuple(title for title, _ in errors),
        facts=tuple(one.facts(page.digest if page else None) for one, page in zip(judged, pages, strict=True)),
        findings=tuple(Finding("error", title, detail) for title, detail in errors),
        pages=tuple(page for page in pages if page),
    )


def _job(
    ctx: Context,
    options: Options,
    model: Path,
    holdout: Sequence[Path],
    challenger: Path,
    predicted: Callable[[str], Path],
    folder: Path,
) -> Job:
    gate, asked = _gate(ctx), suites.asked(options)
    train = suites.training_data(ctx.project.config, options)
    answers = predicted(train) if train and asked.runs.wants(asked.argument).predictions else None
    own = folder / "own"
    own.mkdir()
    return Job(
        argument=asked.argument,
        options=options,
        holdout=_rows(gate, asked, holdout, challenger, "the holdout", folder / "holdout"),
        train=_rows(gate, asked, _files(ctx, train), answers, f"the rows of {train}", folder / "train")
        if train
        else None,
        columns=gate.columns,
        task=gate.task,
        root=ctx.project.root,
        folder=own,
        env=process.base_environment({"MLCI_MODEL": str(model)}),
        log=ctx.log("gate"),
        say=ctx.say,
        stop=ctx.stop,
        lock=ctx.lock,
    )


def _rows(gate: Gate, asked: Asked, files: Sequence[Path], answers: Path | None, what: str, folder: Path) -> Rows:
    sample = asked.options.sample or getattr(asked.runs, "SAMPLE", None)
    return suites.write(files, answers, gate.columns, what=what, sample=sample, folder=folder)


def _files(ctx: Context, dataset: str) -> list[Path]:
    return expand(ctx.project, ctx.project.config.data[dataset].path, ("data", dataset, "path"))


def _gate(ctx: Context) -> Gate:
    config = ctx.project.config.gate
    assert config is not None
    return config
