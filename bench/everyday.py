"""The commands that a person types all day, and a line that has nothing to do; beside DVC with stages for the same."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from bench.measure import MLCI, ROOT, Command, Options, in_turn, installed, run, table

RUNS = 9
DVC = "dvc==3.67.1"
STAGES = """\
stages:
  train:
    cmd: python train.py
    deps: [train.py, bins.py, data/train.parquet]
    outs: [build/model]
  predict:
    cmd: python predict.py
    deps: [predict.py, scoring.py, bins.py, build/model, data/holdout.parquet]
    outs: [predictions.parquet]
"""
PAIRS = (
    ("nothing to do: data to image", ("run",), "repro"),
    ("nothing to do: data to production", ("run", "--to", "production"), "repro"),
    ("what would run", ("plan",), "status"),
)


def measure(options: Options) -> str:
    """The section of the page."""
    runs = 2 if options.quick else RUNS
    with tempfile.TemporaryDirectory() as work:
        (helped,) = in_turn([Command([*MLCI, "--help"])], runs)
        rows = [["`mlci --help`", f"{helped.wall:.2f} s", "", ""], *_nothing_to_do(Path(work), options.data, runs)]
    medians = f"Medians of {runs} runs, each pair timed in turn."
    return f"{medians}\n\n{table(['what', 'mlci', 'instead', 'ratio'], rows)}"


def _nothing_to_do(work: Path, data: Path, runs: int) -> list[list[str]]:
    """The small project of the tests, all done before."""
    sys.path.insert(0, str(ROOT))
    from tests.conftest import TINY, tiny_data

    ours, theirs = work / "ours", work / "theirs"
    for project in (ours, theirs):
        shutil.copytree(TINY, project)
        (project / "data").mkdir()
        tiny_data(project / "data" / "train.parquet", 4000, 0.1)
        tiny_data(project / "data" / "holdout.parquet", 3000, 0.2)
    dvc, env = _dvc(data / "dvc", theirs)
    run(Command([*MLCI, "run", "--to", "production"], ours))
    try:
        rows = []
        for what, command, rival in PAIRS:
            mine, other = in_turn([Command([*MLCI, *command], ours), Command([dvc, rival], theirs, env)], runs)
            instead = f"{other.wall:.2f} s ({DVC}: dvc {rival})"
            rows.append([what, f"{mine.wall:.2f} s", instead, f"{mine.wall / other.wall:.2f}"])
    finally:
        run(Command([*MLCI, "stop"], ours))
    return rows


def _dvc(venv: Path, project: Path) -> tuple[str, dict[str, str]]:
    dvc = str(installed(venv, [DVC]) / "dvc")
    env = {
        "DVC_NO_ANALYTICS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MLCI_PARAMS": str(project / "params.json"),
        "MLCI_DATA_TRAIN": str(project / "data" / "train.parquet"),
        "MLCI_OUTPUT_MODEL": str(project / "build" / "model"),
        "MLCI_METRICS": str(project / "metrics.json"),
        "MLCI_DATA": str(project / "data" / "holdout.parquet"),
        "MLCI_MODEL": str(project / "build" / "model"),
        "MLCI_PREDICTIONS": str(project / "predictions.parquet"),
    }
    (project / "params.json").write_text('{"bins": 20}')
    (project / "dvc.yaml").write_text(STAGES)
    run(Command([dvc, "init", "-q", "--no-scm"], project, env))
    run(Command([dvc, "repro", "-q"], project, env))
    return dvc, env
