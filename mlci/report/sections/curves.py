"""The curves of both models in the page: figures side by side, each with its table; classes as tables."""

from __future__ import annotations

from typing import Any

from mlci.report import facts, markup, words
from mlci.report.curves import MODELS, Figure, binary, values
from mlci.report.markup import Child, Markup, join, tag
from mlci.report.residuals import each, residuals

_SHADES, _CLASSES, _PAIRS, _OPEN = 5, 30, 50, 10


def curves(found: dict[str, Any]) -> Markup | None:
    """What both models look like; nothing where the receipt keeps nothing of it."""
    kept = facts.mapping(found.get("curves"))
    both = binary(facts.mapping(kept.get("binary"))) + residuals(facts.mapping(kept.get("residuals")))
    figures = both + [made for one in facts.objects(kept.get("each"))[:12] if (made := each(one))]
    matrix, confused = _matrix(facts.mapping(kept.get("confusion"))), _confused(facts.mapping(kept.get("confused")))
    if not figures and not matrix and not confused:
        return None
    sample = facts.number(kept.get("sample"))
    some = f" Drawn from {words.count(sample, 'row')} taken at random." if sample is not None else ""
    return join(
        tag("h3", "What the models look like"),
        _legend(bool(found.get("champion")), bool(both), some),
        tag("div", [_figure(one) for one in figures], class_="figures curves") if figures else None,
        matrix,
        confused,
    )


def _legend(champion: bool, drawn: bool, some: str) -> Markup | None:
    if not drawn:
        return tag("p", some.strip(), class_="legend") if some else None
    old = join(tag("span", class_="stroke old"), " champion. ") if champion else None
    return tag(
        "p", tag("span", class_="stroke new"), " new model ", old, f"Nothing is decided by them.{some}", class_="legend"
    )


def _figure(one: Figure) -> Markup:
    return tag(
        "figure",
        tag("figcaption", one.name),
        one.plot,
        tag("p", one.note, class_="muted") if one.note else None,
        markup.details(
            "The same as a table", markup.table(one.head, one.rows, numbers=range(1, len(one.head)), label=one.name)
        ),
    )


def _matrix(found: dict[str, Any]) -> Markup | None:
    """Who is taken for whom, a table for each model: rows are the truth, shaded by the share of their row."""
    raw = found.get("classes")
    names = [words.line(one, 24) for one in raw[:_CLASSES]] if isinstance(raw, (list, tuple)) else []
    made = []
    for who, (name, _) in reversed(MODELS.items()):
        cells = found.get(who)
        rows = [values(row) for row in cells] if isinstance(cells, (list, tuple)) else []
        if names and len(rows) == len(names) and all(len(row) == len(names) for row in rows):
            made.append(tag("div", tag("h4", name.capitalize()), _heat(names, rows, name)))
    if not made:
        return None
    said = "Rows are the truth, columns what was said; the shade is the share of the truth's rows."
    return join(tag("p", said, class_="muted"), tag("div", made, class_="columns"))


def _heat(names: list[str], rows: list[list[float]], model: str) -> Markup:
    body = []
    for name, row in zip(names, rows, strict=True):
        whole = sum(row)
        cells = [
            tag(
                "td",
                words.number(n),
                class_=f"number heat h{_shade(n, whole)}",
                title=f"{name} taken for {said}: {words.share(n, whole)}",
            )
            for said, n in zip(names, row, strict=True)
        ]
        body.append(tag("tr", tag("th", name, scope="row"), cells))
    head = [tag("th", name, scope="col", class_="number") for name in names]
    table = tag("table", tag("thead", tag("tr", tag("td", "true ↓ said →"), head)), tag("tbody", body), class_="matrix")
    return markup.scroll(table, f"Who is taken for whom by the {model}")


def _shade(part: float, whole: float) -> int:
    return min(_SHADES, max(0, round(_SHADES * part / whole + 0.3))) if whole > 0 and part > 0 else 0


def _confused(found: dict[str, Any]) -> Markup | None:
    pairs = facts.objects(found.get("pairs"))[:_PAIRS]
    if not pairs:
        return None
    both = any(facts.number(one.get("champion")) is not None for one in pairs)
    shown = ["challenger", *(["champion"] if both else [])]
    rows: list[tuple[Child, ...]] = [
        (
            words.line(one.get("is", ""), 60),
            words.line(one.get("said", ""), 60),
            *(words.number(facts.number(one.get(who))) for who in shown),
        )
        for one in pairs
    ]
    head = ("Truth", "Taken for", *(MODELS[who][0].capitalize() for who in shown))
    count, left = facts.number(found.get("classes")), facts.number(found.get("left")) or 0
    title = f"The pairs most confused of {words.count(count, 'class', 'classes')}"
    rest = tag("p", f"… and {words.number(left)} more pairs", class_="muted") if left > 0 else None
    label = "Pairs of classes most confused"
    return join(
        tag("p", title, class_="muted"),
        markup.table(head, rows[:_OPEN], numbers=(2, 3), label=label),
        markup.details("More pairs", markup.table(head, rows[_OPEN:], numbers=(2, 3), label=f"{label}, more"), rest)
        if len(rows) > _OPEN
        else None,
    )
