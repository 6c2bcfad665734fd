"""gate: is the new model good enough, alone and beside the one that serves?

Challenger and champion predict the same rows: the challenger with the project's code, the champion with the code
and the requirements of its own image. A model is never compared with itself: when the challenger is what serves,
it is judged against the champion of its own time, which its receipt on the image names.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlci import gate as judging
from mlci import image, process
from mlci.config.model import Gate as Config
from mlci.deploy.drivers.process import environment, interpreter
from mlci.errors import WorldError
from mlci.evidence import promotions, results
from mlci.evidence.receipt import Finding, Material, Receipt
from mlci.steps import costs, suites
from mlci.steps.files import combined, expand, materials
from mlci.steps.imports import read_by
from mlci.steps.models import materialise, unpacked
from mlci.steps.protocol import Context, Inputs, Result
from mlci.steps.rules import judged_by
from mlci.store import NotFound


@dataclass(frozen=True)
class Gate:
    """Judge the model."""

    after: tuple[str, ...] = ()
    name: str = "gate"

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
        champion = _champion(ctx, config, combined(challenger))
        against = [Material("champion", champion, f"serves in {config.champion}")] if champion else []
        declared = {**judged_by(ctx.project), "python": ctx.python}
        read = (*challenger, *materials(ctx.project, ctx.home, rows), *suites.reads(ctx), *against)
        return Inputs(declared, read)

    def done(self, ctx: Context, inputs: Inputs) -> Receipt | None:
        return results.find(ctx.store, self.name, inputs.key(self.name))

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        config = _config(ctx)
        named = {m.name: m.digest for m in inputs.materials}
        model = materialise(ctx.store, named["model"], ctx.home)
        holdout = [m for m in inputs.materials if m.via == f"data {config.data}"]
        champion = named.get("champion")
        rows = [ctx.project.root / m.name for m in holdout]
        seed = int(inputs.key(self.name)[:8], 16)
        with tempfile.TemporaryDirectory(dir=_work(ctx), ignore_cleanup_errors=True) as work:
            challenger_table = Path(work) / "challenger.parquet"
            env = process.base_environment({"MLCI_MODEL": str(model)})

            def predict(dataset: str, table: Path) -> None:
                _predict(ctx, config, table, config.predict, ctx.project.root, env, dataset)

            predict(config.data, challenger_table)
            champion_table = _champion_table(ctx, config, champion, combined(holdout), Path(work)) if champion else None
            table = judging.read(
                rows,
                config.columns,
                challenger_table,
                champion_table,
                slice_columns=config.slices.by if config.slices else (),
                search=config.slices.search if config.slices else None,
                task=config.task,
                metrics=config.metrics,
                call=judging.caller(lambda argv: _python(ctx, config, argv), Path(work)),
            )
            suited = suites.judge(ctx, model, rows, challenger_table, predict, Path(work))
            against = (champion, _predict_of(ctx, champion)) if champion else None
            cost = costs.measure(ctx, against, rows, Path(work), seed)
        report = judging.judge_and_test(
            table,
            config,
            champion_name=champion,
            model_bytes=sum(_sizes(model)),
            champion_bytes=_champion_bytes(ctx, champion)
            if champion and config.size and config.size.margin is not None
            else None,
            costs=cost.costs,
            seed=seed,
        )
        for line in judging.render(report, color=False).splitlines():
            ctx.say(line)
        apart = (f"data {config.data}", suites.VIA)
        challenger = [m for m in inputs.materials if not m.via.startswith(apart) and m.name != "champion"]
        return Result(
            verdict="pass" if report.passed and not suited.objections else "fail",
            summary=suited.summary(report.summary, report.passed),
            subjects={"model": named["model"]},
            facts={**report.facts(), "costs": cost.facts, "challenger": combined(challenger), "suites": suited.facts},
            findings=(
                *(Finding("error", objection) for objection in report.objections),
                *(Finding("warning", remark) for remark in report.remarks),
                *suited.findings,
            ),
            outputs=suited.pages,
        )

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """A later no counts for images with this model that are there already: it is attached to them."""
        places = (ctx.store.resolve(name) for name in ("latest", *ctx.project.config.environments))
        for digest in {place for place in places if place}:
            judged = [r for r in results.on(ctx.store, digest) if r.step == "gate"]
            if receipt not in judged and any(r.facts["challenger"] == receipt.facts["challenger"] for r in judged):
                results.attach(ctx.store, receipt, ctx.store.get_manifest(digest).descriptor)


def _config(ctx: Context) -> Config:
    config = ctx.project.config.gate
    assert config is not None
    return config


def _champion(ctx: Context, config: Config, challenger: str) -> str | None:
    """The digest to compare with: what serves, or what the challenger was judged against if it serves itself."""
    if config.champion is None:
        return None
    deploys = ctx.project.config.environments[config.champion].deploy is not None
    serving = promotions.serving(ctx.store, config.champion, deploys=deploys)
    if serving is None or not _predict_of(ctx, serving):
        return None  # nothing serves, or it was built without a gate and cannot predict
    for receipt in reversed(results.on(ctx.store, serving)):
        if receipt.step == "gate" and receipt.facts["challenger"] == challenger:
            judged_against: str | None = receipt.facts["champion"]
            return judged_against
    return serving


def _work(ctx: Context) -> Path:
    folder = ctx.home / "work" / "gate"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _python(ctx: Context, config: Config, argv: Sequence[str]) -> None:
    """A program of the gate's, such as a metric's function, as *predict* runs."""
    command = process.Command(argv, ctx.project.root, process.base_environment({}), config.timeout, ctx.lock)
    process.run(command, log=ctx.log("gate"), say=ctx.say, stop=ctx.stop)


def _predict(
    ctx: Context,
    config: Config,
    table: Path,
    argv: tuple[str, ...],
    cwd: Path,
    env: dict[str, str],
    dataset: str | None = None,
) -> None:
    data = str(ctx.project.root / ctx.project.config.data[dataset or config.data].path)
    env = {**env, "MLCI_DATA": data, "MLCI_PREDICTIONS": str(table)}
    command = process.Command(argv, cwd, env, config.timeout, ctx.lock)
    process.run(command, log=ctx.log("gate"), say=ctx.say, stop=ctx.stop)
    if not table.is_file():
        raise WorldError(
            f"`{' '.join(argv)}` ended well but wrote no predictions",
            help="write a Parquet file to the path in $MLCI_PREDICTIONS",
        )


def _champion_table(ctx: Context, config: Config, champion: str, holdout: str, work: Path) -> Path:
    """The champion's predictions on the holdout, made once."""
    tag = "predictions-" + hashlib.sha256(f"{champion} {holdout}".encode()).hexdigest()
    try:
        digest = ctx.store.get_manifest(tag).digest
        return image.get_tree(ctx.store, digest, work / "champion")
    except NotFound:
        ctx.say(f"the champion {champion[:19]} predicts")
    argv = _predict_of(ctx, champion)
    there = unpacked(ctx.store, champion, ctx.home)
    table = work / "champion.parquet"
    if argv[0] in ("python", "python3"):
        argv[0] = str(interpreter(work, there.config))
    env = environment(there.root, there.config, work)
    try:
        _predict(ctx, config, table, tuple(argv), there.root / "app", env)
    except WorldError as error:
        raise WorldError(
            f"the champion {champion[:19]}, with the code and requirements of its image: {error.message}",
            help="put back one that can predict (`mlci rollback`), or judge without it: --set gate.champion=null",
        ) from error
    tree = image.put_tree(ctx.store, table)
    ctx.store.put_manifest(ctx.store.get_manifest(tree.digest).raw, tree.media_type, tag=tag)
    return table


def _predict_of(ctx: Context, image: str) -> list[str]:
    """The command with which an image predicts; empty when it was built without a gate."""
    annotations = json.loads(ctx.store.get_manifest(image).raw).get("annotations", {})
    command: list[str] = json.loads(annotations.get("dev.mlci.predict", "[]"))
    return command


def _champion_bytes(ctx: Context, champion: str) -> int | None:
    """The size of the model in the champion's image."""
    there = unpacked(ctx.store, champion, ctx.home)
    model = environment(there.root, there.config, ctx.home).get("MLCI_MODEL")
    return sum(_sizes(Path(model))) if model else None


def _sizes(model: Path) -> list[int]:
    files = model.rglob("*") if model.is_dir() else [model]
    return [path.stat().st_size for path in files if path.is_file()]
