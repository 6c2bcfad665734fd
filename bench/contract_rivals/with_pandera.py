"""pandera on a Polars frame. `python with_pandera.py FILE`; prints how many rows break which rule."""

import json
import sys
from collections import Counter

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors


def is_date(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).str.to_date("%Y-%m-%d", strict=False).is_not_null())


SCHEMA = pa.DataFrameSchema(
    {
        "id": pa.Column(pl.Int64, unique=True),
        "account": pa.Column(pl.Int32),
        "quantity": pa.Column(pl.Int32, [pa.Check.ge(1), pa.Check.le(100)]),
        "price": pa.Column(pl.Float64, pa.Check.ge(0)),
        "discount": pa.Column(pl.Float64, pa.Check.le(1), nullable=True),
        "weight": pa.Column(pl.Float64),
        "sku": pa.Column(pl.String, pa.Check.str_matches("^[A-Z]{3}-[0-9]{6}$")),
        "email": pa.Column(pl.String, pa.Check.str_matches("^[a-z0-9.]+@[a-z0-9.]+[.][a-z]{2,}$")),
        "status": pa.Column(pl.String, pa.Check.isin(["new", "paid", "sent", "done", "back"])),
        "country": pa.Column(pl.String, [pa.Check.str_length(2, None), pa.Check.str_length(None, 2)]),
        "day": pa.Column(pl.String, pa.Check(is_date, name="is_date")),
        "name": pa.Column(pl.String),
    }
)
RULES = {
    "field_uniqueness": "unique",
    "not_nullable": "null",
    "greater_than_or_equal_to(1)": "minimum",
    "greater_than_or_equal_to(0)": "minimum",
    "less_than_or_equal_to(100)": "maximum",
    "less_than_or_equal_to(1)": "maximum",
    "str_length(2, None)": "minLength",
    "str_length(None, 2)": "maxLength",
    "is_date": "format",
}


def rule(check: str) -> str:
    return RULES.get(check) or ("pattern" if check.startswith("str_matches") else "enum")


def main(file: str) -> None:
    found: Counter[str] = Counter()
    try:
        SCHEMA.validate(pl.read_parquet(file), lazy=True)
    except SchemaErrors as error:
        for case in error.failure_cases.iter_rows(named=True):
            found[f"{case['column']}.{rule(case['check'])}"] += 1
    print(json.dumps({"found": found}))


if __name__ == "__main__":
    main(sys.argv[1])
