"""Ask the model and score each answer: reads MLCI_DATA (CSV) and MLCI_MODEL, writes MLCI_PREDICTIONS (Parquet).

Each row is one sample of one prompt. `exact`: is the answer the reference? `similarity`: how much of it is right; a
team would put a judge's score here. `log_likelihood`: of the reference, the same for all samples of a prompt.
"""

from __future__ import annotations

import csv
import os
from difflib import SequenceMatcher
from pathlib import Path

import duckdb
import speller

UNKNOWN = -12.0  # the log-likelihood of a reference that the model has never met


def main() -> None:
    model = speller.load(Path(os.environ["MLCI_MODEL"]))
    with Path(os.environ["MLCI_DATA"]).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    logs = {row["prompt"]: model.logs(row["prompt"]) for row in rows}
    scored = []
    for row in rows:
        answer, reference = model.answer(row["prompt"], row["id"]), row["reference"]
        similarity = SequenceMatcher(None, answer, reference).ratio()
        likelihood = max(logs[row["prompt"]].get(reference, UNKNOWN), UNKNOWN)
        scored.append((row["id"], answer, float(answer == reference), similarity, likelihood))
    with duckdb.connect() as db:
        db.execute("create table s (id text, answer text, exact double, similarity double, log_likelihood double)")
        db.executemany("insert into s values (?, ?, ?, ?, ?)", scored)
        db.table("s").write_parquet(os.environ["MLCI_PREDICTIONS"])
    print(f"scored {len(scored)} answers")


if __name__ == "__main__":
    main()
