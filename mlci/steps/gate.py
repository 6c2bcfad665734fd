"""gate: is the new model good enough, alone and beside the one that serves?

Challenger and champion predict the same rows: the challenger with the project's code, the champion with the code
and the requirements of its own image. A model is never compared with itself: when the challenger is what serves,
it is judged against the champion of its own time, which its receipt on the image names.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlci import gate as judging
from mlci import process
from mlci.config.judging import Gate as Config
from mlci.deploy.drivers import docker_run
from mlci.deploy.drivers.process import environment
from mlci.errors import WorldError
from mlci.evidence import looks, results
from mlci.evidence.receipt import Finding, Material, Receipt, Verdict
from mlci.gate.deciding.peeking import Holdout
from mlci.gate.reading.evaluated import as_parquet
from mlci.steps import champion as champions
from mlci.steps import costs, suites, told
from mlci.steps.attached import sign
from mlci.steps.files import combined, expand, materials
from mlci.steps.imports import read_by
from mlci.steps.models import materialise, unpacked
from mlci.steps.protocol import Context, Inputs, Result
from mlci.steps.rules import judged_by


@dataclass(frozen=True)
class Gate:
    """Judge the model, beside what `gate.champion` says or what `champion` names: an environment, a tag, a run or a
    digest. Such a comparison is an answer for a person, and no evidence on an image.
    """

    after: tuple[str, ...] = ()
    name: str = "gate"
    champion: str | None = None

    def inputs(self, ctx: Context) -> Inputs:
        config = _config(ctx)
        code = read_by(ctx.project, config.predict, config.inputs, ("gate", "inputs"), {})
        for rule in config.metrics.values():
            if rule.function:
                module = rule.function.partition(":")[0]
                code += read_by(ctx.project, ("python", "-m", module), (), ("gate", "metrics"), {})
        of_image, made_as = costs.reads(ctx)
        where = ("data", config.data, "path")
        rows = [
            (p, f"data {config.data}") for p in expand(ctx.project, ctx.project.config.data[config.data].path, where)
        ]
        challenger = (
            *materials(ctx.project, ctx.home, [*code, *of_image]),
            *made_as,
            Material("model", ctx.upstream["train"].subjects["model"], "train"),
        )
        champion = champions.find(ctx, self.champion, combined(challenger))
        against = [Material("champion", champion.digest, champion.said)] if champion.digest else []
        declared = {**judged_by(ctx.project), "python": ctx.python}
        if self.champion is not None:
            declared["champion"] = champion.digest  # not the project's own rule, so no pass for a promotion
        read = (*challenger, *materials(ctx.project, ctx.home, rows), *suites.reads(ctx), *against)
        return Inputs(declared, read)

    def done(self, ctx: Context, inputs: Inputs) -> Receipt | None:
        return results.find(ctx.store, self.name, inputs.key(self.name))

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        config = _config(ctx)
        named = {m.name: m.digest for m in inputs.materials}
        model = materialise(ctx.store, named["model"], ctx.home)
        rows = [m for m in inputs.materials if m.via == f"data {config.data}"]
        challenger = combined(_challenger(inputs))
        champion = champions.find(ctx, self.champion, challenger)
        holdout = _holdout(ctx, rows, challenger, champion.digest)
        with told.telling(ctx) as tracker:
            with tempfile.TemporaryDirectory(dir=_work(ctx), ignore_cleanup_errors=True) as work:
                seed = int(inputs.key(self.name)[:8], 16)
                report, suited, cost = _judge(ctx, config, model, rows, champion, Path(work), seed=seed)
            shown = champion.digest[:19] if champion.digest else "none"
            ctx.say(f"champion: {shown}, {champion.said}")
            ctx.say(holdout.looks)
            verdict: Verdict = "pass" if report.passed and not (*report.objections, *suited.objections) else "fail"
            summary = suited.summary(report.summary, report.passed)
            facts = {
                **report.facts(),
                "challenger": challenger,
                "champion_is": champion.said,
                "holdout": holdout.facts(),
                "suites": suited.facts,
                "costs": cost.facts,
            }
            logged = told.gate(ctx, tracker, facts, verdict, summary)
        return Result(
            verdict=verdict,
            summary=summary,
            subjects={"model": named["model"]},
            facts={**facts, "tracking": logged.facts},
            findings=(
                *(Finding("error", objection) for objection in report.objections),
                *(Finding("warning", remark) for remark in report.remarks),
                *_remarks(config, champion, holdout),
                *suited.findings,
                *logged.findings,
            ),
            outputs=suited.pages,
        )

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """The look at the holdout is counted. A later no counts for images with this model that are there already: it
        is attached to them. (A yes goes on the image that is built.)
        """
        looks.note(ctx.store, receipt)
        if self.champion is not None or receipt.verdict == "pass":
            return
        tags = [("latest", ctx.images), *((name, ctx.place(name)) for name in ctx.project.config.environments)]
        there = {(digest, id(place)): place for tag, place in tags if (digest := place.resolve(tag))}
        for (digest, _), place in there.items():
            judged = [r for r in results.on(place, digest) if r.step == "gate"]
            if receipt not in judged and any(r.facts["challenger"] == receipt.facts["challenger"] for r in judged):
                results.attach(place, receipt, place.get_manifest(digest).descriptor)
                sign(ctx, receipt, digest, place)


def _config(ctx: Context) -> Config:
    config = ctx.project.config.gate
    assert config is not None
    return config


def _challenger(inputs: Inputs) -> list[Material]:
    """What makes the challenger what it is: its code and its model."""
    return [m for m in inputs.materials if not m.via.startswith(("data ", suites.VIA)) and m.name != "champion"]


def _holdout(ctx: Context, rows: Sequence[Material], challenger: str, champion: str | None) -> Holdout:
    """The rows, how often they were looked at, and what the champion was judged on."""
    digest = looks.rows_digest(m.digest for m in rows)
    before = champions.came_through(ctx, champion) if champion else None
    return Holdout(digest, looks.models_judged(ctx.store, digest, challenger), before)


def _remarks(config: Config, champion: champions.Champion, holdout: Holdout) -> list[Finding]:
    """What a person should know of the champion and of the rows."""
    alone = f"only min and max decide: {champion.said}" if champion.digest is None and config.champion else ""
    notes = [Finding("note", said) for said in (alone, holdout.changed) if said]
    worn = holdout.worn(config.confidence)
    return [*notes, *([Finding("warning", worn)] if worn else [])]


def _judge(
    ctx: Context,
    config: Config,
    model: Path,
    holdout: Sequence[Material],
    champion: champions.Champion,
    work: Path,
    *,
    seed: int,
) -> tuple[judging.Report, suites.Verdicts, costs.Costs]:
    """Both models predict, their costs are measured, the rules are applied, and last, as they take longest, suites."""
    rows = [ctx.project.root / m.name for m in holdout]
    env = process.base_environment({"MLCI_MODEL": str(model)})
    run = partial(_predict, ctx, config)

    def predict(dataset: str, table: Path) -> None:
        run(config.predict, ctx.project.root, env, table, dataset)

    old = against = None
    rows_digest = combined(holdout)
    if champion.digest:
        old = champions.predictions(ctx, champion.digest, champion.said, rows_digest, work, run)
    new = work / "challenger.parquet"
    predict(config.data, new)
    table = judging.read(
        rows,
        config.columns,
        new,
        old,
        slice_columns=config.slices.by if config.slices else (),
        search=config.slices.search if config.slices else None,
        task=config.task,
        metrics=config.metrics,
        call=judging.caller(lambda argv: _python(ctx, config, argv), work),
    )
    if champion.digest and old:
        champions.keep(ctx, champion.digest, rows_digest, old)
        against = (champion.digest, champions.command_of(ctx, champion.digest))
    cost = costs.measure(ctx, against, rows, work, seed)
    report = judging.judge_and_test(
        table,
        config,
        champion_name=champion.digest,
        model_bytes=sum(_sizes(model)),
        champion_bytes=_champion_bytes(ctx, config, champion.digest),
        costs=cost.costs,
        seed=seed,
    )
    _say(ctx, report)
    return report, suites.judge(ctx, model, rows, new, predict, work), cost


def _say(ctx: Context, report: judging.Report) -> None:
    for line in judging.render(report, color=False).splitlines():
        ctx.say(line)


def _work(ctx: Context) -> Path:
    """A folder for what is made on the way. What a killed run has left there goes: the lock lets in one at a time."""
    folder = ctx.home / "work" / "gate"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _python(ctx: Context, config: Config, argv: Sequence[str]) -> None:
    """A program of the gate's, such as a metric's function, as *predict* runs."""
    command = process.Command(argv, ctx.project.root, process.base_environment({}), config.timeout, ctx.lock)
    process.run(command, log=ctx.log("gate"), say=ctx.say, stop=ctx.stop)


def _predict(
    ctx: Context,
    config: Config,
    argv: tuple[str, ...],
    cwd: Path,
    env: dict[str, str],
    table: Path,
    dataset: str | None = None,
    *,
    source: str | None = None,
) -> None:
    name = dataset or config.data
    data = str(ctx.project.root / ctx.project.config.data[name].path)
    env = {**env, "MLCI_DATA": data, "MLCI_PREDICTIONS": str(table)}
    if source is None:
        command = process.Command(argv, cwd, env, config.timeout, ctx.lock)
        process.run(command, log=ctx.log("gate"), say=ctx.say, stop=ctx.stop)
    else:
        files = expand(ctx.project, ctx.project.config.data[name].path, ("data", name, "path"))
        once = docker_run.Once(source, argv, table.parent, files, env, config.timeout)
        docker_run.run(once, log=ctx.log("gate"), say=ctx.say, stop=ctx.stop)
    if not table.is_file():
        raise WorldError(
            f"`{' '.join(argv)}` ended well but wrote no predictions",
            help="write a Parquet file to the path in $MLCI_PREDICTIONS",
        )
    as_parquet(table, table.parent)
    with table.open("rb") as file:
        start = file.read(40)
    if not start.startswith(b"PAR1"):
        raise WorldError(
            f"`{' '.join(argv)}` wrote predictions that are not Parquet; they begin with {start!r}",
            help="write a Parquet file to the path in $MLCI_PREDICTIONS",
        )


def _champion_bytes(ctx: Context, config: Config, champion: str | None) -> int | None:
    """The size of the model in the champion's image, where a rule compares it."""
    if champion is None or config.size is None or config.size.margin is None:
        return None
    there = unpacked(ctx.having(champion), champion, ctx.home)
    model = environment(there.root, there.config, ctx.home).get("MLCI_MODEL")
    return sum(_sizes(Path(model))) if model else None


def _sizes(model: Path) -> list[int]:
    files = model.rglob("*") if model.is_dir() else [model]
    return [path.stat().st_size for path in files if path.is_file()]
