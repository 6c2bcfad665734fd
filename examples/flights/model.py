"""The trained trees as plain arrays, and their evaluation with numpy alone.

Training exports them from scikit-learn; prediction and the server read them back. So the image needs no scikit-learn,
one row costs half a millisecond, and the same training writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import features
import numpy as np

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

FILE = "trees.npz"
NODE = ("feature", "threshold", "missing_left", "left", "right", "value")
CHUNK = 2048  # rows that are evaluated at once: rows × trees numbers stay in the processor's cache


@dataclass(frozen=True)
class Model:
    """Boosted trees; node i of all trees together is item i of each array, and a leaf is its own left and right."""

    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    roots: np.ndarray
    baseline: float
    depth: int
    vocabulary: Mapping[str, Sequence[str]]

    def predict(self, columns: features.Columns) -> np.ndarray:
        """The probability of each row to be late: float64, (rows,)."""
        x = features.matrix(columns, self.vocabulary)
        scores = [self._score(x[start : start + CHUNK]) for start in range(0, len(x), CHUNK)]
        return 1 / (1 + np.exp(-np.concatenate(scores)))

    def _score(self, x: np.ndarray) -> np.ndarray:
        """Walk down all trees at once, one level at a time."""
        row = np.arange(len(x))[:, None]
        node = np.broadcast_to(self.roots, (len(x), len(self.roots)))
        for _ in range(self.depth):
            value = x[row, self.feature[node]]
            left = (value <= self.threshold[node]) | (np.isnan(value) & self.missing_left[node])
            node = np.where(left, self.left[node], self.right[node])
        return self.baseline + self.value[node].sum(axis=1)


def export(classifier: HistGradientBoostingClassifier, vocabulary: Mapping[str, Sequence[str]]) -> Model:
    """The trees of a fitted binary classifier (numeric splits only), one after the other in flat arrays."""
    trees = [stage[0].nodes for stage in classifier._predictors]
    sizes = [len(tree) for tree in trees]
    roots = np.cumsum([0, *sizes[:-1]])
    nodes = np.concatenate(trees)
    leaf, itself, root = nodes["is_leaf"].astype(bool), np.arange(len(nodes)), np.repeat(roots, sizes)
    return Model(
        feature=np.where(leaf, 0, nodes["feature_idx"]),
        threshold=np.where(leaf, 0, nodes["num_threshold"]),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        left=np.where(leaf, itself, nodes["left"] + root),
        right=np.where(leaf, itself, nodes["right"] + root),
        value=nodes["value"],
        roots=roots,
        baseline=float(classifier._baseline_prediction.item()),
        depth=int(nodes["depth"].max()),
        vocabulary=vocabulary,
    )


def save(model: Model, folder: Path) -> None:
    """Write the model into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: getattr(model, name) for name in (*NODE, "roots", "baseline", "depth")}
    arrays |= {f"vocabulary_{name}": np.array(values) for name, values in model.vocabulary.items()}
    np.savez(folder / FILE, **arrays)


def load(folder: Path) -> Model:
    """Read the model that `save` has written."""
    with np.load(folder / FILE, allow_pickle=False) as file:
        return Model(
            **{name: file[name] for name in (*NODE, "roots")},
            baseline=float(file["baseline"]),
            depth=int(file["depth"]),
            vocabulary={name: file[f"vocabulary_{name}"].tolist() for name in features.CATEGORIES},
        )
