"""GitHub-flavoured Markdown from text of others, so that nothing of it renders as markup.

Whatever could become a link, a mention, an emoji, mathematics or HTML stands in a code span, where GitHub renders
nothing (https://github.github.com/gfm/#code-spans); everything else has its punctuation escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mlci.report import words

MARKS = {"pass": "✅", "fail": "❌", "rolled-back": "↩️", "error": "⚠️", "skipped": "➖", "inconclusive": "❔"}
_LIVE = re.compile(r"[@#$`\\|~^]|://|www\.|GH-\d|:[\w+-]+:|^[0-9a-f]{7,40}$", re.IGNORECASE)
_PUNCTUATION = re.compile(r"([*_\[\]]|^[-+=])")
_NUMBERED = re.compile(r"^(\d+)([.)])$")
_QUOTED = re.compile(r"`([^`]+)`")


def prose(value: object, limit: int = 300) -> str:
    """A sentence on one line. What stands between backticks, and every word with a meaning to GitHub, becomes code."""
    made = ""
    for n, part in enumerate(_QUOTED.split(words.line(value, limit))):
        new = code(part) if n % 2 else " ".join(map(_word, part.split(" ")))
        # Two code spans that touch would be read as one longer fence.
        made += (" " if made.endswith("`") and new.startswith("`") else "") + new
    return made


def _word(word: str) -> str:
    if _LIVE.search(word):
        return code(word)
    escaped = _PUNCTUATION.sub(r"\\\1", word.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    return _NUMBERED.sub(r"\1\\\2", escaped)


def code(value: object, limit: int = 120) -> str:
    """A code span; its fence is longer than any run of backticks in it."""
    text = words.line(value, limit)
    if not text:
        return ""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    room = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{room}{text}{room}{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[int] = ()) -> str:
    """A table of cells that are Markdown already; the columns of `numbers` are set to the right."""
    right = frozenset(numbers)
    rule = ["--:" if n in right else ":--" for n in range(len(head))]
    return "\n".join("| " + " | ".join(map(_cell, row)) + " |" for row in (head, rule, *rows))


def _cell(content: str) -> str:
    """A pipe is escaped, also in code. Backslashes before it are doubled, or the pipe would end the cell after all."""
    return re.sub(r"(\\*)\|", lambda m: m[1] * 2 + r"\|", content)


def block(lines: Iterable[str], language: str = "") -> str:
    """A fenced block; its fence is longer than any run of backticks in it."""
    text = "\n".join(lines)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned plain text for a block."""
    every = [head, *rows]
    widths = [max(len(row[n]) for row in every) for n in range(len(head))]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in every]


def details(summary: str, *content: str) -> str:
    """A part that is closed at first. `summary` must be our own words."""
    return "\n\n".join((f"<details><summary>{summary}</summary>", *filter(None, content), "</details>"))


def more(shown: int, of: int, noun: str) -> str:
    """`… and 12 more rules`, when a list was cut."""
    return f"… and {of - shown:,} more {noun}" if of > shown else ""


def digest(value: str) -> str:
    """A digest, short."""
    return code(words.short(value)) if value else "–"


def judged(status: str, word: str = "") -> str:
    """A mark and a word."""
    return f"{MARKS.get(status, '')} {word or prose(words.state(status), 40)}".strip()
