r"""RE2 patterns, as `pattern.py` and `formats.py` write them, in the dialects of other engines.

Only whether there is a match counts, so lazy quantifiers are greedy ones. Character classes are written as ranges
of code points, since `\d` and `\w` follow a locale in Postgres and the JVM's mood elsewhere; `\A` and `\z` are the
very ends of the text in each. java.util.regex: https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/util/
regex/Pattern.html, Postgres: https://www.postgresql.org/docs/15/functions-matching.html#POSIX-SYNTAX-DETAILS
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mlci.contract.elsewhere.dialects import Regexes
from mlci.contract.language.pattern import speaks_of_categories

Ranges = tuple[tuple[int, int], ...]
_LAST = 0x10FFFF
_DIGIT: Ranges = ((0x30, 0x39),)
_WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_LF, _CR = ((0x0A, 0x0A),), ((0x0D, 0x0D),)
_CODE = re.compile(r"\\x(?:\{([0-9a-fA-F]+)\}|([0-9a-fA-F]{2}))")
_REPEAT = re.compile(r"([*+?]|\{([0-9]+)(?:,([0-9]*))?\})\??")


class Unsaid(ValueError):
    """The engine's regular expressions have no word for it; the message says for what."""


@dataclass(frozen=True)
class Token:
    """A piece of a pattern: a set of characters (all but these if `negated`), or anything else by its kind."""

    kind: Literal["set", "start", "end", "edge", "no edge", "(", ")", "|", "repeat"]
    ranges: Ranges = ()
    negated: bool = False
    low: int = 0
    high: int | None = None


def printed(re2: str, regexes: Regexes | Literal["python"]) -> str:
    """The pattern for an unanchored search by an engine. Raises `Unsaid`."""
    if speaks_of_categories(re2):
        raise Unsaid("categories of Unicode, whose version differs from engine to engine")
    if regexes == "re2":
        return re2
    return "".join(_PRINTERS[regexes](token) for token in tokens(re2))


def recurses(re2: str) -> bool:
    """Whether a group is repeated without end, or very often."""
    before = ""
    for token in tokens(re2):
        if token.kind == "repeat" and before == ")" and (token.high is None or token.high > 1):
            return True
        before = token.kind
    return False


def tokens(re2: str) -> Iterator[Token]:
    """The pieces of a pattern."""
    at = 4 if re2.startswith("(?s)") else 0
    while at < len(re2):
        char = re2[at]
        if found := _REPEAT.match(re2, at):
            low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(char, (int(found[2] or 0), None))
            if char == "{":
                high = low if found[3] is None else int(found[3]) if found[3] else None
            yield Token("repeat", low=low, high=high)
            at = found.end()
        elif char == "(":
            yield Token("(")
            at += 3 if re2.startswith("(?:", at) else 1
        elif char in ")|":
            yield Token(")" if char == ")" else "|")
            at += 1
        elif char in "^$":
            yield Token("start" if char == "^" else "end")
            at += 1
        elif re2[at : at + 2] in _MARKS:
            yield Token(_MARKS[re2[at : at + 2]])
            at += 2
        elif char == "[":
            token, at = _class(re2, at + 1)
            yield token
        else:
            assert char != ".", re2
            ranges, at = _member(re2, at)
            yield Token("set", ranges)


_MARKS: dict[str, Literal["start", "end", "edge", "no edge"]]
_MARKS = {r"\A": "start", r"\z": "end", r"\b": "edge", r"\B": "no edge"}


def _class(re2: str, at: int) -> tuple[Token, int]:
    negated = re2.startswith("^", at)
    at += negated
    found: list[tuple[int, int]] = []
    while re2[at] != "]":
        ranges, at = _member(re2, at)
        if re2[at] == "-" and re2[at + 1] != "]":
            last, at = _member(re2, at + 1)
            ranges = ((ranges[0][0], last[0][0]),)
        found += ranges
    return Token("set", tuple(found), negated), at + 1


def _member(re2: str, at: int) -> tuple[Ranges, int]:
    """A character, or a class by its letter, and where it ends."""
    if re2[at] != "\\":
        return ((ord(re2[at]), ord(re2[at])),), at + 1
    if found := _CODE.match(re2, at):
        code = int(found[1] or found[2], 16)
        return ((code, code),), found.end()
    letter = re2[at + 1]
    by_letter = {"d": _DIGIT, "w": _WORD, "D": _others(_DIGIT), "W": _others(_WORD), "n": _LF, "r": _CR}
    assert letter in by_letter or not letter.isalnum(), re2
    return by_letter.get(letter, ((ord(letter), ord(letter)),)), at + 2


def _others(ranges: Sequence[tuple[int, int]]) -> Ranges:
    """All other characters."""
    found, start = [], 0
    for low, high in sorted(ranges):
        if low > start:
            found.append((start, low - 1))
        start = max(start, high + 1)
    return (*found, *(((start, _LAST),) if start <= _LAST else ()))


def _repeat(token: Token, most: int | None) -> str:
    high = token.low if token.high is None else token.high
    if most is not None and max(token.low, high) > most:
        raise Unsaid(f"a repetition of more than {most}")
    return f"{{{token.low},{'' if token.high is None else token.high}}}"


def _brackets(token: Token, char: Callable[[int], str], first: int = 0) -> str:
    """A set as `[…]`; `first` is the lowest character that texts of the engine can hold."""
    kept = [(max(low, first), high) for low, high in token.ranges if high >= first]
    if not kept:  # nothing, or all there is
        return f"[{'' if token.negated else '^'}{char(first)}-{char(_LAST)}]"
    if len(kept) == 1 and kept[0][0] == kept[0][1] and not token.negated:
        return char(kept[0][0])
    inside = (char(low) if low == high else f"{char(low)}-{char(high)}" for low, high in kept)
    return f"[{'^' if token.negated else ''}{''.join(inside)}]"


_W = "[0-9A-Za-z_]"
_EDGE = f"(?:(?<!{_W})(?={_W})|(?<={_W})(?!{_W}))"
_NO_EDGE = f"(?:(?<!{_W})(?!{_W})|(?<={_W})(?={_W}))"
_PLAIN = {"edge": _EDGE, "no edge": _NO_EDGE, "(": "(?:", ")": ")", "|": "|", "start": r"\A"}


def _java(token: Token) -> str:
    if token.kind == "set":
        return _brackets(token, lambda code: chr(code) if _simple(code) else f"\\x{{{code:x}}}")
    return _repeat(token, None) if token.kind == "repeat" else {**_PLAIN, "end": r"\z"}[token.kind]


def _postgres(token: Token) -> str:
    if token.kind == "set":
        return _brackets(token, _escaped, 1)
    return _repeat(token, 255) if token.kind == "repeat" else {**_PLAIN, "end": r"\Z"}[token.kind]


def _python(token: Token) -> str:
    if token.kind == "set":
        return _brackets(token, _escaped)
    return _repeat(token, None) if token.kind == "repeat" else {**_PLAIN, "end": r"\Z"}[token.kind]


def _snowflake(token: Token) -> str:
    """POSIX with characters as they are; `$` may stand before a last line feed, which is for the caller to rule out."""
    if token.kind == "set":
        if not token.ranges or any(low < 32 or high == _LAST for low, high in token.ranges):
            raise Unsaid("control characters, or all but some in brackets")
        return _brackets(token, lambda code: chr(code) if chr(code).isalnum() else f"\\{chr(code)}")
    if token.kind in ("edge", "no edge"):
        raise Unsaid(r"`\b` and `\B`")
    return _repeat(token, None) if token.kind == "repeat" else {"start": "^", "end": "$"}.get(token.kind, token.kind)


def _simple(code: int) -> bool:
    return chr(code).isascii() and (chr(code).isalnum() or chr(code) in " _/:@;")


def _escaped(code: int) -> str:
    return chr(code) if _simple(code) else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_PRINTERS: dict[str, Callable[[Token], str]]
_PRINTERS = {"java": _java, "postgres": _postgres, "python": _python, "snowflake": _snowflake}
