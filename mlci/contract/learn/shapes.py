"""What some texts have in common: the formats and patterns that all of them fit, the narrowest first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

_CLASSES = (("[0-9]", re.compile("[0-9]")), ("[A-Z]", re.compile("[A-Z]")), ("[a-z]", re.compile("[a-z]")))
_SETS = (
    *("0-9", "A-Z", "a-z", "0-9a-f", "0-9A-F", "0-9A-Z", "0-9a-z", "A-Za-z", "0-9A-Za-z"),
    *("0-9A-Za-z_", "0-9A-Za-z_-", "0-9A-Za-z._-"),
)
_LONGEST = 64
_RUNS = 12
_FORMATS = {
    "date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "date-time": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9:]{5})"),
    "time": re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9:]{5})"),
    "uuid": re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "ipv4": re.compile(r"([0-9]{1,3}\.){3}[0-9]{1,3}"),
    "ipv6": re.compile(r"[0-9a-fA-F:]*::[0-9a-fA-F:.]*|([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}"),
    "email": re.compile(r"[0-9A-Za-z._%+-]+@[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)+"),
    "uri": re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"<>\\^`{|}]+"),
    "hostname": re.compile(r"([0-9A-Za-z-]+\.)+[A-Za-z]{2,}"),
}
_UUID = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"


def formats(texts: Sequence[str], known: Sequence[str]) -> list[str]:
    """The formats among the known ones that every text seems to have."""
    found = [name for name, test in _FORMATS.items() if name in known and texts and all(map(test.fullmatch, texts))]
    return [name for name in found if name != "hostname" or _are_hosts(texts)]


def _are_hosts(texts: Sequence[str]) -> bool:
    """Nearly every word is of the format; `photo.jpg` is too, but names of files seldom have more dots."""
    return 2 * sum(text.count(".") > 1 for text in texts) >= len(texts)


def patterns(texts: Sequence[str], shortest: int, longest: int) -> list[str]:
    """Patterns that every text fits, in the common subset of ECMA-262 and Python, the narrowest first.

    `shortest` and `longest` are the lengths of all texts, of which these are some.
    """
    if not texts or not all(texts) or longest > _LONGEST:
        return []
    if all(map(_FORMATS["uuid"].fullmatch, texts)):
        return [_UUID]
    return list(dict.fromkeys([*_shapes(texts), *_charsets(texts, shortest, longest)]))


def _shapes(texts: Sequence[str]) -> Iterator[str]:
    """Runs of digits, capitals and small letters with signs between them, alike in all texts."""
    runs = [_runs(text) for text in texts]
    kinds = {tuple(kind for kind, _ in found) for found in runs}
    if len(kinds) != 1 or len(runs[0]) > _RUNS:
        return
    exact, loose = "", ""
    for column in zip(*runs, strict=True):
        kind, lengths = column[0][0], {len(text) for _, text in column}
        if not kind.startswith("["):
            exact, loose = exact + kind, loose + kind
        else:
            exact += kind + (_times(lengths.pop()) if len(lengths) == 1 else "+")
            loose += kind + "+"
    yield from (f"^{exact}$", f"^{loose}$")


def _runs(text: str) -> list[tuple[str, str]]:
    """A text as (class or escaped characters, the characters) runs."""
    found = [(kind, "".join(run)) for kind, run in groupby(text, _kind)]
    return [(kind or "".join(map(_escaped, run)), run) for kind, run in found]


def _kind(char: str) -> str:
    return next((name for name, test in _CLASSES if test.match(char)), "")


def _charsets(texts: Sequence[str], shortest: int, longest: int) -> Iterator[str]:
    """The smallest set of characters, after a beginning that all share."""
    fitting = next((s for s in _SETS if all(re.fullmatch(f"[{s}]+", text) for text in texts)), None)
    if fitting is None:
        return
    length = f"{{{shortest}}}" if shortest == longest else f"{{{shortest},{longest}}}"
    prefix = _beginning(min(texts), max(texts))
    if prefix:
        yield f"^{''.join(map(_escaped, prefix))}[{fitting}]*$"
    for wider in _SETS[_SETS.index(fitting) :]:
        if all(re.fullmatch(f"[{wider}]+", text) for text in texts):
            yield f"^[{wider}]{length}$"


def _beginning(first: str, last: str) -> str:
    """What the first and the last text as they sort begin with; so do all between them."""
    different = (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: next(different, 0 if first == last else min(len(first), len(last)))]


def _times(n: int) -> str:
    return "" if n == 1 else f"{{{n}}}"


def _escaped(char: str) -> str:
    """A character as itself, in ECMA-262 with the `u` flag: only what means something is escaped."""
    return f"\\{char}" if char in r"^$\.*+?()[]{}|/" else char
