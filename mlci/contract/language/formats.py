"""Formats of strings, in SQL: TRUE and FALSE where a regular expression is sure, NULL where the fallback decides.

The grammars of some formats (mail addresses, URIs) are larger than what data holds; for those, one expression says what
is surely of the format and another what surely is not. Exact ones have only the first.
https://json-schema.org/draft/2020-12/json-schema-validation#section-7.3
"""

from __future__ import annotations

from dataclasses import dataclass

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DAY_GLOB = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = rf"{_CLOCK}:([0-5][0-9]|60)(\.[0-9]+)?([Zz]|[+-]{_CLOCK})"
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_HEX = "[0-9A-Fa-f]{1,4}"
_SHORT = "|".join(f"({_HEX}:){{1,{7 - n}}}(:{_HEX}){{1,{n}}}" for n in range(1, 7))
_LABEL = "[a-z]([a-z0-9]|[a-z0-9]-[a-z0-9]){0,20}"
_PATH = r"[A-Za-z0-9._~!$&()*+,;=:@/-]"
_NO_URI = r"[^!-~]|[<>\"{}|\\^`]"
"""Characters that no URI has (RFC 3986), non-ASCII among them."""


@dataclass(frozen=True)
class Known:
    """A format: what matches `surely` is of it; what contains `never` is not (None: all that is not surely)."""

    surely: str | None
    never: str | None = None
    exact: bool = False


_KNOWN = {
    "uuid": Known("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", exact=True),
    "ipv4": Known(rf"({_BYTE}\.){{3}}{_BYTE}", exact=True),
    "ipv6": Known(
        rf"({_HEX}:){{7}}{_HEX}|({_HEX}:){{1,7}}:|:(:{_HEX}){{1,7}}|::|{_SHORT}", r"[^0-9A-Fa-f:.]|^[^:]*$|^[^.]*$"
    ),
    "json-pointer": Known(r"(?s)(/([^~/]|~[01])*)*", exact=True),
    "hostname": Known(rf"({_LABEL}\.){{0,3}}{_LABEL}", r"[\x00-,/:-@\[-`{-\x7f]|^$"),
    "email": Known(rf"[A-Za-z0-9]+([._+-][A-Za-z0-9]+){{0,8}}@({_LABEL}\.){{1,3}}[a-z]{{2,20}}", "^[^@]*$"),
    "uri": Known(rf"(?:https?|ftp|file)://({_LABEL}\.){{0,3}}{_LABEL}(/{_PATH}*)?(\?{_PATH}*)?(#{_PATH}*)?", _NO_URI),
    "uri-reference": Known(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]*)*", _NO_URI),
}
_LEFT: tuple[str, ...] = ("duration", "idn-email", "idn-hostname", "iri", "iri-reference", "uri-template", "regex")
_LEFT += ("relative-json-pointer",)
"""The fallback decides these for every string."""
FORMATS = ("date", "date-time", "time", *_KNOWN, *_LEFT)


def is_sure(name: str) -> bool:
    """Whether the SQL of a format is never NULL for a string."""
    return name in ("date", "date-time", "time") or (name in _KNOWN and _KNOWN[name].exact)


def known(name: str) -> Known | None:
    """The expressions of a format that has some."""
    return _KNOWN.get(name)


def holds(name: str, text: str) -> str:
    """SQL that is TRUE where a string is of the format, FALSE where it is not, NULL where that cannot be said."""
    if name == "date":
        return f"({text} GLOB '{_DAY_GLOB}' AND TRY_CAST({text} AS DATE) IS NOT NULL)"
    if name == "date-time":
        return _instant(text)
    if name == "time":
        return _instant(f"('2000-01-01T' || {text})")
    if name in _LEFT:
        return "NULL::BOOLEAN"
    known = _KNOWN[name]
    surely = f"regexp_full_match({text}, {_quoted(known.surely or '')})"
    if known.exact:
        return surely
    never = f"regexp_matches({text}, {_quoted(known.never or '')})"
    return f"CASE WHEN {surely} THEN TRUE WHEN {never} THEN FALSE END"


def _quoted(pattern: str) -> str:
    return "'" + pattern.replace("'", "''") + "'"


def _instant(text: str) -> str:
    """RFC 3339 `date-time`; a second 60 only where the minute is 23:59 in UTC (section 5.7)."""
    offset = f"(TRY_CAST(left(right({text}, 5), 2) AS INT) * 60 + TRY_CAST(right({text}, 2) AS INT))"
    sign = f"CASE left(right({text}, 6), 1) WHEN '-' THEN 1 ELSE -1 END"
    to_utc = f"CASE WHEN right({text}, 1) IN ('Z', 'z') THEN 0 ELSE {sign} * {offset} END"
    minute = f"TRY_CAST(substr({text}, 12, 2) AS INT) * 60 + TRY_CAST(substr({text}, 15, 2) AS INT) + {to_utc}"
    leap = f"(substr({text}, 18, 2) <> '60' OR ({minute} + 1440) % 1440 = 1439)"
    pattern = f"{_DAY}[Tt]{_TIME}"
    return f"(regexp_full_match({text}, '{pattern}') AND TRY_CAST(left({text}, 10) AS DATE) IS NOT NULL AND {leap})"
