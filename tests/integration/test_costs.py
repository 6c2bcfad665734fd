"""What a model costs, measured on a real project: its server and its predict beside those of the champion's image."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from tests.conftest import Done, TinyProject

RULES = """
  inconclusive: pass
  latency: {p50: 10s, p95: 10s, margin: 100%, time: 10s}
"""
MORE = """
  load: {max: 60s, margin: 100%, time: 3s}
  memory: {max: 1GB, margin: 100%, time: 3s}
  batch: {max: 60s, memory: 2GB, margin: 100%, time: 3s}
  requirements: {max: 5}
  size: {max: 1MB, margin: 50%}
"""
PLACES = """environments:
  staging: {requires: [gate]}
"""


def with_rules(tiny: TinyProject, rules: str) -> None:
    """The small project with rules for costs, beside what was promoted last."""
    text = (tiny.root / "mlci.yaml").read_text()
    text = text[: text.index("environments:")] + PLACES
    text = text.replace("champion: production", "champion: staging").replace("\nimage:", f"{rules}\nimage:")
    (tiny.root / "mlci.yaml").write_text(text)


def gate_of(done: Done) -> dict[str, Any]:
    return next(step for step in done.json["steps"] if step["name"] == "gate")


def facts(done: Done) -> dict[str, Any]:
    """What the gate found."""
    found: dict[str, Any] = gate_of(done)["receipt"]["predicate"]["facts"]
    return found


def test_an_equal_model_passes_a_slower_server_fails_and_a_broken_one_is_an_error(tiny: TinyProject) -> None:
    with_rules(tiny, RULES)
    done = tiny.mlci("run", "--to", "staging", "--json")
    assert done.code == 0, done.err
    assert tiny.statuses(done)["gate"] == "pass"

    tiny.edit("mlci.yaml", "bins: 20", "bins: 19")
    done = tiny.mlci("run", "--json")
    assert done.code == 0, done.err
    assert tiny.statuses(done)["gate"] == "pass"
    assert facts(done)["costs"]["latency"]["rounds"] >= 8
    assert tiny.statuses(tiny.mlci("run", "--json"))["gate"] == "reused"

    tiny.edit("serve.py", 'if FAULT == "slow":', "time.sleep(0.02)\n        if False:")
    done = tiny.mlci("run", "--json")
    assert done.code == 1, gate_of(done)["receipt"]["predicate"]["facts"]
    assert "latency_p50_ms" in gate_of(done)["summary"]
    assert "worse than the champion" in gate_of(done)["summary"]

    done = tiny.mlci("gate", "--set", "image.serve.env.TINY_FAULT=errors")
    assert done.code == 3
    assert "the challenger's server answered 500" in done.err


def test_every_cost_of_both_models_stands_in_the_receipt(tiny: TinyProject) -> None:
    with_rules(tiny, "\n  inconclusive: pass\n" + MORE)
    assert tiny.mlci("run", "--to", "staging").code == 0
    tiny.edit("mlci.yaml", "bins: 20", "bins: 19")
    done = tiny.mlci("gate", "--json")
    assert done.code == 0, done.err
    found = facts(done)
    metrics = {one["name"]: one for one in found["metrics"]}
    assert list(metrics) == ["roc_auc", "requirements", "load_time_s", "memory_mb", "batch_time_s", "batch_memory_mb"]
    assert metrics["requirements"]["challenger"]["value"] == metrics["requirements"]["champion"]["value"] == 1
    assert 5 < metrics["memory_mb"]["champion"]["value"] < 500
    assert metrics["batch_time_s"]["champion"]["value"] > 0
    assert found["size"]["champion"] > found["size"]["bytes"] > 0
    assert {name: one["ended"] for name, one in found["costs"].items()}.keys() == {"server", "batch"}
    assert "challenger" in found


def test_only_a_rule_on_the_server_makes_the_gate_read_it(tiny: TinyProject) -> None:
    with_rules(tiny, "")
    assert tiny.mlci("gate").code == 0
    tiny.edit("serve.py", "daemon_threads = True", "daemon_threads = bool(1)")
    assert tiny.statuses(tiny.mlci("gate", "--json"))["gate"] == "reused"
    limit = ["--set", "gate.latency.p50=60s"]
    assert tiny.statuses(tiny.mlci("gate", "--json", *limit))["gate"] == "pass"
    assert tiny.statuses(tiny.mlci("gate", "--json", *limit))["gate"] == "reused"
    tiny.edit("serve.py", "daemon_threads = bool(1)", "daemon_threads = bool(2)")
    assert tiny.statuses(tiny.mlci("gate", "--json", *limit))["gate"] == "pass"


def test_an_interrupt_while_a_server_is_measured_leaves_no_server(tiny: TinyProject) -> None:
    with_rules(tiny, "\n  load: {max: 60s, time: 10m}\n")
    pids = tiny.root / "pids"
    note = f'open({str(pids)!r}, "a").write(f"{{os.getpid()}}\\n")\n'
    tiny.edit("serve.py", "server.serve_forever()", f"{note}server.serve_forever()")
    with tiny.start("gate") as mlci:
        while not pids.exists():
            assert mlci.poll() is None
            time.sleep(0.02)
        mlci.send_signal(signal.SIGINT)
        mlci.communicate(timeout=60)
    assert mlci.returncode == 130
    for pid in pids.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@pytest.mark.parametrize(
    ("rule", "took", "said"),
    [
        ("latency: {p95: 20ms}", "serve", "`latency` is a cost of the server, and there is none"),
        ("requirements: {max: 9}", "image", "`requirements` is a cost of the image, and there is none"),
    ],
)
def test_a_cost_that_nothing_could_be_measured_of_is_a_mistake_at_its_place(
    tiny: TinyProject, rule: str, took: str, said: str
) -> None:
    with_rules(tiny, f"\n  {rule}\n")
    text = (tiny.root / "mlci.yaml").read_text()
    if took == "serve":
        text = text.replace("  serve: {command: [python, serve.py]}\n", "")
    else:
        text = text[: text.index("image:")]
        text = text.replace("  champion: staging\n", "")
    (tiny.root / "mlci.yaml").write_text(text)
    done = tiny.mlci("gate")
    assert done.code == 2
    assert said in done.err
    assert "mlci.yaml:" in done.err
