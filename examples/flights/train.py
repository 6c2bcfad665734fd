"""Train the model: boosted trees on six months of flights.

mlci says where to read and where to write: MLCI_DATA_TRAIN (Parquet files), MLCI_PARAMS (JSON: the arguments of the
classifier), MLCI_OUTPUT_MODEL (the folder for the model), MLCI_METRICS (JSON, one number a name).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import duckdb
import features
import model
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score

SAMPLE = 10_000  # rows on which the exported trees must say what scikit-learn says


def main() -> None:
    params = json.loads(Path(os.environ["MLCI_PARAMS"]).read_text())
    # In a fixed order, so that the same rows give the same model to the last bit.
    flights = duckdb.read_parquet(os.environ["MLCI_DATA_TRAIN"]).order("flight_id").fetchnumpy()
    late = np.asarray(flights["late"], dtype=np.float64)
    vocabulary = features.learn_vocabulary(flights, late)
    x = features.matrix(flights, vocabulary)

    classifier = HistGradientBoostingClassifier(early_stopping=False, **params).fit(x, late)
    probability = classifier.predict_proba(x)[:, 1]
    trained = model.export(classifier, vocabulary)
    sample = {name: flights[name][:SAMPLE] for name in features.COLUMNS}
    if not np.allclose(trained.predict(sample), probability[:SAMPLE], rtol=0, atol=1e-9):
        raise SystemExit("train.py: the exported trees do not say what scikit-learn says")

    model.save(trained, Path(os.environ["MLCI_OUTPUT_MODEL"]))
    metrics = {
        "train_rows": len(late),
        "train_roc_auc": roc_auc_score(late, probability),
        "train_log_loss": log_loss(late, probability),
    }
    Path(os.environ["MLCI_METRICS"]).write_text(json.dumps(metrics))
    print(" ".join(f"{name}={value:.6g}" for name, value in metrics.items()))


if __name__ == "__main__":
    main()
