"""train: run the command that makes the model, take what it wrote into the store.

The command is told where to read and write:
`MLCI_DATA_NAME` the dataset's files (absolute path or glob), `MLCI_PARAMS` a JSON file of the params,
`MLCI_OUTPUT_NAME` where each output goes, `MLCI_METRICS` a JSON file to write {"name": number} to,
`MLCI_CHECKPOINT_DIR` a folder that a retry, or the next run with the same key, finds again.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci import image, process
from mlci.config.model import Train as Config
from mlci.errors import ConfigError, WorldError
from mlci.evidence import provenance, results
from mlci.evidence.receipt import Finding, Receipt
from mlci.steps.files import expand, materials
from mlci.steps.imports import read_by
from mlci.steps.protocol import Context, Inputs, Result
from mlci.store import Descriptor
from mlci.tracking import Tracker, tracked, without_password


@dataclass(frozen=True)
class Train:
    """Make the model."""

    after: tuple[str, ...] = ()
    name: str = "train"

    def inputs(self, ctx: Context) -> Inputs:
        config = _config(ctx)
        files = list(_files(ctx, config))
        declared = {
            "python": ctx.python,
            "run": list(config.run),
            "params": config.params,
            "outputs": config.outputs,
            "env": {name: "***" if process.is_secret(name) else value for name, value in config.env.items()},
            "data": {name: ctx.project.config.data[name].path for name in config.data},
        }
        return Inputs(declared, materials(ctx.project, ctx.home, files))

    def done(self, ctx: Context, inputs: Inputs) -> Receipt | None:
        return results.find(ctx.store, self.name, inputs.key(self.name))

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        config = _config(ctx)
        _refuse_overlap(ctx, config, inputs)
        work = ctx.home / "work" / "train" / inputs.key(self.name)[:16]
        env = _prepare(ctx, config, work)
        started = time.monotonic()
        mlflow = ctx.project.config.tracking.mlflow
        with tracked(mlflow.uri if mlflow else None, ctx.project.root, ctx.log("tracking")) as tracker:
            if tracker:
                tags = {"mlci.key": inputs.key(self.name), **_commit(ctx)}
                tracker.start(project=ctx.project.config.project, params=config.params, tags=tags)
            _run_command(ctx, config, env)
            seconds = time.monotonic() - started
            metrics = _metrics(work / "metrics.json")
            outputs = {name: _take(ctx, name, path) for name, path in config.outputs.items()}
            run_id = tracker.finish(metrics=metrics) if tracker else None
        return Result(
            verdict="pass",
            summary=_summary(metrics),
            subjects={name: tree.digest for name, (tree, _) in outputs.items()},
            facts={
                "params": config.params,
                "metrics": metrics,
                "outputs": {name: facts for name, (_, facts) in outputs.items()},
                "seconds": round(seconds, 3),
                "tracking": {"uri": without_password(tracker.uri), "run_id": run_id} if tracker else None,
            },
            findings=_lost_tracking(tracker, run_id),
            outputs=tuple(tree for tree, _ in outputs.values()),
        )

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """Checkpoints are of no more use."""
        shutil.rmtree(ctx.home / "work" / "train" / receipt.key[:16], ignore_errors=True)


def _config(ctx: Context) -> Config:
    config = ctx.project.config.train
    assert config is not None
    return config


def _files(ctx: Context, config: Config) -> Iterator[tuple[Path, str]]:
    yield from read_by(ctx.project, config.run, config.inputs, ("train", "inputs"), config.env)
    for name in config.data:
        for path in expand(ctx.project, ctx.project.config.data[name].path, ("data", name, "path")):
            yield path, f"data {name}"


def _refuse_overlap(ctx: Context, config: Config, inputs: Inputs) -> None:
    """An output is deleted before the command runs: it must not be, hold, or lie in anything that is read or kept."""
    root = ctx.project.root
    kept = {(root / m.name).resolve() for m in inputs.materials} | {ctx.project.file, ctx.home, root / ".git"}
    for data in ctx.project.config.data.values():
        kept |= {(root / path).resolve() for path in (data.path, data.contract) if path}
    for name, path in config.outputs.items():
        output = (root / path).resolve()
        for other in sorted(kept):
            if output == other or output in other.parents or other in output.parents:
                message = f"the output {path!r} would be deleted before each training, with {other} in it"
                help = "write outputs to a folder of their own, such as build/model"
                raise ConfigError([ctx.project.problem(("train", "outputs", name), message, help)])


def _prepare(ctx: Context, config: Config, work: Path) -> dict[str, str]:
    """Clear what an earlier try left, write the params, and say where everything is."""
    root = ctx.project.root
    for folder in (work, work / "checkpoints"):
        folder.mkdir(parents=True, exist_ok=True)
    (work / "metrics.json").unlink(missing_ok=True)
    (work / "params.json").write_text(json.dumps(config.params))
    for path in map(root.joinpath, config.outputs.values()):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
    return process.base_environment(
        {
            **config.env,
            **{f"MLCI_DATA_{_upper(n)}": str(root / ctx.project.config.data[n].path) for n in config.data},
            **{f"MLCI_OUTPUT_{_upper(n)}": str(root / path) for n, path in config.outputs.items()},
            "MLCI_PARAMS": str(work / "params.json"),
            "MLCI_METRICS": str(work / "metrics.json"),
            "MLCI_CHECKPOINT_DIR": str(work / "checkpoints"),
        }
    )


def _run_command(ctx: Context, config: Config, env: dict[str, str]) -> None:
    command = process.Command(config.run, ctx.project.root, env, config.timeout, ctx.lock)
    ctx.log("train").unlink(missing_ok=True)
    for tries_left in range(config.retries, -1, -1):
        try:
            process.run(command, log=ctx.log("train"), say=ctx.say, stop=ctx.stop)
        except WorldError as error:
            if not tries_left:
                raise
            ctx.say(f"{error.message.splitlines()[0]}; {tries_left} more tries")
        else:
            return


def _metrics(file: Path) -> dict[str, float]:
    """The metrics that the command wrote, if it wrote any."""
    if not file.is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads(file.read_text())
        metrics = {str(name): float(value) for name, value in found.items()}
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise WorldError(
            f"the training wrote metrics that cannot be read: {error}",
            help='$MLCI_METRICS takes one JSON object: {"name": number}',
        ) from error
    if bad := [name for name, value in metrics.items() if not math.isfinite(value)]:
        raise WorldError(f"the training wrote a metric that is not a finite number: {', '.join(bad)}")
    return metrics


def _take(ctx: Context, name: str, path: str) -> tuple[Descriptor, dict[str, Any]]:
    """Take an output into the store."""
    if not (ctx.project.root / path).exists():
        raise WorldError(
            f"the training ended well but wrote no {path}",
            help=f"write the output {name!r} to $MLCI_OUTPUT_{_upper(name)}, or correct train.outputs.{name}",
        )
    output = ctx.project.root / path
    files = image.files_of(output)
    size = sum(file.source.stat().st_size for file in files)
    tree = image.put_tree(ctx.store, output)
    return tree, {"digest": tree.digest, "size": size, "files": len(files)}


def _commit(ctx: Context) -> dict[str, str]:
    source = provenance.source(ctx.project.root)
    return {"mlflow.source.git.commit": source["commit"]} if source else {}


def _lost_tracking(tracker: Tracker | None, run_id: str | None) -> tuple[Finding, ...]:
    if tracker is None or run_id is not None:
        return ()
    return (Finding("warning", "the training was not logged to MLflow", tracker.problem),)


def _summary(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items()) or "trained"


def _upper(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name).upper()
