"""What may go where: a person's rollback holds, an interrupted canary counts for nothing, rules are those of now."""

from __future__ import annotations

import signal
import time

import pytest

from tests.conftest import TinyProject

pytestmark = pytest.mark.e2e


def place(tiny: TinyProject, environment: str = "production") -> dict:
    return next(p for p in tiny.mlci("status", "--json").json["environments"] if p["environment"] == environment)


def ship(tiny: TinyProject, bins: int) -> str:
    """Take a model to production and return its image's digest."""
    done = tiny.mlci("run", "--to", "production", "--set", f"train.params.bins={bins}")
    assert done.code == 0, done.err
    return place(tiny)["promoted"]


def interrupt_canary(tiny: TinyProject, bins: int, number: int) -> None:
    """Start a canary that cannot end soon, and send mlci a signal in the middle."""
    slow = "environments.production.deploy.replay.rate=5"
    with tiny.start("run", "--to", "production", "--set", f"train.params.bins={bins}", "--set", slow) as process:
        deadline = time.monotonic() + 60
        while not (place(tiny)["deployment"] or {}).get("canary"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(0.5)
        process.send_signal(number)
        process.communicate(timeout=60)


def test_a_persons_rollback_is_not_undone_by_a_run_that_changes_nothing(tiny: TinyProject) -> None:
    first, second = ship(tiny, 20), ship(tiny, 30)
    assert tiny.mlci("rollback", "production").code == 0
    again = tiny.mlci("run", "--to", "production", "--set", "train.params.bins=30", "--json")
    assert again.code == 1
    assert tiny.statuses(again)["promote:production"] == "fail"
    assert place(tiny)["deployment"]["digest"] == first
    assert tiny.mlci("promote", "production", "--from", second[:19]).code == 0
    assert place(tiny)["promoted"] == second


def test_an_interrupted_canary_is_neither_champion_nor_a_way_back(tiny: TinyProject) -> None:
    first = ship(tiny, 20)
    interrupt_canary(tiny, 30, signal.SIGINT)
    now = place(tiny)
    assert (now["deployment"]["digest"], now["deployment"]["canary"]) == (first, None)
    gate = tiny.mlci("gate", "--json", "--set", "train.params.bins=25").json["steps"][-1]
    assert gate["receipt"]["predicate"]["facts"]["champion"] == first
    assert tiny.mlci("rollback", "production").code == 0
    assert place(tiny)["promoted"] == place(tiny)["deployment"]["digest"] == first
    third = ship(tiny, 40)
    assert tiny.mlci("rollback", "production").code == 0
    assert place(tiny)["promoted"] == first != third


def test_a_canary_whose_controller_was_killed_is_settled_by_the_next_run(tiny: TinyProject) -> None:
    first = ship(tiny, 20)
    interrupt_canary(tiny, 30, signal.SIGKILL)
    assert place(tiny)["deployment"]["canary"]
    assert ship(tiny, 20) == first
    now = place(tiny)["deployment"]
    assert (now["digest"], now["canary"], now["weight"]) == (first, None, 0.0)


def test_a_later_no_of_the_gate_and_other_rules_stop_a_promotion(tiny: TinyProject) -> None:
    ship(tiny, 20)
    tiny.edit("mlci.yaml", "min: 0.70", "min: 0.99")
    refused = tiny.mlci("promote", "staging", "--from", "latest", "--json")
    assert refused.code == 1
    assert "under other rules" in refused.json["steps"][0]["summary"]
    assert tiny.mlci("build", "--set", "gate.metrics.roc_auc.min=0.1").code == 0
    assert tiny.mlci("promote", "staging", "--from", "latest").code == 1
    assert tiny.mlci("run").code == 1
    assert tiny.mlci("promote", "staging", "--from", "latest").code == 1


def test_an_output_that_would_delete_the_projects_own_files_is_refused(tiny: TinyProject) -> None:
    (tiny.root / "model").mkdir()
    (tiny.root / "train.py").rename(tiny.root / "model" / "train.py")
    done = tiny.mlci("run", "--set", "train.run=python model/train.py", "--set", "train.outputs.model=model")
    assert done.code == 2
    assert (tiny.root / "model" / "train.py").is_file()


def test_the_port_is_kept_when_an_environment_is_stopped_and_comes_back(tiny: TinyProject) -> None:
    ship(tiny, 20)
    endpoint = place(tiny)["deployment"]["endpoint"]
    assert tiny.mlci("stop").code == 0
    assert place(tiny)["deployment"] is None
    ship(tiny, 20)
    assert place(tiny)["deployment"]["endpoint"] == endpoint


def test_why_compares_with_the_result_that_was_used_last(tiny: TinyProject) -> None:
    for bins in (20, 30, 20):
        assert tiny.mlci("train", "--set", f"train.params.bins={bins}").code == 0
    tiny.edit("bins.py", "count - 1)", "count - 1 )")
    why = tiny.mlci("why", "train").out
    assert "bins.py changed" in why
    assert "params" not in why


def test_nobody_reading_the_output_does_not_stop_the_work(tiny: TinyProject) -> None:
    with tiny.start("run") as process:
        process.stderr.close()
        process.stdout.close()
        process.wait(timeout=120)
    assert tiny.mlci("status", "--json").json["run"]["exit_code"] == 0
