"""Train the speller: reads MLCI_DATA_TRAIN (CSV) and MLCI_PARAMS, writes the folder MLCI_OUTPUT_MODEL."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import speller


def main() -> None:
    params = json.loads(Path(os.environ["MLCI_PARAMS"]).read_text())
    with Path(os.environ["MLCI_DATA_TRAIN"]).open(newline="", encoding="utf-8") as file:
        pairs = [(row["prompt"], row["reference"]) for row in csv.DictReader(file)][: params["pairs"]]
    model = speller.learn(pairs, params["temperature"])
    speller.save(model, Path(os.environ["MLCI_OUTPUT_MODEL"]))
    Path(os.environ["MLCI_METRICS"]).write_text(json.dumps({"pairs": len(pairs), "words": len(model.words)}))


if __name__ == "__main__":
    main()
