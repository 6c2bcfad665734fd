"""What the shape cannot say of a dataset's `splits`: from whom it is apart, and after whom it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlci.config.source import Path_
from mlci.config.words import quote

Found = tuple[Path_, str, str]
"""Where, what is wrong, and the way out."""


def splits(data: dict[str, Any]) -> Iterator[Found]:
    """Datasets are apart from others, not from themselves, are judged at all, and follow each other in one order."""
    later: dict[str, list[str]] = {}
    for name, i, split in _each_split(data):
        path: Path_ = ("data", name, "splits", i)
        apart = split.get("apart_from")
        apart = apart if isinstance(apart, list) else []
        others = [other for other in apart if isinstance(other, str)]
        if i == 0 and not data[name].get("contract"):
            help = "add `contract`; one that says `type: object` asks for nothing else"
            yield ("data", name, "splits"), f"{quote(name)} has no contract, so it is not validated", help
        if name in others:
            where = (*path, "apart_from", apart.index(name))
            yield where, f"{quote(name)} cannot be apart from itself", "name the other dataset"
        yield from _gap(split, path)
        if split.get("after"):
            for other in others:
                if other != name and name in _reached(later, other):
                    message = f"{quote(name)} is to be after {quote(other)}, which is to be after {quote(name)}"
                    yield (*path, "after"), message, "take one of them out"
            later.setdefault(name, []).extend(others)


def _each_split(data: dict[str, Any]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for name, dataset in data.items():
        splits = dataset.get("splits") if isinstance(dataset, dict) else None
        if isinstance(splits, list):
            yield from ((name, i, split) for i, split in enumerate(splits) if isinstance(split, dict))


def _gap(split: dict[str, Any], path: Path_) -> Iterator[Found]:
    after, balance = split.get("after"), split.get("balance")
    if split.get("gap") is not None and (not after or (isinstance(after, list) and len(after) > 1)):
        yield (*path, "gap"), "a gap is between the values of one column", "name one column in `after`"
    if isinstance(balance, dict) and balance.get("max_difference") is None and balance.get("min_share") is None:
        yield (*path, "balance"), "a balance without a bound asks for nothing", "add `max_difference` or `min_share`"


def _reached(edges: dict[str, list[str]], start: str) -> set[str]:
    seen, ways = {start}, [start]
    for at in ways:
        fresh = [name for name in edges.get(at, ()) if name not in seen]
        seen.update(fresh)
        ways += fresh
    return seen
