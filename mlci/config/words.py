"""The words of messages: values quoted and described, the nearest right word, lists in English, paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

_LONGEST = 60
_COMPARED = 50
_LISTED = 12


def quote(value: object) -> str:
    """A value as a person wrote it, in quotes when it is text, cut when it is long, control characters escaped."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]}…{text[0] if isinstance(value, str) else ''}"


def describe(value: Any) -> str:
    """What a value is: `the text 'abc'`, `the number 5`, `a list`, …"""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {quote(value)}"
    if isinstance(value, str):
        return f"the text {quote(value)}"
    return f"{'a' if value else 'an empty'} {'list' if isinstance(value, list) else 'mapping'}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    import difflib

    by_lower = {name.lower(): name for name in islice(known, _COMPARED)}
    found = difflib.get_close_matches(word.lower()[:_LONGEST], by_lower, n=1)
    return by_lower[found[0]] if found else None


def suggest(word: str, known: Sequence[str], what: str) -> str:
    """The way out after an unknown word: the nearest one, or all there are."""
    found = nearest(word, known)
    if found:
        return f"did you mean {quote(found)}?"
    listed = ", ".join([quote(name)[1:-1] for name in known[:_LISTED]] + ["…"] * (len(known) > _LISTED))
    return f"{what}: {listed}" if known else f"there are no {what}"


def either(words: Sequence[str], last: str = "or") -> str:
    """`a, b or c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def json_path(path: Sequence[str | int]) -> str:
    """`$.train.data[0]`, and names that are not plain words in quotes: `$.data["a b"]`."""
    out = "$"
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z_][\w-]*", step, re.ASCII):
            out += f".{step}"
        else:
            out += f'["{step}"]'
    return out
