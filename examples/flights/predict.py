"""Predict for many flights: reads MLCI_DATA (Parquet) and MLCI_MODEL (folder), writes MLCI_PREDICTIONS (Parquet)."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import features
import model


def main() -> None:
    names = ", ".join(("flight_id", *features.COLUMNS))
    flights = duckdb.read_parquet(os.environ["MLCI_DATA"]).project(names).fetchnumpy()
    predictions = {
        "flight_id": flights["flight_id"],
        "p_late": model.load(Path(os.environ["MLCI_MODEL"])).predict(flights),
    }
    # DuckDB finds the dictionary of arrays by its name.
    duckdb.sql("select * from predictions").write_parquet(os.environ["MLCI_PREDICTIONS"])
    print(f"predicted {len(predictions['p_late'])} flights")


if __name__ == "__main__":
    main()
