"""Predict like predict.py, and then break it: `overconfident`, or `one-carrier`, whose model knows nothing of VX."""

from __future__ import annotations

import os
import subprocess
import sys

import duckdb

# All flights in the same order, but chances that are far too sure; or the same chance for every flight of one carrier.
FAULTS = {
    "overconfident": "select flight_id, 1 / (1 + ((1 - p_late) / p_late) ** 3) as p_late from said",
    "one-carrier": "select flight_id, if(flight_id like '%-VX%', 0.3, p_late) as p_late from said",
}


def main() -> None:
    subprocess.run([sys.executable, "predict.py"], check=True)
    path = os.environ["MLCI_PREDICTIONS"]
    with duckdb.connect() as db:
        db.execute("create table said as select * from read_parquet($path)", {"path": path})
        db.sql(FAULTS[sys.argv[1]]).write_parquet(path)


if __name__ == "__main__":
    main()
