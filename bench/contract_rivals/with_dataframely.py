"""dataframely. `python with_dataframely.py FILE`; prints how many rows break which rule."""

import json
import sys

import dataframely as dy
import polars as pl

STATUS = ["new", "paid", "sent", "done", "back"]
RULES = {
    "primary_key": "id.unique",
    "nullability": "null",
    "min": "minimum",
    "max": "maximum",
    "regex": "pattern",
    "min_length": "minLength",
    "max_length": "maxLength",
    "check__enum": "enum",
    "check__format": "format",
}


class Orders(dy.Schema):
    id = dy.Int64(primary_key=True)
    account = dy.Int32(nullable=False)
    quantity = dy.Int32(nullable=False, min=1, max=100)
    price = dy.Float64(nullable=False, min=0)
    discount = dy.Float64(nullable=True, max=1)
    weight = dy.Float64(nullable=False)
    sku = dy.String(nullable=False, regex="^[A-Z]{3}-[0-9]{6}$")
    email = dy.String(nullable=False, regex="^[a-z0-9.]+@[a-z0-9.]+[.][a-z]{2,}$")
    status = dy.String(nullable=False, check={"enum": lambda column: column.is_in(STATUS)})
    country = dy.String(nullable=False, min_length=2, max_length=2)
    day = dy.String(
        nullable=False, check={"format": lambda column: column.str.to_date("%Y-%m-%d", strict=False).is_not_null()}
    )
    name = dy.String(nullable=False)


def main(file: str) -> None:
    _, failure = Orders.filter(pl.read_parquet(file))
    found = {}
    for name, count in failure.counts().items():
        *column, rule = name.split("|")
        found[".".join([*column, RULES[rule]])] = count
    print(json.dumps({"found": found}))


if __name__ == "__main__":
    main(sys.argv[1])
