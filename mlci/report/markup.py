"""HTML from nested calls, with everything escaped that is not markup already.

`tag("td", name, class_="number")` is `<td class="number">…</td>`. A plain string is text of others and is escaped;
only what `tag` and `join` return is taken as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from mlci.report import words

_VOID = frozenset({"meta", "link", "br", "hr"})


class Markup(str):
    """A string that is safe to stand in the page."""

    __slots__ = ()


Child = str | int | None | Iterable["Child"]


def text(value: object, limit: int = 2000) -> Markup:
    """A value as text of the page, or of an attribute in double quotes."""
    return value if isinstance(value, Markup) else Markup(escape(words.clean(value, limit), quote=True))


def join(*children: Child) -> Markup:
    """The children in a row; None is left out."""
    return Markup("".join(_flat(children)))


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, (str, int)):
            yield text(child)
        elif child is not None:
            yield from _flat(child)


def tag(name: str, /, *children: Child, **attributes: object) -> Markup:
    """An element. `class_` is written `class`, `aria_label` is `aria-label`; None and False leave an attribute out."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{text(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def digest(value: str) -> Markup:
    """A digest that shows its start; the whole is its tooltip, and is what one click selects and a copy takes."""
    whole = words.line(value, 200)
    start = words.short(whole)
    rest = whole[len(start) :]
    return tag("code", start, tag("span", rest, class_="rest") if rest else None, class_="digest", title=whole)


def commit(value: str) -> Markup:
    """A commit, shown short like a digest."""
    whole = words.line(value, 100)
    return tag(
        "code", whole[:12], tag("span", whole[12:], class_="rest") if whole[12:] else None, class_="digest", title=whole
    )


def status(value: str, word: str = "") -> Markup:
    """A state as a pill: a mark, a word and a colour."""
    known = value if value in words.STATES else "unknown"
    return tag("span", word or words.state(value), class_=f"pill {known}")


def table(head: Iterable[Child], rows: Iterable[Iterable[Child]], *, numbers: Iterable[int] = (), label: str) -> Markup:
    """A table in a box of its own that scrolls; the columns of `numbers` are set to the right."""
    right = frozenset(numbers)
    th = [tag("th", name, scope="col", class_="number" if i in right else None) for i, name in enumerate(head)]
    body = [
        tag("tr", [tag("td", cell, class_="number" if i in right else None) for i, cell in enumerate(row)])
        for row in rows
    ]
    made = tag("table", tag("thead", tag("tr", th)), tag("tbody", body))
    return scroll(made, label)


def prose(value: object, limit: int = 300) -> Markup:
    """Text of a table's cell that keeps a readable width when the table has to scroll."""
    return tag("div", words.line(value, limit), class_="prose")


def scroll(content: Markup, label: str) -> Markup:
    """A box that scrolls by itself when its content is wider than the page; the keyboard reaches it."""
    return tag("div", content, class_="scroll", role="region", aria_label=label, tabindex="0")


def bar(part: float, look: str) -> Markup:
    """A lying bar for a part of one; what it says stands as a number beside it."""
    width = round(100 * min(max(part, 0.0), 1.0), 1)
    filled = tag("rect", width=max(width, 1.0) if part > 0 else 0, height="10", rx="2", class_=f"fill {look}")
    return tag(
        "svg",
        tag("rect", width="100", height="10", rx="2", class_="track"),
        filled,
        class_="bar",
        viewBox="0 0 100 10",
        width="100",
        height="10",
        aria_hidden="true",
    )


def details(summary: str, *content: Child) -> Markup:
    """A part that is closed at first."""
    return tag("details", tag("summary", summary), *content)


def more(shown: int, of: int, noun: str = "more") -> Markup | None:
    """`12 more`, when a list was cut."""
    return tag("p", f"… and {of - shown:,} {noun}", class_="muted") if of > shown else None


def facts(pairs: Iterable[tuple[str, Child]]) -> Markup:
    """A list of names and values; pairs whose value is None or empty are left out."""
    kept = [(name, value) for name, value in pairs if value not in (None, "")]
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in kept]) if kept else Markup()
