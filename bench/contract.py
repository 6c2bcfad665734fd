"""The data contract beside what checks the same 22 constraints otherwise, and at other sizes.

Every tool must find what is planted in the data, and it is said how many kinds of fault it found. Validators that take
one row at a time and would take minutes are timed on a smaller file and their time is extrapolated, which is marked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.contract_data import PLANTED, Data, make, series
from bench.contract_peers import RIVALS, Rival, by_hand, counts, kinds_found, ours, theirs
from bench.contract_sizes import limit, mib, other_sizes
from bench.measure import Options, Usage, in_turn, say, table

ROWS = 5_000_000
RUNS = 5
ON_FAULTS = 0.85
CLEAN = 0.75
INTRODUCTION = """\
{rows:,} rows of 12 columns ({size:.0f} MB of Parquet, zstd), 22 constraints, {kinds} kinds of fault in {bad} rows. Each
figure is of a whole process, from its start: the median of {runs} runs, each in turn with `mlci validate --json` (of 2
where one takes more than 10 s). *mlci ÷ it* is our time through its; memory is the most that the process held.
The query written by hand is [`with_duckdb.py`](../bench/contract_rivals/with_duckdb.py), in the same DuckDB with its
own defaults. *About*: timed on fewer rows, and extrapolated."""
HEAD = ("", "time", "CPU", "memory", "mlci ÷ it", "limit", "kinds of fault found")


def measure(options: Options) -> str:
    """The section of the page."""
    rows = ROWS // 25 if options.quick else ROWS
    folder = series(options.data)
    faulty, clean = Data(folder / f"faulty-{rows}.parquet", rows, True), Data(folder / f"clean-{rows}.parquet", rows)
    make([faulty, clean])
    introduction = INTRODUCTION.format(
        rows=rows,
        size=faulty.file.stat().st_size / 1e6,
        kinds=len(PLANTED),
        bad=sum(PLANTED.values()),
        runs=RUNS,
    )
    lines = [*_beside_the_query(faulty.file, clean.file), *(_beside(rival, faulty, options) for rival in RIVALS)]
    parts = [introduction, table(HEAD, lines), "### Other sizes", other_sizes(options, faulty.file, clean.file)]
    return "\n\n".join(parts)


def _beside_the_query(faulty: Path, clean: Path) -> Iterator[list[str]]:
    """The file with faults and the clean one, by mlci and by the hand-written query."""
    for name, file, most in (("", faulty, ON_FAULTS), (", no faults", clean, CLEAN)):
        say(f"the hand-written query{name}")
        mine, other = in_turn([ours(file, faulty=file == faulty), by_hand(file)], RUNS)
        ratio = mine.wall / other.wall
        if counts(mine) != json.loads(other.out)["found"]:
            raise SystemExit(f"mlci and the query differ on {file}:\n{mine.out}\n{other.out}")
        found = f"{len(counts(mine))} of {len(PLANTED)}" if file == faulty else "none"
        yield [f"**mlci**{name}", *_figures(mine), "", "", found]
        yield [f"query by hand{name}", *_figures(other), f"{ratio:.2f}", limit(f"≤ {most}", ratio <= most), found]


def _beside(rival: Rival, faulty: Data, options: Options) -> list[str]:
    """One of the other tools, each time beside mlci on the whole file."""
    name = rival.needs[0]
    say(name)
    sample = faulty
    if rival.sample and rival.sample < faulty.rows:
        sample = replace(faulty, file=faulty.file.with_name(f"faulty-{rival.sample}.parquet"), rows=rival.sample)
        make([sample])
    mine, other = in_turn([ours(faulty.file, faulty=True), theirs(rival, sample.file, options.data)], RUNS)
    about = ""
    if sample is not faulty:
        other, about = _extrapolated(other, faulty.rows), "about "
    ratio = mine.wall / other.wall
    words = f"≤ 1/{1 / rival.limit:.0f}" if rival.limit < 1 else "< 1"
    time, cpu, memory = _figures(other)
    found = f"{kinds_found(other)} of {len(PLANTED)}"
    share = f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.1g}"
    return [name, about + time, about + cpu, memory, share, limit(words, ratio < rival.limit), found]


def _extrapolated(usage: Usage, rows: int) -> Usage:
    """What the rows take, times how many more there are; its start is counted once."""
    timed = json.loads(usage.out)
    more = timed["seconds"] * (rows / timed["rows"] - 1)
    return replace(usage, wall=usage.wall + more, cpu=usage.cpu + more)


def _figures(usage: Usage) -> tuple[str, str, str]:
    return f"{usage.wall:.2f} s", f"{usage.cpu:.1f} s", mib(usage)
