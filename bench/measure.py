"""A command's time, CPU time and memory, beside another's; and the tools that it is measured beside, installed.

Commands are timed in turn, so that a machine whose speed drifts does not decide. A process counts its parent's peak of
memory as its own where it is larger (Linux hands it on at the start), so a subject stays small and leaves to others
what is big.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[1]
MLCI = (sys.executable, "-m", "mlci")
SLOW_S = 10.0
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Options:
    """What the person who measures asked for. `data` keeps what is generated and installed; `quick` is to try it out:
    a small share of the rows, and figures that say nothing.
    """

    data: Path
    quick: bool


@dataclass(frozen=True)
class Command:
    """A command, where it runs, and the exit codes that are no mistake."""

    line: Sequence[str]
    cwd: Path = ROOT
    env: dict[str, str] = field(default_factory=dict)
    codes: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Usage:
    """Seconds on the clock, seconds of CPU, the most memory in bytes of the largest process, and what was printed."""

    wall: float
    cpu: float
    rss: int
    out: str = ""


def run(command: Command) -> Usage:
    """Run it to its end. Raises SystemExit when it fails."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            list(command.line), cwd=command.cwd, env={**_environment(), **command.env}, stdout=out, stderr=err
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    if process.returncode not in command.codes:
        raise SystemExit("\n".join([f"{' '.join(command.line)} ended with {process.returncode}:", *texts]))
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * _RSS_UNIT, texts[0])


def in_turn(commands: Sequence[Command], runs: int) -> list[Usage]:
    """The medians of each command, one run after the other, after a warm-up. Slow ones run twice, the warm-up too."""
    first = [run(command) for command in commands]
    slow = max(usage.wall for usage in first) > SLOW_S
    found = [[usage] if slow else [] for usage in first]
    for _ in range(1 if slow else runs):
        for usages, command in zip(found, commands, strict=True):
            usages.append(run(command))
    return [median(usages) for usages in found]


def median(usages: Sequence[Usage]) -> Usage:
    """The median of each figure, with what the last one printed."""
    return Usage(
        statistics.median(u.wall for u in usages),
        statistics.median(u.cpu for u in usages),
        int(statistics.median(u.rss for u in usages)),
        usages[-1].out,
    )


def installed(folder: Path, requirements: Sequence[str]) -> Path:
    """The folder of the programs of an environment with these requirements, made where it is missing."""
    programs = folder / "bin"
    done = folder / "requirements.txt"
    wanted = "\n".join(requirements)
    if not done.exists() or done.read_text() != wanted:
        uv = find_uv_bin()
        run(Command([uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)]))
        python = str(programs / "python")
        run(Command([uv, "pip", "install", "-q", "--compile-bytecode", "--python", python, *requirements]))
        done.write_text(wanted)
    return programs


def machine() -> str:
    """What it was measured on."""
    system = f"{platform.system()} {platform.machine()}"
    return f"{system}, {os.cpu_count()} cores, Python {platform.python_version()}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines).replace("| --- ", "|---").replace("|--- |", "|---|")


def say(text: str) -> None:
    """Tell the person who waits."""
    print(text, file=sys.stderr, flush=True)


def _environment() -> dict[str, str]:
    """As a user has it: bytecode is kept."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
