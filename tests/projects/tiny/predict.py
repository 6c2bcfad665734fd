"""Predict a file of rows."""

import os

import duckdb
from scoring import load, score

rates = load(os.environ["MLCI_MODEL"])
rows = duckdb.read_parquet(os.environ["MLCI_DATA"]).fetchall()
connection = duckdb.connect()
connection.execute("CREATE TABLE predictions (id BIGINT, score DOUBLE)")
values = ", ".join(f"({id}, {score(rates, x)})" for id, x, _ in rows)
connection.execute(f"INSERT INTO predictions VALUES {values}")
connection.execute(f"COPY predictions TO '{os.environ['MLCI_PREDICTIONS']}' (FORMAT parquet)")
