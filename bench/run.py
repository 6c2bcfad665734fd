"""Measures what a person waits for, beside what they would use instead, and writes docs/benchmarks.md.

Each pair is timed in turn, so that a machine whose speed drifts does not decide; medians and their ratio are reported.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[1]
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


@dataclass(frozen=True)
class Row:
    what: str
    ours: float
    theirs: float | None
    rival: str


def main() -> None:
    with tempfile.TemporaryDirectory() as work:
        rows = [_help(), *_nothing_to_do(Path(work))]
    table = [
        f"| {r.what} | {r.ours:.2f} s | {f'{r.theirs:.2f} s ({r.rival})' if r.theirs else ''} | "
        f"{f'{r.ours / r.theirs:.2f}' if r.theirs else ''} |"
        for r in rows
    ]
    text = "\n".join(
        [
            "# Benchmarks",
            "",
            f"Made by `nox -s bench` on {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
            f"Python {platform.python_version()}; medians of {RUNS} runs, each pair timed in turn.",
            "",
            "| what | mlci | instead | ratio |",
            "|---|---|---|---|",
            *table,
            "",
        ]
    )
    (ROOT / "docs" / "benchmarks.md").write_text(text)
    print(text)


def _help() -> Row:
    command = [sys.executable, "-m", "mlci", "--help"]
    (ours,) = _in_turn([(command, ROOT, {})])
    return Row("`mlci --help`", ours, None, "")


def _nothing_to_do(work: Path) -> list[Row]:
    """The small project of the tests, all done before; DVC with stages for the same scripts."""
    sys.path.insert(0, str(ROOT))
    from tests.conftest import TINY, tiny_data

    ours, theirs = work / "ours", work / "theirs"
    for project in (ours, theirs):
        shutil.copytree(TINY, project)
        (project / "data").mkdir()
        tiny_data(project / "data" / "train.parquet", 4000, 0.1)
        tiny_data(project / "data" / "holdout.parquet", 3000, 0.2)
    mlci = [sys.executable, "-m", "mlci"]
    dvc, env = _dvc(work, theirs)
    _run([*mlci, "run", "--to", "production"], ours, {})
    try:
        pairs = [
            ("nothing to do: data to image", [*mlci, "run"], "dvc repro"),
            ("nothing to do: data to production", [*mlci, "run", "--to", "production"], "dvc repro"),
            ("what would run", [*mlci, "plan"], "dvc status"),
        ]
        rows = []
        for what, command, rival in pairs:
            mine, other = _in_turn([(command, ours, {}), ([dvc, *rival.split()[1:]], theirs, env)])
            rows.append(Row(what, mine, other, f"{DVC}: {rival}"))
    finally:
        _run([*mlci, "stop"], ours, {})
    return rows


def _dvc(work: Path, project: Path) -> tuple[str, dict[str, str]]:
    uv, venv = find_uv_bin(), work / "dvc"
    _run([uv, "venv", "-q", "--python", sys.executable, str(venv)], work, {})
    _run([uv, "pip", "install", "-q", "--python", str(venv / "bin" / "python"), DVC], work, {})
    dvc = str(venv / "bin" / "dvc")
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
    _run([dvc, "init", "-q", "--no-scm"], project, env)
    _run([dvc, "repro", "-q"], project, env)
    return dvc, env


def _in_turn(commands: Sequence[tuple[list[str], Path, dict[str, str]]]) -> list[float]:
    """The median wall time of each command, run one after the other, RUNS times, after a warm-up."""
    times: list[list[float]] = [[] for _ in commands]
    for number in range(RUNS + 1):
        for found, (command, cwd, env) in zip(times, commands, strict=True):
            began = time.perf_counter()
            _run(command, cwd, env)
            if number:
                found.append(time.perf_counter() - began)
    return [statistics.median(found) for found in times]


def _environment() -> dict[str, str]:
    """As a user has it: bytecode is kept."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def _run(command: list[str], cwd: Path, env: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=cwd, env={**_environment(), **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")


if __name__ == "__main__":
    main()
