"""The contract on a thousand rows, on thirty million, on a year of daily files, and on very many columns."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.contract_data import PLANTED, Data, days, make, series
from bench.contract_peers import CONTRACT, by_hand, counts, ours
from bench.contract_shapes import COMPILED, WIDE, WIDE_ROWS
from bench.measure import MLCI, Command, Options, Usage, in_turn, run, say, table

MANY = 30_000_000
DAYS, DAY_ROWS, NEW_DAYS = 365, 20_000, 5
COLD_S, COMPILE_MS, MEMORY_MIB, MANY_MIB = 0.4, 50, 350, 512
HEAD = ("", "mlci", "beside", "limit")
PROJECT = "version: 1\nproject: orders\ndata:\n  orders: {path: days/*.parquet, contract: contract.yaml}\n"
Lines = Iterator[list[str]]


def other_sizes(options: Options, faulty: Path, clean: Path) -> str:
    """The table."""
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        work = Path(made)
        lines = [*_memory(faulty, clean), *_cold(options), *_many(options), *_year(options, work), *_shapes(work)]
    return table(HEAD, lines)


def limit(words: str, kept: bool) -> str:
    """A limit, and whether it is kept."""
    return words if kept else f"{words} **missed**"


def mib(usage: Usage) -> str:
    """The memory, in MiB."""
    return f"{usage.rss / 2**20:,.0f} MiB"


def _memory(faulty: Path, clean: Path) -> Lines:
    say("memory")
    for name, file in (("memory, the file above", faulty), ("memory, the same without faults", clean)):
        used = run(ours(file, faulty=file == faulty))
        yield [name, mib(used), "", limit(f"≤ {MEMORY_MIB} MiB", used.rss <= MEMORY_MIB * 2**20)]


def _cold(options: Options) -> Lines:
    """A new process each time."""
    say("a thousand rows")
    small = Data(series(options.data) / "faulty-1000.parquet", 1000, True)
    make([small])
    mine, other = in_turn([ours(small.file, faulty=True), by_hand(small.file)], 9)
    kept = limit(f"≤ {COLD_S} s", mine.wall <= COLD_S)
    yield ["1,000 rows, a new process", f"{mine.wall:.2f} s", f"query by hand: {other.wall:.2f} s", kept]


def _many(options: Options) -> Lines:
    rows = MANY // 25 if options.quick else MANY
    say(f"{rows:,} rows")
    data = Data(series(options.data) / f"faulty-{rows}.parquet", rows, True)
    make([data])
    mine, other = in_turn([ours(data.file, faulty=True), by_hand(data.file, "1GB")], 2)
    if counts(mine) != PLANTED or json.loads(other.out)["found"] != PLANTED:
        raise SystemExit(f"not what is planted in {data.file}:\n{mine.out}\n{other.out}")
    name = f"{rows:,} rows ({data.file.stat().st_size / 1e6:,.0f} MB), unique keys"
    beside = f"query by hand with 1 GB: {other.wall:.1f} s, {mib(other)}"
    kept = limit("≤ the query", mine.wall <= other.wall)
    yield [f"{name}: time", f"{mine.wall:.1f} s", beside, kept]
    yield [f"{name}: memory", mib(mine), "", limit(f"≤ {MANY_MIB} MiB", mine.rss <= MANY_MIB * 2**20)]


def _year(options: Options, work: Path) -> Lines:
    """A project whose dataset is a folder of daily files, to which one comes; beside a project of that file alone."""
    number, rows = (40, 2_000) if options.quick else (DAYS, DAY_ROWS)
    say(f"{number} daily files")
    files = days(series(options.data) / f"days-{rows}", number, rows)
    make(files)
    year, alone = _project(work / "year"), _project(work / "alone")
    for day in files[:-NEW_DAYS]:
        shutil.copyfile(day.file, year / "days" / day.file.name)
    time.sleep(2.5)  # younger files may still be written to: what is known of them is not remembered
    command = [*MLCI, "validate"]
    first = run(Command(command, year))
    news, ones = list[float](), list[float]()
    for day in files[-NEW_DAYS:]:
        shutil.rmtree(alone / "days")
        for project, found in ((year, news), (alone, ones)):
            (project / "days").mkdir(exist_ok=True)
            shutil.copyfile(day.file, project / "days" / day.file.name)
            found.append(run(Command(command, project)).wall)
    new, one = statistics.median(news), statistics.median(ones)
    yield [f"{number - NEW_DAYS} daily files of {rows:,} rows, all new", f"{first.wall:.2f} s", "", ""]
    kept = limit("≤ 1.5 × that + 0.5 s", new <= 1.5 * one + 0.5)
    yield [f"the same up to {number}, one new", f"{new:.2f} s", f"that file alone: {one:.2f} s", kept]


def _project(folder: Path) -> Path:
    (folder / "days").mkdir(parents=True)
    shutil.copyfile(CONTRACT, folder / "contract.yaml")
    (folder / "mlci.yaml").write_text(PROJECT)
    return folder


def _shapes(work: Path) -> Lines:
    say("many columns")
    found = json.loads(run(Command([sys.executable, "-m", "bench.contract_shapes", str(work)])).out)
    for name, seconds in found.items():
        kept = limit(f"≤ {COMPILE_MS} ms", seconds * 1000 <= COMPILE_MS)
        yield [f"compiling {COMPILED} {name}", f"{seconds * 1000:.0f} ms", "", kept]
    try:
        used = run(ours(work / "wide.parquet", contract=work / "wide.yaml", faulty=True))
        took = f"{used.wall:.1f} s, {mib(used)}" if sum(counts(used).values()) == 1 else "wrong"
    except SystemExit as failed:
        say(str(failed))
        took = "fails"
    kept = limit("validates", took not in {"wrong", "fails"})
    yield [f"{WIDE:,} columns × 5 rules, {WIDE_ROWS:,} rows", took, "", kept]
