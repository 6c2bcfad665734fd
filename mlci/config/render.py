"""A problem as a compiler would show it: where, the line itself, a caret under the mistake, the way out.

Nothing of the file reaches the terminal unescaped: control and other invisible characters are shown as `\\x1b`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

from mlci.config.source import OVERRIDE, Located
from mlci.errors import Problem

WIDTH = 100
"""Columns of the terminal that a line may take; longer ones are cut to a window round the caret."""
_LEFT = 40
_RED, _BLUE, _BOLD, _PLAIN = "\033[1;31m", "\033[1;34m", "\033[1m", "\033[0m"


def line_of(problem: Problem) -> str | None:
    """The problem's line: carried by the problem, or read from its file; None when there is none to show."""
    if isinstance(problem, Located):
        return problem.text
    try:
        lines = problem.file.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[problem.line - 1]
    except (OSError, IndexError):
        return None


def render(problem: Problem, lookup: Callable[[Problem], str | None] = line_of, *, color: bool = False) -> str:
    """The problem in a few lines, without a line break at the end."""
    red, blue, bold, plain = (_RED, _BLUE, _BOLD, _PLAIN) if color else ("",) * 4
    margin = " " * len(str(problem.line))
    path = f" ({escape(problem.path)})" if problem.path not in ("", "$") else ""
    out = [
        f"{red}error{plain}{bold}: {escape(problem.message)}{plain}",
        f"{margin}{blue}-->{plain} {escape(_shown(problem.file))}:{problem.line}:{problem.column}{path}",
    ]
    line = lookup(problem)
    if line is not None:
        text, indent, width = _window(line, problem.column - 1, problem.width)
        out += [
            f"{margin} {blue}|{plain}",
            f"{blue}{problem.line} |{plain} {text}".rstrip(),
            f"{margin} {blue}|{plain} {' ' * indent}{red}{'^' * width}{plain}",
        ]
    if problem.help:
        out.append(f"{margin} {blue}={plain} help: {escape(problem.help)}")
    return "\n".join(out)


def escape(text: str) -> str:
    """Text that is safe on a terminal: what cannot be seen is shown by its code."""
    return "".join(_shown_character(c) for c in text)


def _shown_character(character: str) -> str:
    if character == "\t":
        return "    "
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def _columns(text: str) -> int:
    """How many columns of a terminal a shown text takes: wide characters two, combining ones none."""
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _window(line: str, start: int, width: int) -> tuple[str, int, int]:
    """The part of a line round the caret as it is shown, and the columns before and under the caret."""
    before, marked, after = escape(line[:start]), escape(line[start : start + width]), escape(line[start + width :])
    before += " " * (start - len(line))
    if _columns(before + marked + after) > WIDTH:
        before = before if _columns(before) <= _LEFT else "…" + _fitting(before[::-1], _LEFT - 1)[::-1]
        marked = _cut(marked, WIDTH - _columns(before) - bool(after))
        after = _cut(after, WIDTH - _columns(before + marked))
    return before + marked + after, _columns(before), max(1, _columns(marked))


def _cut(text: str, columns: int) -> str:
    return text if _columns(text) <= columns else _fitting(text, columns - 1) + "…"


def _fitting(text: str, columns: int) -> str:
    """The longest beginning of a text that fits."""
    used = 0
    for i, character in enumerate(text):
        used += _columns(character)
        if used > columns:
            return text[:i]
    return text


def _shown(file: Path) -> str:
    """A file relative to the current folder when it is below it."""
    try:
        return file.name if file == OVERRIDE else str(file.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(file)
