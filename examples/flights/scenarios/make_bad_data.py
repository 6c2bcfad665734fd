"""Copy the six months of training into scenarios/bad-data, with faults in April such as a broken feed brings."""

from __future__ import annotations

from pathlib import Path

import duckdb

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data"
BAD = HERE / "bad-data"
FAULTY = "2013-04.parquet"

# The rows of the month are numbered by flight_id; the last line sends three flights twice.
FAULTS = """
with numbered as (select *, row_number() over (order by flight_id) as n from read_parquet($month)),
faulty as (
    select * replace (
        case when n between 1001 and 1012 then 'ZZ' else carrier end as carrier,
        case when n between 2001 and 2007 then -distance else distance end as distance,
        case when n between 3001 and 3005 then null else origin end as origin,
        case when n between 4001 and 4009 then 25::tinyint else hour end as hour
    ) from numbered
)
select * exclude (n) from (from faulty union all from faulty where n between 5001 and 5003) order by flight_id
"""


def main() -> None:
    months = sorted(DATA.glob("2013-0[1-6].parquet"))
    if len(months) != 6:
        raise SystemExit("make_bad_data.py: data/ is not there yet: run `python prepare.py` first")
    BAD.mkdir(exist_ok=True)
    for month in months:
        part = BAD / f".{month.name}.part"
        if month.name == FAULTY:
            duckdb.sql(FAULTS, params={"month": str(month)}).write_parquet(str(part), compression="zstd")
        else:
            part.write_bytes(month.read_bytes())
        part.replace(BAD / month.name)
    print("wrote scenarios/bad-data: 12 unknown carriers, 7 distances below 0, 5 without origin, 9 at hour 25, 3 twice")


if __name__ == "__main__":
    main()
