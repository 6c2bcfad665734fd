"""Prediction tables made to order: rows of SQL in real Parquet files, and models of known quality as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
from hypothesis import settings

from mlci.config.judging import Columns, Gate
from mlci.gate import Predictions, Table, read

properties = settings(deadline=None, max_examples=50)
COLUMNS = Columns(id="id", label="late", score="p")
HOLDOUT = "SELECT i AS id, i % 3 = 0 AS late, ['AA', 'UA', NULL][1 + i % 3] AS carrier FROM range(60) r(i)"
PREDICTIONS = "SELECT i AS id, (i * 7 % 60) / 60 AS p, i % 2 AS guess FROM range(60) r(i)"


@dataclass
class Files:
    """A holdout and two prediction tables; `read` reads what was written last."""

    root: Path
    columns: Columns = COLUMNS
    slices: tuple[str, ...] = ()
    task: str = "classification"
    written: dict[str, Path] = field(default_factory=dict)

    def write(self, name: str, query: str, suffix: str = ".parquet") -> Path:
        path = self.root / f"{name}{suffix}"
        kind = {".parquet": "PARQUET", ".csv": "CSV", ".jsonl": "JSON"}[suffix]
        with duckdb.connect() as con:
            con.execute(f"COPY ({query}) TO '{path}' (FORMAT {kind})")
        self.written[name] = path
        return path

    def read(self, champion: bool = False) -> Table:
        return read(
            [self.written["holdout"]],
            self.columns,
            self.written["challenger"],
            self.written["champion"] if champion else None,
            slice_columns=self.slices,
            task=self.task,
        )


def gate(*, by=None, **metrics) -> Gate:
    return Gate(predict=("predict",), data="holdout", columns=COLUMNS, metrics=metrics, slices=by)


def scores(rng, labels, skill, noise):
    """Calibrated-looking scores; more `skill` is a better model, `noise` is what the model has of its own."""
    return 1 / (1 + np.exp(-(skill * labels + noise - 1 + 0.5 * rng.normal(size=len(labels)))))


def two_models(seed, rows, skill, champion_skill=1.2) -> Table:
    """A challenger of the skill beside a champion of 1.2: the same rows, most of the noise shared."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.3).astype(np.int8)
    shared = rng.normal(size=rows)
    pair = [Predictions(scores(rng, labels, one, shared)) for one in (skill, champion_skill)]
    return Table("classification", labels, pair[0], pair[1])
