r"""ECMA-262 regular expressions as RE2, which DuckDB runs in linear time; what RE2 cannot say exactly is refused.

JSON Schema patterns are ECMA-262 with the `u` flag, unanchored (https://tc39.es/ecma262/#sec-patterns). The two
dialects differ where it hurts: `$` (RE2 here: only at the very end), `.` (ECMA: no line separators), `\s` (ECMA:
Unicode's spaces), `[]` and `[^]`. Lookaround and backreferences have no counterpart.
"""

from __future__ import annotations

import functools
import math
import re
from typing import Any

_SPACES = (
    r"\x{9}-\x{d}\x{20}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}"  # ECMA `\s`
)
_NOT_SPACES = (
    r"\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}"
    r"\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}"
)
_CONTROLS = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D, "0": 0x00}
_QUANTIFIER = re.compile(r"[*+?]|\{([0-9]+)(?:,([0-9]*))?\}")
_GROUP = re.compile(r"\(\?<[A-Za-z_$][\w$]*>|\(\?:|\((?!\?)")
_UNICODE = re.compile(
    r"u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]+)\}"
)
_NO_ESCAPE = {
    **dict.fromkeys("123456789k", "backreferences"),
}


_CATEGORIES = {
    **{"Letter": "L", "Uppercase_Letter": "Lu", "Lowercase_Letter": "Ll", "Titlecase_Letter": "Lt"},
    **{"Modifier_Letter": "Lm", "Other_Letter": "Lo", "Mark": "M", "Combining_Mark": "M", "Nonspacing_Mark": "Mn"},
    **{"Spacing_Mark": "Mc", "Enclosing_Mark": "Me", "Number": "N", "Decimal_Number": "Nd", "digit": "Nd"},
    **{"Letter_Number": "Nl", "Other_Number": "No", "Punctuation": "P", "punct": "P", "Connector_Punctuation": "Pc"},
    **{"Dash_Punctuation": "Pd", "Open_Punctuation": "Ps", "Close_Punctuation": "Pe", "Initial_Punctuation": "Pi"},
    **{"Final_Punctuation": "Pf", "Other_Punctuation": "Po", "Symbol": "S", "Math_Symbol": "Sm"},
    **{"Currency_Symbol": "Sc", "Modifier_Symbol": "Sk", "Other_Symbol": "So", "Separator": "Z"},
    **{"Space_Separator": "Zs", "Line_Separator": "Zl", "Paragraph_Separator": "Zp", "Control": "Cc", "cntrl": "Cc"},
    **{"Format": "Cf", "Private_Use": "Co"},
}
"""General categories by their long names (https://tc39.es/ecma262/#table-unicode-general-category-values); those with
characters that are assigned from one version of Unicode to the next are not among them.
"""
_PROPERTY = re.compile(r"([pP])\{(?:(?:gc|General_Category)=)?(\w+)\}")
UNSETTLED = r"[^\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}\p{Cc}\p{Cf}\p{Co}]|\x{1171e}"
"""Characters of which the engine and the fallback may know different things: those that the engine's Unicode has not
assigned, and one whose category was another one once.
"""


class Refused(ValueError):
    """The pattern cannot be checked exactly, or is none; the message says why."""


def translate(pattern: str) -> str:
    """An RE2 pattern with the same meaning, for an unanchored search. Raises `Refused`."""
    out: list[str] = []
    at, depth, repeatable = 0, 0, False
    while at < len(pattern):
        char = pattern[at]
        quantifier = _QUANTIFIER.match(pattern, at)
        if quantifier:
            at = _quantifier(pattern, quantifier, repeatable)
            out.append(pattern[quantifier.start() : at])
            repeatable = False
        elif char == "(":
            at, depth, repeatable = _group(pattern, at), depth + 1, False
            out.append("(?:")
        elif char == ")":
            depth, at, repeatable = depth - 1, at + 1, True
            if depth < 0:
                raise Refused("`)` closes nothing")
            out.append(")")
        else:
            text, at = _atom(pattern, at)
            out.append(text)
            repeatable = text not in (r"\A", r"\z", "|", r"\b", r"\B")
    if depth:
        raise Refused("`(` is not closed")
    return "".join(out)


_ATOM = re.compile(r"(\[\\x\{([0-9a-f]+)\}-\\x\{([0-9a-f]+)\}\]|\\d|[A-Za-z0-9 _:/,;@-])(?:\{([0-9]+)\})?")
_LONGEST = 64
_REPEATED = re.compile(r"(?<!x)\{([0-9]+)(?:,([0-9]*))?\}")


def as_glob(re2: str) -> str | None:
    """The glob that matches the same texts as a translated pattern; None where none is so simple.

    One is for a whole text of characters, each of them given or in one range of ASCII.
    """
    if not (re2.startswith(r"\A") and re2.endswith(r"\z")):
        return None
    inside, at, out = re2[2:-2], 0, list[str]()
    while at < len(inside):
        atom = _ATOM.match(inside, at)
        if not atom:
            return None
        out += [_in_glob(atom)] * int(atom[4] or 1)
        at = atom.end()
    return "".join(out) if all(out) and len(out) <= _LONGEST else None


def _in_glob(atom: re.Match[str]) -> str:
    """One character of a glob; empty where it has no word for it."""
    if atom[1] == r"\d":
        return "[0-9]"
    if not atom[2]:
        return atom[1]
    low, high = int(atom[2], 16), int(atom[3], 16)
    plain = all(chr(code).isascii() and chr(code).isalnum() for code in (low, high))
    return f"[{chr(low)}-{chr(high)}]" if plain else ""


def speaks_of_categories(re2: str) -> bool:
    """Whether a translated pattern asks for categories of Unicode, which the engine knows of no `UNSETTLED` ones."""
    return re.search(r"\\[pP]\{", re2) is not None


def is_small(re2: str) -> bool:
    """Whether a translated pattern surely compiles: written out, it is far from what RE2 has room for."""
    if speaks_of_categories(re2):
        return False
    times = math.prod(int(high or low) for low, high in _REPEATED.findall(re2) if int(high or low))
    return len(re2) * times < 20_000


def compile_error(re2: str) -> str | None:
    """What DuckDB's RE2 has against a pattern, or None."""
    import duckdb

    connection = _connection().cursor()
    try:
        connection.execute("SELECT regexp_matches('', ?)", [re2]).fetchall()
    except duckdb.Error as error:
        return str(error).splitlines()[0].split(": ", 1)[-1]
    finally:
        connection.close()
    return None


@functools.cache
def _connection() -> Any:
    """One for all patterns: opening one takes longer than a hundred patterns."""
    import duckdb

    return duckdb.connect(":memory:", config={"threads": "1"})


def _quantifier(pattern: str, found: re.Match[str], repeatable: bool) -> int:
    if not repeatable:
        raise Refused(f"`{found[0]}` repeats nothing")
    low, high = found[1], found[2]
    if max(int(low or 0), int(high or 0)) > 1000:
        raise Refused("a repetition of more than 1000 is too large")
    if low and high and int(high) < int(low):
        raise Refused(f"the numbers in `{found[0]}` are out of order")
    return found.end() + pattern.startswith("?", found.end())


def _group(pattern: str, at: int) -> int:
    found = _GROUP.match(pattern, at)
    if found:
        return found.end()
    if re.match(r"\(\?<?[=!]", pattern[at:]):
        raise Refused("lookahead and lookbehind cannot be checked")
    raise Refused(f"`{pattern[at : at + 3]}` is not supported")


def _atom(pattern: str, at: int) -> tuple[str, int]:
    """What begins at `at` outside of a class, translated, and where it ends."""
    char = pattern[at]
    if char == "\\":
        return _escape(pattern, at, in_class=False)
    if char == "[":
        return _class(pattern, at)
    if char in "]{}":
        raise Refused(rf"a `{char}` that stands for itself is written `\{char}`")
    fixed = {"^": r"\A", "$": r"\z", "|": "|", ".": r"[^\n\r\x{2028}\x{2029}]"}
    return fixed.get(char) or _literal(ord(char)), at + 1


def _class(pattern: str, at: int) -> tuple[str, int]:
    at += 1
    negated = pattern.startswith("^", at)
    at += negated
    parts: list[str] = []
    while not pattern.startswith("]", at):
        if at >= len(pattern):
            raise Refused("`[` is not closed")
        first, at = _member(pattern, at)
        if pattern.startswith("-", at) and not pattern.startswith("-]", at):
            last, at = _member(pattern, at + 1)
            if not _is_character(first) or not _is_character(last):
                raise Refused("a range in `[…]` needs a character at both ends")
            if _code(first) > _code(last):
                raise Refused("a range in `[…]` is out of order")
            first = f"{first}-{last}"
        parts.append(first)
    inside = "".join(parts)
    if not inside:
        return (r"[\x{0}-\x{10ffff}]" if negated else r"[^\x{0}-\x{10ffff}]"), at + 1
    return f"[{'^' if negated else ''}{inside}]", at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    if at >= len(pattern):
        raise Refused("`[` is not closed")
    if pattern[at] == "\\":
        return _escape(pattern, at, in_class=True)
    return f"\\x{{{ord(pattern[at]):x}}}", at + 1


def _is_character(member: str) -> bool:
    return re.fullmatch(r"\\x\{[0-9a-f]+\}", member) is not None


def _code(member: str) -> int:
    return int(member[3:-1], 16)


def _escape(pattern: str, at: int, *, in_class: bool) -> tuple[str, int]:
    rest = pattern[at + 1 :]
    if not rest:
        raise Refused(r"it ends with a single `\`")
    char = rest[0]
    if char in _NO_ESCAPE:
        raise Refused(f"{_NO_ESCAPE[char]} cannot be checked")
    if char in "pP":
        return _category(rest, at)
    if char in "dDwW":
        return f"\\{char}", at + 2
    if char in "sS":
        ranges = _SPACES if char == "s" else _NOT_SPACES
        return (ranges if in_class else f"[{ranges}]"), at + 2
    if char in "bB":
        if not in_class:
            return f"\\{char}", at + 2
        if char == "b":
            return r"\x{8}", at + 2
    code, length = _character(rest)
    return (f"\\x{{{code:x}}}" if in_class else _literal(code)), at + 1 + length


def _category(rest: str, at: int) -> tuple[str, int]:
    found = _PROPERTY.match(rest)
    short = found and _CATEGORIES.get(found[2], found[2])
    if not found or short not in _CATEGORIES.values():
        raise Refused(r"Unicode properties other than categories (such as `\p{L}`, `\p{Lu}`) cannot be checked")
    return f"\\{found[1]}{{{short}}}", at + 1 + found.end()


def _character(rest: str) -> tuple[int, int]:
    """The character that an escape (without its backslash) stands for, and how long the escape is."""
    char = rest[0]
    if char in _CONTROLS:
        if re.match("0[0-9]", rest):
            raise Refused("octal escapes are not ECMA-262")
        return _CONTROLS[char], 1
    if control := re.match("c([A-Za-z])", rest):
        return ord(control[1]) % 32, 2
    if byte := re.match("x([0-9a-fA-F]{2})", rest):
        return int(byte[1], 16), 3
    if found := _UNICODE.match(rest):
        if found[1]:
            return 0x10000 + ((int(found[1], 16) - 0xD800) << 10) + int(found[2], 16) - 0xDC00, found.end()
        code = int(found[3] or found[4], 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise Refused(f"`\\{found[0]}` is not a character")
        return code, found.end()
    if char.isascii() and not char.isalnum():
        return ord(char), 1
    raise Refused(f"`\\{char}` is not an escape of ECMA-262")


def _literal(code: int) -> str:
    char = chr(code)
    return char if char.isascii() and (char.isalnum() or char in " _-:/,;@") else f"\\x{{{code:x}}}"
