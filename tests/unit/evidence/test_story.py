"""The lineage of an image, from the receipts on it."""

from __future__ import annotations

import json

from mlci.evidence.receipt import Material, Receipt
from mlci.evidence.story import story

DIGEST = "sha256:" + "1" * 64
DATA, CODE, MODEL = (f"sha256:{letter * 64}" for letter in "abc")


def receipt(step: str, second: int, verdict: str = "pass", **more: object) -> Receipt:
    finished = f"2026-01-01T00:00:{second:02}.000000Z"
    builder = {"user": "ann", "host": "laptop"}
    return Receipt(step, "k", verdict, f"{step} said", {"image": DIGEST}, finished=finished, builder=builder, **more)  # type: ignore[arg-type]


RECEIPTS = [
    receipt("validate:train", 1, materials=(Material("train.parquet", DATA, "data train"),)),
    receipt(
        "train",
        2,
        materials=(Material("train.parquet", DATA, "data train"), Material("train.py", CODE, "inputs")),
        facts={"params": {"bins": 20}, "metrics": {"rows": 4.0}, "seconds": 1.5},
        source={"commit": "c0ffee", "dirty": False},
    ),
    receipt("gate", 3, facts={"champion": None, "metrics": [{"name": "roc_auc"}]}),
    receipt("build", 4, materials=(Material("model", MODEL, "train"),), facts={"size": 7}),
    receipt(
        "promote:staging", 5, facts={"environment": "staging", "number": 1, "kind": "promotion", "why": "promoted"}
    ),
    receipt("deploy:staging", 6, "rolled-back", facts={"reason": "errors"}),
    receipt("promote:production", 7, "fail", facts={"environment": "production"}),
    receipt("rollback:staging", 8, facts={"environment": "staging", "number": 3, "kind": "rollback", "why": "back"}),
    receipt("approve:production", 9),
]


def test_the_whole_of_it() -> None:
    found = story(DIGEST, RECEIPTS)
    assert found["data"] == [
        {"name": "train", "files": {"train.parquet": DATA}, "read_by": ["train", "validate:train"], "contract": "pass"}
    ]
    assert found["code"] == {
        "commits": {"train": "c0ffee", "build": None},
        "dirty": False,
        "files": {"train.py": CODE},
    }
    assert (found["training"]["params"], found["training"]["metrics"]) == ({"bins": 20}, {"rows": 4.0})
    assert (found["gate"]["verdict"], found["image"]["model"], found["image"]["size"]) == ("pass", MODEL, 7)
    assert [(m["environment"], m["number"], m["kind"]) for m in found["environments"]] == [
        ("staging", 1, "promotion"),
        ("staging", 3, "rollback"),
    ]
    assert [(d["environment"], d["verdict"], d["reason"]) for d in found["deployments"]] == [
        ("staging", "rolled-back", "errors")
    ]
    assert [other["step"] for other in found["other"]] == ["approve:production"]
    assert json.loads(json.dumps(found)) == found


def test_what_nobody_says_is_not_there() -> None:
    found = story(DIGEST, [])
    assert {name: value for name, value in found.items() if value} == {"digest": DIGEST}
