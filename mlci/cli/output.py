"""What the commands print: errors with their place and way out, the line of a step, the summary of a run."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from mlci.errors import ConfigError, MlciError
from mlci.evidence.record import Run, StepRecord

_MARKS = {
    "pass": ("✓", "green"),
    "fail": ("✗", "red"),
    "rolled-back": ("↩", "red"),
    "error": ("!", "red"),
    "skipped": ("·", "white"),
}
_ENDINGS = {
    0: "done",
    1: "stopped by a verdict",
    2: "the configuration is wrong",
    3: "stopped by something that mlci needs",
    4: "taken back",
    70: "a fault of mlci itself",
    130: "interrupted",
}


def color_wanted() -> bool:
    """Colour on a terminal; NO_COLOR and FORCE_COLOR decide otherwise."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stderr.isatty()


def printable(line: str) -> str:
    """A line without control characters, which could rewrite the terminal."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or c == " " else " " for c in line.expandtabs())


def show_error(error: MlciError) -> None:
    """An error a person can do something about."""
    if isinstance(error, ConfigError):
        from mlci.config import render

        for problem in error.problems:
            click.echo(render(problem, color=color_wanted()) + "\n", err=True)
    first, *rest = error.message.splitlines() or [""]
    click.echo(click.style("error: ", fg="red") + printable(first), err=True)
    for line in rest:  # a command's last words: at the start of a line a CI runner would take some for its own
        click.echo(f"  | {printable(line)}", err=True)
    if error.help:
        click.echo(f"  = help: {printable(error.help)}", err=True)


def show_fault(error: BaseException, command: str) -> None:
    """A fault of mlci itself: a report to paste into an issue, in a file."""
    from mlci.evidence import provenance

    report = [
        "### A fault of mlci",
        f"    {command}",
        f"    {provenance.builder()['versions']}",
        "```",
        "".join(traceback.format_exception(error)).rstrip(),
        "```",
    ]
    handle, name = tempfile.mkstemp(prefix="mlci-fault-", suffix=".md")
    with os.fdopen(handle, "w") as out:
        out.write("\n".join(report) + "\n")
    click.echo(f"error: a fault of mlci itself: {type(error).__name__}: {error}", err=True)
    click.echo(f"  = help: please report it; {name} has what is needed (look it over first)", err=True)


def finished_line(record: StepRecord, width: int) -> str:
    """One step's end, on one line."""
    mark, color = _MARKS[record.status]
    word = (
        "reused" if record.reused and record.status == "pass" else record.status + (", reused" if record.reused else "")
    )
    first = printable(record.summary.splitlines()[0] if record.summary else "")
    origin = f"  (from {printable(record.origin)})" if record.origin else ""
    return f"{click.style(mark, fg=color)} {record.name:<{width}}  {word:<12} {record.seconds:6.1f} s  {first}{origin}"


def show_summary(run: Run, page: Path) -> None:
    """All steps, how it ended, and where the report is; on standard output."""
    width = max((len(step.name) for step in run.steps), default=0)
    click.echo(f"\n{run.project} {run.id}: {_ENDINGS[run.exit_code]}")
    for step in run.steps:
        click.echo(finished_line(step, width))
    click.echo(f"report: {_short(page)}")


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "\n".join(lines)
