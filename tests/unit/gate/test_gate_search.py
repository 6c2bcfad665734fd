"""The search for the worst slices: it finds what was planted and accuses a fair model no more often than it says."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from mlci.config.judging import Columns, Gate, Metric, Search, SliceBy, Slices
from mlci.gate import Grouping, Predictions, Table, judge, judge_and_test, render
from mlci.gate.deciding.intervals import Fit, fit, part
from mlci.gate.deciding.multiple import holm
from mlci.gate.metric.metrics import METRICS
from mlci.gate.slicing import search as searching
from mlci.gate.slicing.screen import KEPT, prepared, worst_cells
from tests.unit.gate.gatekit import two_models

VALUES = ("a", "b", "c", "d")


def features(rng, rows, count=6, values=VALUES):
    return tuple(Grouping(f"f{i}", rng.integers(0, len(values), rows).astype(np.uint8), values) for i in range(count))


def searched(seed, rows, count=6, skill=1.2, champion=True):
    """A fair model: no feature has to do with anything."""
    table = two_models(seed, rows, skill)
    drawn = features(np.random.default_rng(seed + 1), rows, count)
    return replace(table, features=drawn, champion=table.champion if champion else None)


def broken(table, cell, seed=3):
    """The predictions dealt out among the rows of a cell {feature: code}."""
    inside = np.logical_and.reduce([table.features[at].codes == code for at, code in cell.items()])
    rows = np.flatnonzero(inside)
    score = table.challenger.score.copy()
    score[rows] = score[rows][np.random.default_rng(seed).permutation(len(rows))]
    return replace(table, challenger=replace(table.challenger, score=score))


EVERYWHERE = Search()


def rules(metric="roc_auc", *, by=(), search=EVERYWHERE, **more):
    config = Gate(predict=("p",), data="h", columns=Columns(id="id", label="late", score="p"), self_test=False)
    return replace(config, slices=Slices(by=by, metric=metric, search=search, **more))


def judged(table, config):
    return judge(table, config, champion_name="x" if table.champion else None, model_bytes=None)


def blocked(report):
    return [(one.by, one.value) for one in report.slices if one.verdict == "fail"]


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "f1", "average_precision"])
@pytest.mark.parametrize("rule", [{"max_gap": 0.05}, {"margin": 0.05}], ids=["gap", "margin"])
def test_a_planted_pair_is_found_by_every_kind_of_metric_and_rule(metric, rule):
    table = broken(searched(1, 20_000, skill=2.5), {1: 2, 4: 0})
    table = replace(table, champion=searched(1, 20_000, skill=2.5).challenger)
    report = judged(table, rules(metric, **rule))
    assert blocked(report) == [("f1 × f4", "c × a")]
    (found,) = (one for one in report.slices if one.verdict == "fail")
    assert (found.found, "slices searched" in found.reason) == ("search", True)
    inside = (table.features[1].codes == 2) & (table.features[4].codes == 0)
    assert found.rows == inside.sum()


def test_a_planted_value_is_named_itself_and_not_by_its_parts():
    report = judged(broken(searched(2, 20_000, skill=2.5), {3: 1}), rules(max_gap=0.05))
    assert blocked(report) == [("f3", "b")]


def test_the_plants_are_found_and_nothing_else():
    """Recall and precision over many planted pairs of 1/16 of the rows, lost by 0.15 and more beyond the limit."""
    hits = accused = 0
    runs = 20
    for seed in range(runs):
        one, other = np.random.default_rng(seed).choice(6, 2, replace=False)
        report = judged(broken(searched(seed, 8000, skill=2.5), {int(one): 1, int(other): 3}), rules(max_gap=0.05))
        low, high = sorted((one, other))
        wanted = (f"f{low} × f{high}", "b × d" if one < other else "d × b")
        hits += wanted in blocked(report)
        accused += len(blocked(report))
    assert hits >= 0.9 * runs
    assert hits >= 0.95 * accused


@pytest.mark.parametrize(
    ("metric", "rule", "runs"),
    [("roc_auc", {"max_gap": 0.0}, 40), ("accuracy", {"max_gap": 0.0}, 40), ("log_loss", {"margin": 0.0}, 40)],
)
def test_a_fair_model_is_accused_of_no_more_than_the_level_over_all_that_was_looked_at(metric, rule, runs):
    config = rules(metric, min_rows=50, search=Search(max=1), **rule)
    accused = sum(bool(blocked(judged(searched(seed, 2500, 5), config))) for seed in range(runs))
    assert accused <= (0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)) * runs


def test_a_rule_that_is_always_missed_is_tested_by_rows_that_vary_as_all_do():
    """Of rows that are nearly all misses a slice may hold none but misses, and have no variance of its own."""
    rng = np.random.default_rng(5)
    accused = 0
    for _ in range(25):
        table = Table(
            "scores", np.zeros(4000), Predictions(columns={"m": (rng.random(4000) < 0.02).astype(float)}),
            features=features(rng, 4000, 5, tuple("abcdefgh")),
        )  # fmt: skip
        config = replace(rules("m", min_rows=30, max_gap=0.0), task="scores", metrics={"m": Metric()})
        accused += bool(blocked(judged(table, config)))
    assert accused <= 4


def test_what_looks_bad_only_because_so_many_were_looked_at_is_shown_and_does_not_block():
    report = judged(searched(4, 3000, champion=False), rules(max_gap=0.01, min_rows=50))
    assert report.searched.candidates == 6 * 4 + 15 * 16
    assert report.searched.features == tuple(f"f{i}" for i in range(6))
    assert {one.verdict for one in report.slices} == {"inconclusive"}
    assert all("Holm over 264 slices searched" in one.reason for one in report.slices)
    assert report.passed
    report = judged(searched(4, 3000, champion=False), rules(min_rows=50))
    assert all(one.reason.startswith("found by search over 264 slices") for one in report.slices)


def test_values_with_too_few_rows_are_one_and_a_cell_that_is_a_whole_value_is_no_second_one():
    rows = 3000
    table = searched(5, rows, 1)
    codes = np.minimum(np.arange(rows) // 500, 5) + (np.arange(rows) >= 2900)
    twice = Grouping("twice", (table.features[0].codes >= 2).astype(np.uint8), ("low", "high"))
    table = replace(table, features=(table.features[0], twice, Grouping("rare", codes, tuple("uvwxyz!"))))
    config = rules(max_gap=0.0, min_rows=401, search=Search(columns=("f0", "twice", "rare")))
    found = judged(table, config).searched
    # f0: 4 values; twice: 2; rare: u to y, and z and ! as one. f0 × twice is f0 again, the others are too small.
    assert found.candidates == 4 + 2 + 6
    assert judged(table, replace(config, slices=replace(config.slices, search=Search(depth=1)))).searched.depth == 1


def test_what_was_looked_at_is_in_the_facts_and_in_the_table():
    table = replace(searched(4, 3000), unsearched=(("id", "the id"),))
    table = replace(table, features=(*table.features, Grouping("same", np.zeros(3000, np.uint8), ("x",))))
    report = judged(table, rules(max_gap=0.2, min_rows=50))
    facts = report.facts()
    left = [{"column": "id", "reason": "the id"}, {"column": "same", "reason": "one value"}]
    names = [f"f{i}" for i in range(6)]
    assert facts["search"] == {"candidates": 264, "depth": 2, "columns": names, "left_out": left}
    assert {one["found"] for one in facts["slices"]} == {"search"}
    text = render(report)
    assert "searched 264 slices of 6 columns and of each two; not searched: id (the id), same (one value)" in text
    assert "(by search)" in text
    assert judged(table, rules(max_gap=0.2, min_rows=50)).facts() == facts


def test_a_finding_costs_as_much_as_was_looked_at():
    table = broken(searched(2, 4000), {3: 1})
    few = replace(table, features=table.features[3:4])
    worst = [
        judged(one, rules(max_gap=0.02, search=Search(depth=depth))).slices[0]
        for one, depth in ((few, 1), (table, 1), (table, 2))
    ]
    assert {one.value for one in worst} == {"b"}
    assert worst[1].discovery / worst[0].discovery == pytest.approx(24 / 4)
    assert worst[2].discovery / worst[0].discovery == pytest.approx(264 / 4)
    chances = [float(re.search(r"p = ([^,]+),", one.reason)[1]) for one in worst]
    assert chances[1] / chances[0] == pytest.approx(6, rel=0.1)
    assert chances[2] / chances[0] == pytest.approx(66, rel=0.1)


def test_named_slices_and_a_search_share_the_level():
    table = searched(4, 4000)
    table = replace(table, groupings=(Grouping("side", np.arange(4000) % 2, ("l", "r")),))
    both = judged(table, rules(by=(SliceBy(column="side"),), max_gap=0.0001))
    assert {one.found for one in both.slices} == {"by", "search"}
    assert all("at 2.5 %" in one.reason for one in both.slices if one.verdict == "inconclusive")
    one = judged(table, rules(by=(SliceBy(column="side"),), search=None, max_gap=0.0001))
    assert not any("at 2.5 %" in one.reason for one in one.slices)


def test_more_rows_than_are_ranked_are_sampled_and_the_worst_measured_on_all(monkeypatch):
    table = broken(searched(7, 30_000, skill=2.5), {0: 3, 5: 1})
    monkeypatch.setattr(searching, "MOST_ROWS", 6000)
    for metric in ("roc_auc", "f1", "log_loss"):
        report = judged(table, rules(metric, max_gap=0.05))
        assert blocked(report) == [("f0 × f5", "d × b")]
        whole = judged(table, replace(rules(metric, max_gap=0.05), slices=rules(metric, max_gap=0.05).slices))
        assert report.slices[0].rows == whole.slices[0].rows > 1500


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "accuracy", "f1", "mcc"])
def test_the_ranking_uses_the_gaps_and_errors_of_the_slices_themselves(metric):
    """The first look agrees with the slice measured in full, for every cell, but for the buckets of the ranks."""
    table = searched(8, 4000, 3)
    known = METRICS[metric]
    one, other = (fit(known, table.labels, known.column(m)) for m in (table.challenger, table.champion))
    rows = prepared(one, other)
    codes = table.features[0].codes.astype(np.uint16)
    seen = rows.sums(codes, 4)
    for code in range(4):
        index = np.flatnonzero(codes == code)
        mine, its = part(one, index), part(other, index)
        tolerance = {"roc_auc": 3e-3, "log_loss": 1e-5}.get(metric, 1e-9)
        assert seen.rows[code] == len(index)
        assert seen.gap[0][code] == pytest.approx(known.sign * (one.value - mine.value), abs=tolerance)
        assert seen.lost[0][code] == pytest.approx(known.sign * (its.value - mine.value), abs=tolerance)
        spread = np.sqrt((mine.influence - its.influence) @ (mine.influence - its.influence))
        assert seen.lost[1][code] == pytest.approx(spread, rel=0.15 if metric == "roc_auc" else 1e-2)


def test_weights_and_groups_of_rows_are_searched():
    table = broken(searched(9, 20_000, skill=2.5), {1: 2, 4: 0})
    rng = np.random.default_rng(1)
    weighted = replace(table, weights=rng.uniform(0.5, 2, table.rows))
    assert blocked(judged(weighted, rules(max_gap=0.05))) == [("f1 × f4", "c × a")]
    clustered = replace(table, clusters=rng.integers(0, 2000, table.rows))
    assert blocked(judged(clustered, rules("log_loss", max_gap=0.05))) == [("f1 × f4", "c × a")]


def test_rows_of_one_group_do_not_make_a_slice_certain():
    """Twenty users, each of one value: what a user does is one thing, however many rows it makes."""
    accused = alone = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        users = np.repeat(np.arange(40), 100)
        numbers = rng.normal(size=40)[users] + 0.1 * rng.normal(size=4000)
        drawn = tuple(Grouping(f"f{i}", rng.integers(0, 3, 40)[users], tuple("abc")) for i in range(4))
        table = Table("scores", np.zeros(4000), Predictions(columns={"m": numbers}), features=drawn, clusters=users)
        config = replace(rules("m", max_gap=0.0), task="scores", metrics={"m": Metric()})
        accused += bool(blocked(judged(table, config)))
        alone += bool(blocked(judged(replace(table, clusters=None), config)))
    assert alone >= 18
    assert accused <= 4


def ranking(rng, queries, per_query, skill):
    groups = np.repeat(np.arange(queries), per_query)
    labels = (rng.random(queries * per_query) < 0.3).astype(float)
    score = skill * labels + rng.normal(size=len(labels))
    return groups, labels, score


def test_a_ranking_is_sliced_and_searched_by_what_its_queries_are_alike_in():
    from mlci.errors import UsageError

    rng = np.random.default_rng(2)
    groups, labels, score = ranking(rng, 3000, 8, 2.0)
    kinds = rng.integers(0, 4, 3000)[groups]
    lands = rng.integers(0, 4, 3000)[groups]
    score[(kinds == 1) & (lands == 2)] *= -1
    named = Grouping("kind", kinds, VALUES)
    mixed = Grouping("item", rng.integers(0, 2, len(labels)), ("x", "y"))
    table = Table(
        "ranking", labels, Predictions(score), None, (named,), None, groups,
        features=(named, Grouping("land", lands, VALUES), mixed),
    )  # fmt: skip
    config = replace(rules("ndcg", by=("kind",), max_gap=0.1, min_rows=100), task="ranking")
    config = replace(config, columns=Columns(id="id", label="gain", score="p", group="q"))
    report = judged(table, config)
    assert [one.rows for one in report.slices if one.found == "by"] == np.bincount(kinds[::8]).tolist()
    assert ("kind × land", "b × c") in blocked(report)
    assert report.searched.left_out == (("item", "differs within a query"),)
    with pytest.raises(UsageError, match="different groups of `item`"):
        judged(replace(table, groupings=(mixed,)), replace(config, slices=replace(config.slices, by=("item",))))


def test_holm_with_tests_that_were_not_done_is_that_of_all_with_certain_ones():
    rng = np.random.default_rng(3)
    chances = (rng.random(8) ** 4).tolist()
    assert holm(chances, 50) == pytest.approx(holm([*chances, *[1.0] * 42])[:8])


def test_only_the_worst_are_measured_in_full_and_all_are_counted():
    table = searched(10, 5000, 8)
    one: Fit = fit(METRICS["log_loss"], table.labels, table.challenger.score)
    cells, candidates = worst_cells(table.features, one, None, (0.0, None), depth=2, min_rows=20)
    assert (len(cells), candidates) == (KEPT, 8 * 4 + 28 * 16)


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ({"by": ("side",), "search": None, "margin": 0.05}, ["a model that is broken in side = r"]),
        ({"max_gap": 0.1}, ["a model that is broken in f0 × f1 = …"]),
        ({"margin": 0.05, "search": Search(depth=1)}, ["a model that is broken in f1 = …"]),
        (
            {"by": ("side",), "max_gap": 0.02},
            ["a model that is broken in side = r", "a model that is broken in f0 × f1 = …"],
        ),
    ],
)
def test_the_self_test_breaks_what_is_named_and_what_is_searched(rule, names):
    table = searched(11, 12_000, 4, skill=2.5)
    table = replace(table, groupings=(Grouping("side", (np.arange(12_000) % 5 > 2).astype(int), ("l", "r")),))
    config = replace(rules(**rule), self_test=True)
    found = judge_and_test(table, config, champion_name="x", model_bytes=None).self_test
    assert [re.sub(r"= \S+ × \S+|= [abcd]", "= …", one.name) for one in found.planted] == names
    assert all(one.right for one in found.planted), found.objections


def test_a_gap_too_wide_for_dealt_out_predictions_is_broken_by_turning_them_round():
    table = searched(12, 12_000, 4, skill=1.0)
    table = replace(table, groupings=(Grouping("side", (np.arange(12_000) % 9 > 7).astype(int), ("l", "r")),))
    config = replace(rules(by=("side",), search=None, max_gap=0.2), self_test=True)
    found = judge_and_test(table, config, champion_name="x", model_bytes=None).self_test
    assert [(one.name, one.stopped) for one in found.planted] == [("a model that is turned round in side = r", True)]


def test_numbers_of_a_metrics_own_are_broken_by_moving_them():
    rng = np.random.default_rng(4)
    table = Table(
        "scores", np.zeros(3000), Predictions(columns={"m": rng.normal(size=3000)}), features=features(rng, 3000, 3)
    )
    config = replace(rules("m", max_gap=0.2), task="scores", metrics={"m": Metric()}, self_test=True)
    found = judge_and_test(table, config, champion_name=None, model_bytes=None).self_test
    assert [one.stopped for one in found.planted] == [True]
    assert found.planted[0].name.startswith("a model that is moved in f")
