"""The gate without a project: two tables of predictions and a file of rules."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlci import process
from mlci.errors import UsageError
from mlci.gate.check import mistakes
from mlci.gate.cost.cost_rules import ALL
from mlci.gate.gate import Report, judge_and_test
from mlci.gate.metric.function import caller
from mlci.gate.reading.evaluated import as_parquet
from mlci.gate.reading.facts import read

if TYPE_CHECKING:
    from mlci.config.judging import Gate
    from mlci.gate.table import Table


def read_tables(gate: Gate, challenger: Path, champion: Path | None = None, holdout: Sequence[Path] = ()) -> Table:
    """The rows of two models' predictions; without a holdout the challenger's table has its columns (`label`) too.

    Raises UsageError when the rules cannot be judged, and whatever `read` raises.
    """
    found = mistakes(gate)
    if found:
        raise UsageError(f"the gate cannot be judged: {found[0].path}: {found[0].message}", help=found[0].help)
    if costs := [key for key in ALL if getattr(gate, key) is not None]:
        help = "take it out, or run the step of a project"
        raise UsageError(f"the gate cannot be judged: $.gate.{costs[0]}: costs need the model and its image", help=help)
    if gate.suites:
        help = "take them out, or run the step of a project"
        raise UsageError("the gate cannot be judged: $.gate.suites: suites need the data and the model", help=help)
    with tempfile.TemporaryDirectory() as work:
        for name in ("challenger", "champion"):
            (Path(work) / name).mkdir()
        challenger = as_parquet(challenger, Path(work) / "challenger")
        champion = champion and as_parquet(champion, Path(work) / "champion")
        return read(
            holdout or [challenger],
            gate.columns,
            challenger,
            champion,
            slice_columns=gate.slices.by if gate.slices else (),
            search=gate.slices.search if gate.slices else None,
            task=gate.task,
            metrics=gate.metrics,
            call=caller(partial(_run, Path(work), gate.timeout), Path(work)),
            alone=True,
        )


def _run(work: Path, timeout: float, argv: Sequence[str]) -> None:
    """A program in this folder, with the Python that runs mlci."""
    command = process.Command(argv, Path.cwd(), process.base_environment({}), timeout)
    process.run(command, log=work / "log", say=lambda _: None, stop=threading.Event())


def judge_tables(
    gate: Gate, challenger: Path, champion: Path | None = None, holdout: Sequence[Path] = (), *, seed: int = 0
) -> Report:
    """Judge a table of predictions (Parquet, or one that MLflow logged) by the rules, with the self-test, beside
    another's where there is one.
    """
    table = read_tables(gate, challenger, champion, holdout)
    name = str(champion) if champion else None
    return judge_and_test(table, gate, champion_name=name, model_bytes=None, seed=seed)
