"""A function that gives one number for all rows: the bootstrap of both models' rows, what it costs, what it refuses."""

from __future__ import annotations

import math
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mlci import process
from mlci.config import load_gate
from mlci.config.judging import Metric
from mlci.errors import UsageError, WorldError
from mlci.gate import METRICS, judge_tables
from mlci.gate.deciding.intervals import difference, fit, interval, of_whole
from mlci.gate.metric.function import caller, replicates
from mlci.gate.metric.metrics import find
from tests.unit.gate.gatekit import two_models

EVALUATION = '''
import numpy as np

def best_profit(rows):
    """The profit of each row at the best threshold: a number that no row has of its own."""
    order = np.argsort(-rows["score"])
    return np.maximum(np.cumsum(40.0 * rows["label"][order] - 10), 0).max() / len(order)

def mean(rows):
    return np.mean(rows["score"])

def spoils(rows):
    rows["score"] *= 0
    return rows["label"].mean()

def people(rows):
    return len(rows["score"]) / len(np.unique(rows["who"]))

def average_precision(rows):
    order = np.argsort(-rows["score"])
    hits = np.cumsum(rows["label"][order])
    return (hits / np.arange(1, len(order) + 1))[rows["label"][order] == 1].mean()

def needs_all(rows):
    if len(np.unique(rows["score"])) < len(rows["score"]):
        raise KeyError("a row is missing")
    return 1.0

def sometimes_nan(rows):
    return np.nan if len(np.unique(rows["score"])) < len(rows["score"]) else 1.0

def sometimes_many(rows):
    return rows["score"] if len(np.unique(rows["score"])) < len(rows["score"]) else 1.0

def never(rows):
    return float("nan")

def a_table(rows):
    return np.ones((2, 2))

def one_for_one(rows):
    return 1.0 if rows["score"][0] == 0.25 else rows["score"]
'''


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Calls a function on rows of one or two models, as the gate does."""
    (tmp_path / "evaluation.py").write_text(EVALUATION)
    monkeypatch.chdir(tmp_path)

    def python(argv):
        command = process.Command((sys.executable, *argv[1:]), Path.cwd(), process.base_environment({}), 60.0)
        process.run(command, log=tmp_path / "log", say=lambda _: None, stop=threading.Event())

    def called(name, *models, clusters=None, times=None, seed=0):
        rule = Metric(function=f"evaluation:{name}", replicates=times)
        return caller(python, tmp_path, seed=seed)("profit", rule, models, clusters)

    return called


def rows(table, who=None):
    shared = {"label": table.labels} | ({} if who is None else {"who": who})
    return [{**shared, "score": one.score} for one in (table.challenger, table.champion)]


def fitted(found, labels):
    metric = find("profit", "classification", Metric(function="evaluation:x"))
    return [of_whole(metric, one, labels) for one in found]


def test_the_interval_of_a_mean_is_nearly_students(run):
    table = two_models(3, 900, 1.4)
    found = fitted(run("mean", *rows(table)), table.labels)
    assert found[0].value == pytest.approx(table.challenger.score.mean(), abs=1e-12)
    wanted = [
        fit(find("x", "scores", Metric()), table.labels, one.score.astype(float))
        for one in (table.challenger, table.champion)
    ]
    for one, other in (
        (interval(found[0], 0.95), interval(wanted[0], 0.95)),
        (difference(*found, 0.95), difference(*wanted, 0.95)),
    ):
        half = other.high - other.value
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.12 * half)


def test_a_metric_with_an_interval_of_its_own_gets_nearly_the_same_by_bootstrap(run):
    table = two_models(4, 800, 1.6)
    found = fitted(run("average_precision", *rows(table)), table.labels)
    known = [fit(METRICS["average_precision"], table.labels, one.score) for one in (table.challenger, table.champion)]
    assert found[0].value == pytest.approx(known[0].value, abs=1e-9)
    one, other = difference(*found, 0.95), difference(*known, 0.95)
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.15 * (other.high - other.low))


def test_both_models_have_the_same_rows_drawn_so_that_a_model_beside_itself_differs_by_nothing(run):
    table = two_models(5, 300, 1.2)
    same = rows(table)[0]
    one, other = run("best_profit", same, same, times=200)
    assert np.array_equal(one.replicates, other.replicates)
    assert difference(*fitted([one, other], table.labels), 0.95).high == 0
    challenger, champion = run("best_profit", *rows(table), times=200)
    assert (challenger.replicates - champion.replicates).std() < 0.8 * challenger.replicates.std()


def test_the_same_seed_draws_the_same_rows_and_another_seed_others(run):
    given = rows(two_models(5, 200, 1.2))[0]
    first, again, other = (run("mean", given, times=200, seed=seed)[0].replicates for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_rows_that_belong_together_are_drawn_together(run):
    table, who = two_models(6, 400, 1.2), np.arange(400) // 8
    given = rows(table, who)[:1]
    (whole,) = run("people", *given, clusters=who, times=200)
    assert np.allclose(whole.without, 8)
    # 50 draws of 50 groups of eight rows leave out 1/e of them, and 400 draws of rows no group.
    assert whole.replicates.mean() == pytest.approx(8 / (1 - math.exp(-1)), rel=0.03)
    assert whole.drawn == "50 groups"
    (apart,) = run("people", *given, times=200)
    assert apart.drawn == "rows"
    assert apart.replicates.mean() == pytest.approx(8, rel=0.01)
    assert not np.allclose(apart.without, 8)


def test_a_function_may_change_the_rows_that_it_was_given(run):
    given = rows(two_models(6, 200, 1.2))[0]
    (one,) = run("spoils", given, times=200)
    assert one.value == pytest.approx(given["label"].mean())
    assert one.replicates.std() > 0


def test_so_many_rows_are_drawn_in_all_that_the_cost_is_bounded():
    assert replicates(1000) == 2000
    assert replicates(100_000) == 1000
    assert replicates(10_000_000) == 400


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("needs_all", "raised KeyError: 'a row is missing', on some of the rows or on rows drawn anew"),
        ("sometimes_nan", "returned nan, which is no finite number, on some of the rows"),
        ("sometimes_many", "an array of shape (200,), and one number for all rows before"),
        ("never", "returned no finite number"),
        ("a_table", "returned an array of shape (2, 2)"),
        ("one_for_one", "returned one number for one model, and a number for each row for the other"),
    ],
)
def test_a_function_that_gives_no_metric_is_named(run, name, wrong):
    given = [{"score": np.linspace(0.25, 0.9, 200)}, {"score": np.linspace(0.3, 0.9, 200)}]
    with pytest.raises(WorldError) as caught:
        run(name, *given, times=200)
    assert wrong in caught.value.message
    assert f"`evaluation:{name}` of the metric `profit`" in caught.value.message


def test_one_group_of_rows_cannot_be_drawn_anew(run):
    with pytest.raises(WorldError, match="all rows are of one group"):
        run("mean", {"score": np.arange(5.0)}, clusters=np.zeros(5, int), times=200)


ROWS = "SELECT i AS id, hash(i) % 10 < 3 AS late, i // 5 AS who FROM range(1500) r(i)"
MODEL = "SELECT *, least(1, CAST(late AS INT) * {skill} + (hash(id + 7) % 1000) / 2000) AS p FROM ({rows})"


def judged(files, tmp_path, text):
    (tmp_path / "gate.yaml").write_text(text)
    return judge_tables(load_gate(tmp_path / "gate.yaml"), files.written["challenger"], files.written["champion"])


@pytest.fixture
def tables(files, tmp_path, monkeypatch):
    (tmp_path / "evaluation.py").write_text(EVALUATION)
    monkeypatch.chdir(tmp_path)
    files.write("challenger", MODEL.format(skill=0.2, rows=ROWS))
    files.write("champion", MODEL.format(skill=0.25, rows=ROWS))
    return partial(judged, files, tmp_path)


RULE = "columns: {id: id, label: late, score: p%s}\nmetrics: {profit: {function: evaluation:best_profit, %s}}\n"


def test_the_profit_at_the_best_threshold_is_a_metric_like_any_other(tables):
    found = tables(RULE % ("", "replicates: 400, margin: 5, min: 0"))
    (one,) = found.metrics
    assert found.passed
    assert found.self_test.planted[0].stopped
    assert one.measured.method.startswith("paired bootstrap, 400 replicates of the rows, BCa (Efron 1987)")
    assert one.measured.difference.low < one.measured.difference.value < one.measured.difference.high
    assert math.isfinite(one.measured.detectable)
    assert tables(RULE % ("", "replicates: 400, margin: 5, min: 0")).facts() == found.facts()
    worse = tables(RULE % ("", "replicates: 400, margin: 0.01"))
    assert not worse.passed
    grouped = tables(RULE % (", group: who", "replicates: 400, margin: 5"))
    assert "400 replicates of the 300 groups" in grouped.metrics[0].measured.method


def test_one_number_for_all_rows_has_none_for_a_slice(tables):
    slices = "slices: {by: [late], metric: profit, min_rows: 2}\n"
    with pytest.raises(UsageError, match="profit is one number for all rows, and has none for a slice"):
        tables(RULE % ("", "replicates: 200, margin: 5") + slices)
