"""Great Expectations on pandas. `python with_gx.py FILE`; prints how many rows break which rule."""

import json
import sys

import great_expectations as gx
import pandas as pd
from great_expectations import expectations as gxe

NOT_NULL = ["id", "account", "quantity", "price", "weight", "sku", "email", "status", "country", "day", "name"]
EXPECTATIONS = {
    **{f"{column}.null": gxe.ExpectColumnValuesToNotBeNull(column=column) for column in NOT_NULL},
    "id.unique": gxe.ExpectColumnValuesToBeUnique(column="id"),
    "quantity.minimum": gxe.ExpectColumnValuesToBeBetween(column="quantity", min_value=1),
    "quantity.maximum": gxe.ExpectColumnValuesToBeBetween(column="quantity", max_value=100),
    "price.minimum": gxe.ExpectColumnValuesToBeBetween(column="price", min_value=0),
    "discount.maximum": gxe.ExpectColumnValuesToBeBetween(column="discount", max_value=1),
    "sku.pattern": gxe.ExpectColumnValuesToMatchRegex(column="sku", regex="^[A-Z]{3}-[0-9]{6}$"),
    "email.pattern": gxe.ExpectColumnValuesToMatchRegex(column="email", regex="^[a-z0-9.]+@[a-z0-9.]+[.][a-z]{2,}$"),
    "status.enum": gxe.ExpectColumnValuesToBeInSet(column="status", value_set=["new", "paid", "sent", "done", "back"]),
    "country.minLength": gxe.ExpectColumnValueLengthsToBeBetween(column="country", min_value=2),
    "country.maxLength": gxe.ExpectColumnValueLengthsToBeBetween(column="country", max_value=2),
    "day.format": gxe.ExpectColumnValuesToMatchStrftimeFormat(column="day", strftime_format="%Y-%m-%d"),
}


def main(file: str) -> None:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("orders").add_dataframe_asset("orders")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": pd.read_parquet(file)})
    suite = gx.ExpectationSuite("orders", expectations=list(EXPECTATIONS.values()))
    results = batch.validate(suite).results
    found = {}
    for rule, expectation in EXPECTATIONS.items():
        (result,) = (
            r.result
            for r in results
            if r.expectation_config.type == expectation.expectation_type
            and all(getattr(expectation, k) == v for k, v in r.expectation_config.kwargs.items() if k != "batch_id")
        )
        if result["unexpected_count"]:
            found[rule] = result["unexpected_count"]
    print(json.dumps({"found": found}))


if __name__ == "__main__":
    main(sys.argv[1])
