"""Models are counted by the rows that they were judged on, without reading a receipt."""

from __future__ import annotations

from pathlib import Path

from mlci.evidence import looks, results
from mlci.evidence.receipt import Material, Receipt
from mlci.store import FolderStore


def digest(number: int) -> str:
    return f"sha256:{number:064x}"[:7] + f"{number:064x}"[::-1]


def judged(store: FolderStore, model: int, rows: int, key: str, name: str = "holdout.csv") -> None:
    made = Receipt(
        "gate",
        key,
        "pass",
        "",
        {"model": digest(model)},
        materials=(Material(name, digest(rows), "data holdout"), Material("predict.py", digest(9), "gate.predict")),
        facts={"challenger": digest(model)},
        finished=f"2026-01-01T00:00:{int(key, 16) % 60:02d}.000000Z",
    )
    results.save(store, made)
    looks.note(store, made)


def test_each_model_counts_once_a_holdout_under_whatever_name_its_files_have(tmp_path: Path):
    store = FolderStore(tmp_path)
    for at, (model, rows, name) in enumerate([(1, 5, "a"), (2, 5, "a"), (2, 5, "b"), (3, 6, "a")]):
        judged(store, model, rows, f"{at:064x}", name)
    assert looks.models_judged(store, digest(5), digest(2)) == 2
    assert looks.models_judged(store, digest(5), digest(7)) == 3
    assert looks.models_judged(store, digest(6), digest(3)) == 1
    assert looks.models_judged(store, digest(8), digest(3)) == 1


def test_a_second_note_changes_nothing(tmp_path: Path):
    store = FolderStore(tmp_path)
    judged(store, 1, 5, "1" * 64)
    before = store.tags()
    judged(store, 1, 5, "1" * 64)
    assert store.tags() == before


def test_the_files_of_a_holdout_are_one_digest_in_any_order():
    assert looks.rows_digest([digest(1)]) == digest(1)
    assert looks.rows_digest([digest(1), digest(2)]) == looks.rows_digest([digest(2), digest(1)])
    assert looks.rows_digest([digest(1), digest(2)]) != looks.rows_digest([digest(1), digest(2), digest(2)])
