"""patito. `python with_patito.py FILE`; prints what it says of which column: it does not name the rule."""

import json
import sys
from typing import Literal

import patito as pt
import polars as pl


class Orders(pt.Model):
    id: int = pt.Field(unique=True, dtype=pl.Int64)
    account: int = pt.Field(dtype=pl.Int32)
    quantity: int = pt.Field(ge=1, le=100, dtype=pl.Int32)
    price: float = pt.Field(ge=0)
    discount: float | None = pt.Field(le=1)
    weight: float
    sku: str = pt.Field(pattern="^[A-Z]{3}-[0-9]{6}$")
    email: str = pt.Field(pattern="^[a-z0-9.]+@[a-z0-9.]+[.][a-z]{2,}$")
    status: Literal["new", "paid", "sent", "done", "back"]
    country: str = pt.Field(min_length=2, max_length=2)
    day: str = pt.Field(constraints=pt.field.str.to_date("%Y-%m-%d", strict=False).is_not_null())
    name: str


def main(file: str) -> None:
    found = {}
    try:
        Orders.validate(pl.read_parquet(file))
    except pt.exceptions.DataFrameValidationError as error:
        found = {str(part["loc"][0]): part["msg"] for part in error.errors()}
    print(json.dumps({"found": found}))


if __name__ == "__main__":
    main(sys.argv[1])
