"""What a person writes who knows DuckDB: the 22 constraints as one aggregate query over the file.

`python with_duckdb.py FILE [MEMORY_LIMIT]`; prints how many rows break which rule.
"""

import json
import sys

import duckdb

QUERY = """
SELECT
  count(*) FILTER (id IS NULL) AS "id.null",
  count(*) FILTER (account IS NULL) AS "account.null",
  count(*) FILTER (quantity IS NULL) AS "quantity.null",
  count(*) FILTER (quantity < 1) AS "quantity.minimum",
  count(*) FILTER (quantity > 100) AS "quantity.maximum",
  count(*) FILTER (price IS NULL) AS "price.null",
  count(*) FILTER (price < 0) AS "price.minimum",
  count(*) FILTER (discount > 1) AS "discount.maximum",
  count(*) FILTER (weight IS NULL) AS "weight.null",
  count(*) FILTER (sku IS NULL) AS "sku.null",
  count(*) FILTER (NOT regexp_matches(sku, '^[A-Z]{3}-[0-9]{6}$')) AS "sku.pattern",
  count(*) FILTER (email IS NULL) AS "email.null",
  count(*) FILTER (NOT regexp_matches(email, '^[a-z0-9.]+@[a-z0-9.]+[.][a-z]{2,}$')) AS "email.pattern",
  count(*) FILTER (status IS NULL) AS "status.null",
  count(*) FILTER (status NOT IN ('new', 'paid', 'sent', 'done', 'back')) AS "status.enum",
  count(*) FILTER (country IS NULL) AS "country.null",
  count(*) FILTER (length(country) < 2) AS "country.minLength",
  count(*) FILTER (length(country) > 2) AS "country.maxLength",
  count(*) FILTER (day IS NULL) AS "day.null",
  count(*) FILTER (day IS NOT NULL AND try_cast(day AS DATE) IS NULL) AS "day.format",
  count(*) FILTER (name IS NULL) AS "name.null",
  count(id) - count(DISTINCT id) AS "id.unique"
FROM read_parquet(?)
"""


def main(file: str, memory_limit: str = "") -> None:
    if memory_limit:
        duckdb.execute(f"SET memory_limit = '{memory_limit}'")
    result = duckdb.execute(QUERY, [file])
    names = [column[0] for column in result.description]
    (counts,) = result.fetchall()
    print(json.dumps({"found": {name: count for name, count in zip(names, counts, strict=True) if count}}))


if __name__ == "__main__":
    main(*sys.argv[1:])
