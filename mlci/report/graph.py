"""Boxes with arrows: a small layered layout (after Sugiyama, Tagawa & Toda 1981), drawn lying or standing.

Arrows that other arrows imply are left out. A box stands one layer after the last box before it, arrows over
several layers pass between the boxes, and the order within a layer follows the boxes before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlci.report import svg
from mlci.report.markup import Markup, scroll, tag

HEIGHT = 64.0
"""Of a box."""
_ALONG, _ACROSS = 26.0, 14.0
"""Room between layers, and between the boxes of a layer."""
_DOWN = 26.0
_SWEEPS = 4


@dataclass(frozen=True)
class Node:
    """A box: a heading, a line under it, and a note in small type. `look` is the class that colours it."""

    id: str
    heading: str
    line: str = ""
    note: str = ""
    look: str = ""
    badge: str = ""
    href: str = ""
    title: str = ""


@dataclass(frozen=True)
class Edge:
    """An arrow; dashed when what it starts from was only looked at."""

    start: str
    end: str
    dashed: bool = False


Place = tuple[float, float]
"""Layer, and position within it around zero."""


def draw(nodes: Sequence[Node], edges: Sequence[Edge], label: str, *, width: float = 132.0) -> Markup:
    """The graph twice: lying for wide pages, standing for narrow ones. The style sheet shows one of them.

    `width` is that of a box.
    """
    layers, kept = arrange([n.id for n in nodes], edges)
    return tag(
        "div",
        tag("div", scroll(_draw(nodes, kept, layers, label, width, standing=False), label), class_="wide"),
        tag("div", scroll(_draw(nodes, kept, layers, label, width, standing=True), label), class_="narrow"),
        class_="graph",
    )


def arrange(ids: Sequence[str], edges: Sequence[Edge]) -> tuple[list[list[str]], list[tuple[Edge, list[str]]]]:
    """The layers of boxes, and each arrow that is kept with the places it passes through.

    Arrows from or to an unknown box, and those that would close a circle, are left out. A place that an arrow passes
    is named `START END LAYER`, which no box is named.
    """
    before = _before(ids, edges)
    depth = dict.fromkeys(ids, 0)
    for one in _sorted(ids, before):
        depth[one] = max((depth[b] + 1 for b in before[one]), default=0)
    for one in ids:  # what comes from nothing stands beside what it leads to
        ends = [depth[end] for end in ids if one in before[end]]
        if ends and not before[one]:
            depth[one] = min(ends) - 1
    kept = [e for e in dict.fromkeys(edges) if e.start in before.get(e.end, ()) and not _implied(e, before)]
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for one in ids:
        layers[depth[one]].append(one)
    routes, parents = [], {one: [] for one in ids}  # type: tuple[list[tuple[Edge, list[str]]], dict[str, list[str]]]
    for edge in kept:
        via = [f"{edge.start}\0{edge.end}\0{n}" for n in range(depth[edge.start] + 1, depth[edge.end])]
        for n, place in enumerate(via, depth[edge.start] + 1):
            layers[n].append(place)
        stops = [edge.start, *via, edge.end]
        for first, second in pairwise(stops):
            parents.setdefault(second, []).append(first)
        routes.append((edge, stops))
    return _ordered(layers, parents), routes


def _before(ids: Sequence[str], edges: Sequence[Edge]) -> dict[str, set[str]]:
    """What stands before each box, without circles."""
    before: dict[str, set[str]] = {one: set() for one in ids}
    for edge in edges:
        if edge.start in before and edge.end in before and edge.end not in _all_before(edge.start, before):
            before[edge.end].add(edge.start)
    return before


def _all_before(one: str, before: dict[str, set[str]]) -> set[str]:
    """The box and everything before it."""
    seen, waiting = {one}, [one]
    while waiting:
        new = before[waiting.pop()] - seen
        seen |= new
        waiting.extend(new)
    return seen


def _sorted(ids: Sequence[str], before: dict[str, set[str]]) -> list[str]:
    """The boxes, each after those before it."""
    reach = {one: len(_all_before(one, before)) for one in ids}
    return sorted(ids, key=lambda one: reach[one])


def _implied(edge: Edge, before: dict[str, set[str]]) -> bool:
    return any(edge.start in _all_before(other, before) for other in before[edge.end] - {edge.start})


def _ordered(layers: list[list[str]], parents: dict[str, list[str]]) -> list[list[str]]:
    """Each layer in the order of the middle of what its boxes come from and lead to."""
    children: dict[str, list[str]] = {}
    for end, starts in parents.items():
        for start in starts:
            children.setdefault(start, []).append(end)
    layers = [list(layer) for layer in layers]
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        for n in range(1, len(layers)) if forward else range(len(layers) - 2, -1, -1):
            layers[n] = _by_middle(layers[n], layers[n - 1 if forward else n + 1], parents if forward else children)
    return layers


def _by_middle(layer: list[str], beside: list[str], linked: dict[str, list[str]]) -> list[str]:
    place = {one: i - (len(beside) - 1) / 2 for i, one in enumerate(beside)}
    own = {one: i - (len(layer) - 1) / 2 for i, one in enumerate(layer)}

    def middle(one: str) -> float:
        found = [place[other] for other in linked.get(one, ()) if other in place]
        return sum(found) / len(found) if found else own[one]

    return sorted(layer, key=middle)


def _draw(
    nodes: Sequence[Node],
    routes: list[tuple[Edge, list[str]]],
    layers: list[list[str]],
    label: str,
    box: float,
    *,
    standing: bool,
) -> Markup:
    most = max(map(len, layers), default=0)
    along, across = (HEIGHT + _DOWN, box + _ACROSS) if standing else (box + _ALONG, HEIGHT + _ACROSS)
    breadth = most * across - _ACROSS
    at: dict[str, Place] = {}
    for n, layer in enumerate(layers):
        offset = (breadth - (len(layer) * across - _ACROSS)) / 2
        for i, one in enumerate(layer):
            deep, wide = n * along + 1, offset + i * across + 1
            at[one] = (wide, deep) if standing else (deep, wide)
    length = len(layers) * along - (_DOWN if standing else _ALONG)
    width, height = (breadth, length) if standing else (length, breadth)
    arrows = [_arrow(edge, [at[stop] for stop in stops], box, standing=standing) for edge, stops in routes]
    return tag(
        "svg",
        arrows,
        [_box(node, *at[node.id], box) for node in nodes],
        viewBox=f"0 0 {width + 2:g} {height + 2:g}",
        width=f"{width + 2:g}",
        height=f"{height + 2:g}",
        style=None if standing else f"min-width:{width * 0.72:.0f}px",
        class_="plot",
        role="group",
        aria_label=label,
    )


def _arrow(edge: Edge, places: list[Place], width: float, *, standing: bool) -> Markup:
    """From the far side of a box, along the places between, to the near side of the last."""
    exits, entries = [], []
    for x, y in places:
        middle = (x + width / 2, y + HEIGHT / 2)
        entries.append((middle[0], y) if standing else (x, middle[1]))
        exits.append((middle[0], y + HEIGHT) if standing else (x + width, middle[1]))
    d = f"M{exits[0][0]:g} {exits[0][1]:g}"
    for n, (start, end) in enumerate(zip(exits, entries[1:], strict=False), 1):
        tip = 6 if n == len(places) - 1 else 0
        x, y = (end[0], end[1] - tip) if standing else (end[0] - tip, end[1])
        if standing:
            half = (start[1] + y) / 2
            d += f"C{start[0]:g} {half:g} {x:g} {half:g} {x:g} {y:g}"
        else:
            half = (start[0] + x) / 2
            d += f"C{half:g} {start[1]:g} {half:g} {y:g} {x:g} {y:g}"
        if not tip:
            d += f"L{exits[n][0]:g} {exits[n][1]:g}"
    x, y = entries[-1]
    head = (
        f"M{x - 4:g} {y - 7:g}H{x + 4:g}L{x:g} {y:g}Z" if standing else f"M{x - 7:g} {y - 4:g}V{y + 4:g}L{x:g} {y:g}Z"
    )
    line = tag("path", d=Markup(d), class_="link")
    return tag("g", line, tag("path", d=head, class_="tip"), class_="dashed" if edge.dashed else None)


def _box(node: Node, x: float, y: float, width: float) -> Markup:
    indent = 30.0 if node.badge else 12.0
    inner = [
        tag("title", node.title or " ".join(filter(None, (node.heading, node.line, node.note)))),
        svg.box(x, y, width, HEIGHT, "node", 8),
        svg.badge(node.badge, x + 16, y + 18) if node.badge else None,
        svg.write(x + indent, y + 22, svg.fit(node.heading, width - indent - 6, 13), "heading"),
        svg.write(x + 12, y + 39, svg.fit(node.line, width - 18)) if node.line else None,
        svg.write(x + 12, y + (54 if node.line else 46), svg.fit(node.note, width - 18, 11), "note")
        if node.note
        else None,
    ]
    group = tag("g", inner, class_=f"box {node.look}".strip())
    return tag("a", group, href=node.href) if node.href else group
