"""Forecasts of series: the field's errors by their definitions, intervals that hold though days hang together."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

from mlci.config import load_gate
from mlci.config.judging import Columns, Gate, Metric, Slices
from mlci.errors import UsageError, WorldError
from mlci.gate import OF_TASK, Grouping, Predictions, Table, judge, judge_tables, mistakes
from mlci.gate.deciding.intervals import difference, error, fit, interval
from mlci.gate.deciding.measure import fits
from mlci.gate.metric.forecasts import GROUPS, blocks
from mlci.gate.metric.metrics import find, quantile
from tests.unit.gate.gatekit import properties

FORECASTS = OF_TASK["forecasting"]


def weighed(rows, w):
    return np.average(rows, weights=w)


BY_DEFINITION = {
    "smape": lambda y, f, w: weighed(2 * abs(y - f) / (abs(y) + abs(f)), w),
    "wape": lambda y, f, w: np.sum(w * abs(y - f)) / np.sum(w * abs(y)),
    "bias": lambda y, f, w: weighed(f - y, w),
    "mae": lambda y, f, w: sk.mean_absolute_error(y, f, sample_weight=w),
    "mse": lambda y, f, w: sk.mean_squared_error(y, f, sample_weight=w),
    "rmse": lambda y, f, w: sk.root_mean_squared_error(y, f, sample_weight=w),
    "mape": lambda y, f, w: sk.mean_absolute_percentage_error(y, f, sample_weight=w),
    "r2": lambda y, f, w: sk.r2_score(y, f, sample_weight=w),
    "median_absolute_error": lambda y, f, w: np.median(abs(y - f)),
}
SCALED = {"mase", "rmsse"}


def noise(rng, series, times):
    """Of variance one, each a half of the one before and of its own."""
    error = rng.normal(size=(series, times))
    for t in range(1, times):
        error[:, t] = 0.5 * error[:, t - 1] + math.sqrt(0.75) * error[:, t]
    return error.ravel()


def demand(rng, series, times):
    """Series of different size: codes, truth and a forecast."""
    codes = np.repeat(np.arange(series), times)
    truth = 5 * (1 + codes % 4) + rng.random(series * times)
    return codes, truth, truth + (1 + codes % 3) * noise(rng, series, times)


def test_all_metrics_of_forecasts_are_compared_with_a_definition():
    assert set(FORECASTS) == set(BY_DEFINITION) | SCALED


@pytest.mark.parametrize("name", BY_DEFINITION)
@properties
@given(seed=st.integers(0, 2**32), rows=st.integers(2, 100))
def test_an_error_of_forecasts_is_what_its_definition_says(name, seed, rows):
    rng = np.random.default_rng(seed)
    y, f = 3 + rng.normal(size=rows), 3 + rng.normal(size=rows)
    metric, w = FORECASTS[name], rng.random(rows) + 0.1
    assert metric.measure(y, f)[0] == pytest.approx(BY_DEFINITION[name](y, f, np.ones(rows)), rel=1e-9, abs=1e-9)
    if metric.weighs:
        assert metric.measure(y, f, w)[0] == pytest.approx(BY_DEFINITION[name](y, f, w), rel=1e-9, abs=1e-9)


def test_a_forecast_of_nothing_where_nothing_is_has_no_relative_error_and_wape_of_nothing_is_refused():
    nothing = np.zeros(4)
    assert FORECASTS["smape"].measure(nothing, nothing)[0] == 0
    table = Table("forecasting", nothing, Predictions(value=np.ones(4)))
    with pytest.raises(WorldError, match="wape"):
        fits(table, "wape")


@properties
@given(seed=st.integers(0, 2**32), level=st.sampled_from([0.05, 0.5, 0.9]))
def test_the_loss_of_a_quantile_equals_scikit_learn(seed, level):
    rng = np.random.default_rng(seed)
    y, q = rng.normal(size=(2, 50))
    metric = find(f"pinball@{level}", "forecasting")
    column = metric.column(Predictions(columns={quantile(level): q}))
    assert metric.measure(y, column)[0] == pytest.approx(sk.mean_pinball_loss(y, q, alpha=level), abs=1e-9)


def test_an_interval_is_between_its_two_quantiles_and_its_score_adds_what_lies_outside():
    said = Predictions(columns={quantile(0.1): np.zeros(4), quantile(0.9): np.full(4, 2.0)})
    y = np.array([0.0, 1.0, 3.0, -2.0])
    for name, wanted in (("coverage@0.8", 0.5), ("interval_score@0.8", 2 + (1 + 2) * 2 / 0.2 / 4)):
        metric = find(name, "forecasting")
        assert metric.levels == (0.1, 0.9)
        assert metric.measure(y, metric.column(said))[0] == pytest.approx(wanted)
    assert find("coverage@0.9", "forecasting").column(said) is None
    assert find("coverage@0", "forecasting") is None


@properties
@given(seed=st.integers(0, 2**32), series=st.integers(1, 6))
def test_scaled_errors_are_means_over_the_series_however_long_they_are(seed, series):
    """By the book: Hyndman & Koehler (2006) and M5, series by series; a weight per series gives M5's weighted mean."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 9, series)
    codes = rng.permutation(np.repeat(np.arange(series), sizes))
    y, f = rng.normal(size=(2, len(codes)))
    scale, weight = (rng.random(series) + 0.5)[codes], (rng.random(series) + 0.5)[codes]
    table = Table("forecasting", y, Predictions(value=f), series=codes, scales={"mase": scale, "rmsse": scale})
    of = [codes == s for s in range(series)]
    mase = np.array([np.mean(abs(y - f)[one]) / scale[one][0] for one in of])
    rmsse = np.array([np.sqrt(np.mean((y - f)[one] ** 2) / scale[one][0] ** 2) for one in of])
    each = np.array([weight[one][0] for one in of])
    for name, wanted in (("mase", mase), ("rmsse", rmsse)):
        assert fits(table, name)[0].value == pytest.approx(wanted.mean(), rel=1e-9)
        found = fits(replace(table, weights=weight), name)[0].value
        assert found == pytest.approx(np.average(wanted, weights=each), rel=1e-9)


def test_the_error_of_a_mean_over_series_is_that_of_the_series():
    rng = np.random.default_rng(4)
    codes, y, f = demand(rng, 30, 12)
    table = Table("forecasting", y, Predictions(value=f), series=codes, clusters=codes, scales={"rmsse": np.ones(360)})
    one = fits(table, "rmsse")[0]
    each = np.array([np.sqrt(np.mean((y - f)[codes == s] ** 2)) for s in range(30)])
    # The gate's correction of groups has (rows - 1) / rows besides.
    spread = each.std(ddof=1) / math.sqrt(30)
    assert error(one, one.influence) == pytest.approx(spread, rel=2e-3)
    assert interval(one, 0.95).low < one.value - 1.69 * spread


@pytest.mark.parametrize("name", ["mase", "rmsse", "wape", "smape"])
def test_an_influence_of_a_weighted_row_is_what_a_little_more_of_its_weight_changes(name):
    rng = np.random.default_rng(6)
    codes, y, f = demand(rng, 8, 15)
    scales = dict.fromkeys(SCALED, 1.0 + codes)
    table = Table("forecasting", y, Predictions(value=f), weights=1.0 + codes, series=codes, scales=scales)
    one = fits(table, name)[0]
    for i in (0, 40, 119):
        heavier = 1.0 + codes
        heavier[i] *= 1 + 1e-4
        change = (fits(replace(table, weights=heavier), name)[0].value - one.value) / 1e-4
        assert change == pytest.approx(one.influence[i], rel=0.01)


def test_rows_go_by_series_and_few_series_are_cut_into_blocks_of_time():
    codes, turn = np.repeat(np.arange(12), 5), np.tile(np.arange(5), 12)
    assert blocks(codes, turn).tolist() == codes.tolist()
    one = blocks(np.zeros(100, int), np.arange(100))
    assert one.tolist() == (np.arange(100) // 10).tolist()
    three = blocks(np.repeat(np.arange(3), 40), np.tile(np.arange(40), 3))
    assert np.bincount(three).tolist() == [10] * 12
    short = blocks(np.zeros(7, int), np.array([6, 5, 4, 3, 2, 1, 0]))
    assert np.bincount(short).min() >= 2
    assert (np.diff(short) <= 0).all()


@pytest.mark.parametrize(("series", "times"), [(1, 600), (3, 200), (25, 24)])
def test_each_end_of_an_interval_holds_the_truth_though_a_day_depends_on_the_day_before(series, times):
    """Neighbours correlate by a half; taken as independent, the rows would be too sure."""
    metric, rng, runs = FORECASTS["mae"], np.random.default_rng(8), 400
    groups = blocks(np.repeat(np.arange(series), times), np.tile(np.arange(times), series))
    truth, labels = math.sqrt(2 / math.pi), np.zeros(series * times)
    missed, naive = np.zeros(4), 0
    for _ in range(runs):
        said = [noise(rng, series, times) for _ in range(2)]
        one, other = (fit(metric, labels, forecast, None, groups) for forecast in said)
        alone, both = interval(one, 0.95), difference(one, other, 0.95)
        missed += [truth < alone.low, truth > alone.high, both.low > 0, both.high < 0]
        apart = difference(*(fit(metric, labels, forecast) for forecast in said), 0.95)
        naive += not apart.low <= 0 <= apart.high
    assert (missed / runs < 0.05 + 3.5 * math.sqrt(0.05 * 0.95 / runs)).all(), missed / runs
    assert (missed / runs > 0.01).all()
    assert naive / runs > 0.10 + 3.5 * math.sqrt(0.1 * 0.9 / runs), naive / runs


COLUMNS = Columns(id="id", label="y", prediction="f", series="shop", time="day")
HOLDOUT = """SELECT i AS id, i % 3 AS shop, DATE '2026-01-01' + CAST(59 - i // 3 AS INT) AS day, i / 7 AS y,
    2 + i % 3 AS naive FROM range(180) r(i)"""
SAID = "SELECT i AS id, i / 7 + i % 2 AS f, i / 7 - 1 AS low, i / 7 + 1 AS high FROM range(180) r(i)"


@pytest.fixture
def shops(files):
    files.task, files.columns = "forecasting", COLUMNS
    files.write("holdout", HOLDOUT)
    files.write("challenger", SAID)
    return files


def test_series_times_scales_and_quantiles_are_read(shops):
    shops.columns = replace(COLUMNS, scale={"mase": "naive"}, quantiles={"low": 0.1, "high": 0.9})
    table = shops.read()
    assert table.scales["mase"].tolist() == [2 + i % 3 for i in range(180)]
    assert set(table.challenger.columns) == {"quantile 0.1", "quantile 0.9"}
    assert all(len({table.series[i] for i in range(s, 180, 3)}) == 1 for s in range(3))
    assert len(set(table.clusters.tolist())) == 12
    # The file runs backwards in time: its first rows are the last block.
    assert len({table.clusters[i] for i in range(0, 45, 3)}) == 1
    assert len({table.clusters[i] for i in range(0, 48, 3)}) == 2


def test_a_group_of_ones_own_comes_before_series_and_time(shops):
    shops.columns = replace(COLUMNS, group="day", series=None)
    shops.write("holdout", f"SELECT * REPLACE (id AS day) FROM ({HOLDOUT})")
    assert len(set(shops.read().clusters.tolist())) == 180
    shops.columns = replace(COLUMNS, series=None)
    assert len(set(shops.read().clusters.tolist())) == GROUPS


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ", "BIGINT"])
def test_a_time_is_a_date_a_time_or_a_number(shops, kind):
    day = "epoch(day)" if kind == "BIGINT" else "day"
    shops.write("holdout", f"SELECT * REPLACE (CAST({day} AS {kind}) AS day) FROM ({HOLDOUT})")
    assert len(set(shops.read().clusters.tolist())) == 12
    shops.write("holdout", f"SELECT * REPLACE (CAST(day AS VARCHAR) AS day) FROM ({HOLDOUT})")
    with pytest.raises(UsageError, match="`day` is VARCHAR, and a time is a date"):
        shops.read()


@pytest.mark.parametrize(
    ("change", "columns", "wrong"),
    [
        ("if(id = 4, NULL, shop) AS shop", {}, "`shop` is NULL in 1 row of 180"),
        ("if(id = 4, NULL, day) AS day", {}, "`day` is NULL in 1 row of 180"),
        ("if(id = 4, CAST('nan' AS DOUBLE), id) AS day", {}, "`day` is NaN in 1 row of 180"),
        ("if(id = 4, CAST('nan' AS DOUBLE), y) AS y", {}, "`y` is not a finite number in 1 row"),
        ("if(id = 4, 0, naive) AS naive", {"scale": {"mase": "naive"}}, "`naive` is not above 0 in 1 row"),
        ("0 AS shop", {}, "60 times of a series stand in more than one row, such as day = "),
        ("shop AS shop", {"series": None}, "60 times stand in more than one row, such as day = "),
    ],
)
def test_rows_that_are_no_series_are_counted_with_an_example(shops, change, columns, wrong):
    shops.columns = replace(COLUMNS, **columns)
    shops.write("holdout", f"SELECT * REPLACE ({change}) FROM ({HOLDOUT})")
    with pytest.raises(WorldError) as caught:
        shops.read()
    assert wrong in caught.value.message
    assert "where id = " in caught.value.message


def test_a_quantile_that_is_no_number_is_counted_with_an_example(shops):
    shops.columns = replace(COLUMNS, quantiles={"low": 0.1})
    shops.write("challenger", f"SELECT * REPLACE (if(id = 4, NULL, low) AS low) FROM ({SAID})")
    with pytest.raises(WorldError, match="`low` is not a finite number in 1 row of 180, such as NULL where id = 4"):
        shops.read()


@pytest.mark.parametrize("key", ["series", "time"])
def test_a_series_or_a_time_that_is_not_there_is_named(shops, key):
    shops.columns = replace(COLUMNS, **{key: "nowhere"})
    with pytest.raises(UsageError, match=f"no column `nowhere`, which `gate.columns.{key}`"):
        shops.read()


def gate(columns=COLUMNS, **more):
    return Gate(predict=("p",), data="h", task="forecasting", columns=columns, **more)


@pytest.mark.parametrize(
    ("metric", "rule", "columns", "wrong"),
    [
        ("mase", Metric(), {}, "`mase` needs the column that errors are divided by"),
        ("pinball@0.9", Metric(), {}, "`pinball@0.9` needs a column of the quantile 0.9"),
        ("coverage@0.8", Metric(), {"quantiles": {"low": 0.1}}, "needs a column of the quantile 0.9"),
        ("bias", Metric(margin=0.1), {}, "best in the middle"),
        ("mae", Metric(), {"time": None}, "needs the column `time`"),
        ("mae", Metric(), {"quantiles": {"low": 10.0}}, "the level 10 is not between 0 and 1"),
        ("mae", Metric(), {"quantiles": {"low": 0.1, "high": 0.1}}, "another column has the level 0.1"),
        ("mae", Metric(), {"scale": {"mae": "naive"}}, "`mae` has no scale"),
        ("mae", Metric(), {"prediction": None, "quantiles": {"low": 0.1}}, "`mae` needs the column `prediction`"),
        ("mae", Metric(replicates=500), {}, "`replicates` is for a function"),
    ],
)
def test_rules_of_forecasts_that_cannot_be_judged_are_mistakes(metric, rule, columns, wrong):
    found = mistakes(gate(replace(COLUMNS, **columns), metrics={metric: rule}))
    assert wrong in found[0].message


def test_a_bias_is_compared_over_no_slices():
    rules = Slices(by=("shop",), metric="bias", max_gap=1)
    found = mistakes(gate(metrics={"bias": Metric(max=1)}, slices=rules))
    assert "`bias` is best in the middle" in found[0].message


def test_a_better_forecast_passes_and_a_worse_one_does_not():
    rng = np.random.default_rng(1)
    codes, y, good = demand(rng, 40, 30)
    bad = y + 2 * (good - y) + 0.1 * rng.normal(size=len(y))

    def said(forecast):
        return Predictions(value=forecast, columns={quantile(q): forecast + e for q, e in ((0.1, -2.5), (0.9, 2.5))})

    groups = Grouping("shop", codes % 2, ("a", "b"))
    scales = dict.fromkeys(("mase", "rmsse"), np.full(len(y), 2.0))
    table = Table("forecasting", y, said(good), said(bad), (groups,), clusters=codes, series=codes, scales=scales)
    rules = {
        "mae": Metric(improve=0.1), "mase": Metric(max=1.2, margin=0.1), "rmsse": Metric(margin=0.1),
        "wape": Metric(margin=0.01), "bias": Metric(min=-0.5, max=0.5), "pinball@0.9": Metric(margin=0.1),
        "coverage@0.8": Metric(min=0.7, max=0.98),
    }  # fmt: skip
    columns = replace(COLUMNS, quantiles={"l": 0.1, "h": 0.9}, scale={"mase": "n", "rmsse": "n"})
    config = gate(columns, metrics=rules, slices=Slices(by=("shop",), metric="mase", max_gap=2.0, margin=0.1))
    found = judge(table, config, champion_name="x", model_bytes=None)
    assert found.passed, found.summary
    assert "(Liang & Zeger 1986; Bester, Conley & Hansen 2011) over 40 groups" in found.metrics[0].measured.method
    assert len(found.slices) == 2
    worse = judge(
        replace(table, challenger=said(bad), champion=said(good)), config, champion_name="x", model_bytes=None
    )
    assert {one.measured.name for one in worse.metrics if one.verdict == "fail"} >= {"mae", "mase", "rmsse", "wape"}


def test_a_file_of_rules_for_forecasts_is_judged_and_can_say_no(shops, tmp_path):
    (tmp_path / "gate.yaml").write_text(
        "task: forecasting\n"
        "columns: {id: id, label: y, prediction: f, series: shop, time: day, scale: {mase: naive},"
        " quantiles: {low: 0.1, high: 0.9}}\n"
        "metrics:\n"
        "  mase: {max: 1, margin: 0.1}\n"
        "  coverage@0.8: {min: 0.5}\n"
        '  squared: {expression: "(prediction - label) * (prediction - label)", max: 2}\n'
        "slices: {by: [shop], metric: mase, max_gap: 0.5, min_rows: 50}\n"
    )
    said = "SELECT id, y + (hash(id) % 100) / 50 - 1 AS f, y - 1 AS low, y + 1 AS high"
    rows = f"({HOLDOUT}) JOIN ({said} FROM ({HOLDOUT}))"
    shops.write("challenger", f"SELECT * FROM {rows} USING (id)")
    config = load_gate(tmp_path / "gate.yaml")
    found = judge_tables(config, shops.written["challenger"], shops.written["challenger"])
    assert found.passed, found.summary
    assert "Bester, Conley & Hansen 2011) over 12 groups" in found.metrics[0].measured.method
    shops.write("champion", f"SELECT * FROM {rows} USING (id)")
    shops.write("challenger", f"SELECT * REPLACE (f + 1 AS f) FROM {rows} USING (id)")
    worse = judge_tables(config, shops.written["challenger"], shops.written["champion"])
    assert "mase" in worse.objections[0]
    assert "worse than the champion" in worse.objections[0]
