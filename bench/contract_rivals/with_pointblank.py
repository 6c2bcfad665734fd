"""pointblank on a Polars frame. `python with_pointblank.py FILE`; prints how many rows break which rule."""

import json
import sys

import pointblank as pb
import polars as pl

NOT_NULL = ["id", "account", "quantity", "price", "weight", "sku", "email", "status", "country", "day", "name"]
STATUS = ["new", "paid", "sent", "done", "back"]
RULES = [f"{column}.null" for column in NOT_NULL]
RULES += ["quantity.minimum", "quantity.maximum", "price.minimum", "discount.maximum", "sku.pattern", "email.pattern"]
RULES += ["status.enum", "country.minLength", "country.maxLength", "day.format", "id.unique"]


def main(file: str) -> None:
    steps = (
        pb.Validate(pl.read_parquet(file))
        .col_vals_not_null(NOT_NULL)
        .col_vals_ge("quantity", 1, na_pass=True)
        .col_vals_le("quantity", 100, na_pass=True)
        .col_vals_ge("price", 0, na_pass=True)
        .col_vals_le("discount", 1, na_pass=True)
        .col_vals_regex("sku", "^[A-Z]{3}-[0-9]{6}$", na_pass=True)
        .col_vals_regex("email", "^[a-z0-9.]+@[a-z0-9.]+[.][a-z]{2,}$", na_pass=True)
        .col_vals_in_set("status", STATUS)
        .col_vals_expr(pl.col("country").str.len_chars() >= 2)
        .col_vals_expr(pl.col("country").str.len_chars() <= 2)
        .col_vals_expr(pl.col("day").str.to_date("%Y-%m-%d", strict=False).is_not_null())
        .rows_distinct("id")
        .interrogate()
    )
    failed = steps.n_failed()
    found = {rule: failed[step] for step, rule in enumerate(RULES, 1) if failed[step]}
    print(json.dumps({"found": found}))


if __name__ == "__main__":
    main(sys.argv[1])
