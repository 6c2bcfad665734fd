"""The engines behind Ibis that a contract can be printed for, and what sets each apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlci.errors import UsageError

Regexes = Literal["java", "postgres", "re2", "snowflake"]


@dataclass(frozen=True)
class Dialect:
    """An engine: whose regular expressions it runs, whether `a` and `A` are one column, whether text may hold NUL."""

    name: str
    regexes: Regexes
    folds_case: bool = True
    nul: bool = True


DIALECTS = {
    "pyspark": Dialect("pyspark", "java"),
    "databricks": Dialect("databricks", "java"),
    "trino": Dialect("trino", "java"),
    "postgres": Dialect("postgres", "postgres", folds_case=False, nul=False),
    "bigquery": Dialect("bigquery", "re2"),
    "snowflake": Dialect("snowflake", "snowflake", folds_case=False),
}


def dialect(name: str) -> Dialect:
    """The engine by the name that Ibis has for it. Raises UsageError for one that nothing here knows."""
    if name == "duckdb":
        raise UsageError("DuckDB is not reached through Ibis", help="mlci reads files by itself: mlci validate FILES")
    if name not in DIALECTS:
        raise UsageError(f"contracts are not checked on {name}", help=f"engines: {', '.join(DIALECTS)}")
    return DIALECTS[name]
