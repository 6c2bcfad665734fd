"""Ranking: a number for each query from the order of its items.

Rows are items; `groups` are codes that say which query an item belongs to. Everything after is the mean over queries,
each of which is one independent example.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlci.gate.table import Array, Codes, Numbers


def ndcg(labels: Array, score: Array, groups: Codes, top: int | None = None) -> Numbers:
    """The discounted gain of each query over the best possible one (Järvelin & Kekäläinen 2002), 0 where no item gains.

    The gain is the label, the discount log2(1 + rank); items of one score share the mean gain of their ranks, and only
    ranks up to `top` count: as scikit-learn's `ndcg_score`.
    """
    import numpy as np

    best = _gain(labels, labels, groups, top)
    quotient: Numbers = np.divide(_gain(labels, score, groups, top), best, out=np.zeros(len(best)), where=best > 0)
    return quotient


def mrr(labels: Array, score: Array, groups: Codes, top: int | None = None) -> Numbers:
    """One over the rank of each query's first relevant item (label above 0), 0 without one up to `top`.

    An item ranks after all that have its score: what is tied with it may well be shown first.
    """
    import numpy as np

    order, start, rank = _ranked(score, groups)
    block = _blocks(score[order], groups[order])
    last = np.repeat(rank[np.concatenate((block[1:], [len(rank)])) - 1], np.diff(np.concatenate((block, [len(rank)]))))
    relevant = (labels[order] > 0) & ((last < top) if top else True)
    reciprocal: Numbers = np.maximum.reduceat(np.where(relevant, 1 / (last + 1), 0.0), start)
    return reciprocal


def _gain(labels: Array, score: Array, groups: Codes, top: int | None) -> Numbers:
    import numpy as np

    order, start, rank = _ranked(score, groups)
    discount = 1 / np.log2(rank + 2)
    if top:
        discount[rank >= top] = 0
    block = _blocks(score[order], groups[order])
    sizes = np.diff(np.concatenate((block, [len(order)])))
    shared = np.repeat(np.add.reduceat(discount, block) / sizes, sizes)
    gain: Numbers = np.add.reduceat(labels[order] * shared, start)
    return gain


def _ranked(score: Array, groups: Codes) -> tuple[Array, Array, Array]:
    """The rows by query and falling score, where each query begins, and each row's rank from 0."""
    import numpy as np

    order = np.lexsort((-score, groups))
    sorted_groups = groups[order]
    start = np.concatenate(([0], np.flatnonzero(sorted_groups[1:] != sorted_groups[:-1]) + 1))
    sizes = np.diff(np.concatenate((start, [len(order)])))
    return order, start, np.arange(len(order)) - np.repeat(start, sizes)


def _blocks(score: Array, groups: Codes) -> Array:
    """Where each run of equal scores within a query begins."""
    import numpy as np

    return np.concatenate(([0], np.flatnonzero((score[1:] != score[:-1]) | (groups[1:] != groups[:-1])) + 1))
