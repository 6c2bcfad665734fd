"""What rows are grouped by: bins, combinations and conditions; each mistake is named at its place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.config import load_gate
from mlci.config.judging import Columns, Metric, Search, SliceBy, Slices
from mlci.errors import ConfigError, UsageError, WorldError
from mlci.gate import judge, mistakes, read
from mlci.gate.reading.cuts import Cut, binned
from tests.unit.gate.gatekit import COLUMNS, PREDICTIONS, gate, properties

ROWS = """SELECT i AS id, i % 3 = 0 AS late, ['AA', 'UA', NULL][1 + i % 3] AS carrier, i % 2 AS side,
    CASE WHEN i = 7 THEN NULL WHEN i = 8 THEN 'nan'::DOUBLE ELSE i * 10.0 END AS distance, 5 + i % 12 AS hour,
    [i] AS path FROM range(60) r(i)"""


def grouped(files, *by, **more):
    files.write("holdout", ROWS)
    return read([files.written["holdout"]], files.columns, files.written["challenger"], None, slice_columns=by, **more)


def parts(grouping):
    """How many rows are in each part."""
    counts = np.bincount(grouping.codes, minlength=len(grouping.values))
    return dict(zip(grouping.values, counts.tolist(), strict=True))


def test_given_edges_make_bins_that_hold_their_lower_edge_and_what_is_missing_has_its_own(files):
    (found,) = grouped(files, SliceBy(column="distance", bins=(100.0, 200.0, 590.0))).groupings
    assert found.by == "distance"
    assert parts(found) == {"below 100": 8, "100 to 200": 10, "200 to 590": 39, "590 or more": 1, "nan": 1, "null": 1}
    assert found.values[found.codes[10]] == "100 to 200"


def test_a_bin_between_two_edges_without_a_row_is_there_to_be_told_and_an_outer_one_is_not(files):
    (found,) = grouped(files, SliceBy(column="hour", bins=(0.0, 5.5, 5.6, 40.0), name="time of day")).groupings
    assert parts(found) == {"0 to 5.5": 5, "5.5 to 5.6": 0, "5.6 to 40": 55}
    assert found.by == "time of day"


def test_a_number_of_bins_is_quantiles_with_their_edges_said(files):
    (found,) = grouped(files, SliceBy(column="distance", bins=4)).groupings
    assert list(found.values) == ["below 160", "160 to 310", "310 to 450", "450 or more", "nan", "null"]
    assert list(parts(found).values()) == [14, 15, 14, 15, 1, 1]


@properties
@given(
    st.lists(
        st.floats(allow_infinity=True, allow_nan=True) | st.sampled_from([0.0, 1.0]) | st.none(),
        min_size=1,
        max_size=60,
    ),
    st.integers(2, 8),
)
def test_bins_are_a_partition_and_agree_with_their_names(given_numbers, bins):
    masked = np.ma.masked_array(
        [0.0 if x is None else x for x in given_numbers], mask=[x is None for x in given_numbers]
    )
    found = binned(Cut("x", "", ("x",), bins), masked)
    assert len(found.codes) == len(given_numbers)
    for x, code in zip(given_numbers, found.codes, strict=True):
        value = found.values[code]
        assert (value == "null") == (x is None)
        assert (value == "nan") == (x is not None and np.isnan(x))
    known = [(x, code) for x, code in zip(given_numbers, found.codes, strict=True) if x is not None and x == x]
    assert all(a[1] <= b[1] for a in known for b in known if a[0] <= b[0])


def test_a_value_that_most_rows_have_is_a_bin_of_its_own():
    rain = np.concatenate((np.zeros(950), np.linspace(0.01, 2, 50)))
    assert parts(binned(Cut("rain", "", ("rain",), 5), rain)) == {"below 0.01": 950, "0.01 or more": 50}


def test_columns_together_make_a_slice_of_each_combination(files):
    (found,) = grouped(files, SliceBy(columns=("carrier", "side"))).groupings
    assert found.by == "carrier × side"
    assert parts(found) == {f"{a} × {b}": 10 for a in ("AA", "UA", "null") for b in (0, 1)}


def test_a_condition_parts_the_rows_where_it_is_true_not_true_and_not_known(files):
    (found,) = grouped(files, SliceBy(name="far", where="distance > 300 -- miles")).groupings
    assert found.by == "far"
    assert parts(found) == {"false": 29, "null": 1, "true": 30}


def test_a_gap_between_groups_may_name_a_slice(files):
    metrics = {"demographic_parity_difference": Metric(by="far", max=1.0)}
    far = SliceBy(name="far", where="coalesce(distance, 0) > 300")
    files.columns = Columns(id="id", label="late", score="p")
    table = grouped(files, far, metrics=metrics)
    config = replace(gate(**metrics), slices=Slices(by=(far,), metric="accuracy", min_rows=5))
    found = judge(table, config, champion_name=None, model_bytes=None)
    selected = table.challenger.score >= 0.5
    rates = [selected[table.groupings[0].codes == code].mean() for code in (0, 1)]
    assert found.metrics[0].measured.challenger.value == pytest.approx(abs(rates[0] - rates[1]))
    assert [one.by for one in found.slices] == ["far", "far"]


@pytest.mark.parametrize(
    ("by", "error", "parts"),
    [
        (SliceBy(column="origin"), UsageError, ("no column `origin`", "`gate.slices.by[0]`")),
        (SliceBy(columns=("side", "hours")), UsageError, ("no column `hours`", "`gate.slices.by[0]`")),
        (SliceBy(column="carrier", bins=5), UsageError, ("`carrier` is VARCHAR", "`gate.slices.by[0].bins`")),
        (SliceBy(name="x", where="hours > 3"), UsageError, ("`gate.slices.by[0].where` cannot be computed", "hours")),
        (SliceBy(name="x", where="hour + 3"), UsageError, ("`gate.slices.by[0].where` is BIGINT and no condition",)),
        (SliceBy(name="x", where="hour > 90"), WorldError, ("`gate.slices.by[0].where` is true of no row",)),
        (SliceBy(name="x", where="CAST(carrier AS INT) > 1"), UsageError, ("`gate.slices.by[0].where` cannot be",)),
        (SliceBy(name="x", where="read_text('/etc/passwd')"), UsageError, ("where` is not let through",)),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_slice_in_these_rows_is_named_at_its_place(files, by, error, parts):
    with pytest.raises(error) as caught:
        grouped(files, by)
    assert all(part in caught.value.message for part in parts), caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("by", "path", "message"),
    [
        (SliceBy(), "[0]", "one of `column`, `columns` and `where`"),
        (SliceBy(column="a", columns=("b", "c")), "[0]", "one of `column`, `columns` and `where`"),
        (SliceBy(column="a", bins=(0.0, 5.0, 5.0)), "[0].bins", "edges of bins rise, and 0, 5, 5 do not"),
        (SliceBy(columns=("a", "b"), bins=3), "[0].bins", "only one column"),
        (SliceBy(where="a > 1"), "[0]", "needs a `name`"),
        (SliceBy(name="x", where="a > (SELECT 1)"), "[0].where", "a subquery is not allowed"),
        (SliceBy(name="x", where="a >"), "[0].where", "cannot be parsed"),
    ],
)
def test_what_is_wrong_with_a_slice_is_told_before_a_row_is_read(by, path, message):
    (found,) = mistakes(gate(by=Slices(by=(by,), metric="roc_auc")))
    assert found.path == f"$.gate.slices.by{path}"
    assert message in found.message
    assert found.place[:4] == ("gate", "slices", "by", 0)


def test_slices_of_one_name_and_slices_of_nothing_are_mistakes():
    bins = SliceBy(column="a", bins=3)
    (found,) = mistakes(gate(by=Slices(by=("a", bins), metric="roc_auc")))
    assert (found.path, found.message) == ("$.gate.slices.by[1]", "two slices are called `a`")
    assert mistakes(gate(by=Slices(by=("a", replace(bins, name="a in bins")), metric="roc_auc"))) == ()
    (found,) = mistakes(gate(by=Slices(metric="roc_auc")))
    assert found.message == "slices need `by` or `search`"


def test_what_is_searched_is_told_apart_from_what_is_no_feature(files):
    table = grouped(files, search=Search())
    assert [one.by for one in table.features] == ["carrier", "side", "distance", "hour"]
    assert table.unsearched == (("id", "the id"), ("late", "the label"), ("path", "is BIGINT[]"))
    assert table.groupings == ()
    assert "null" in table.features[0].values
    assert len(table.only(np.arange(5)).features[2].codes) == 5


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("carriers",), "no column `carriers`, which `gate.slices.search.columns[0]` names"),
        (("path",), "`gate.slices.search` cannot search `path` (is BIGINT[])"),
    ],
)
def test_a_search_over_what_cannot_be_searched_is_named(files, columns, message):
    with pytest.raises(UsageError) as caught:
        grouped(files, search=Search(columns=columns))
    assert message in caught.value.message


def test_a_search_of_no_feature_is_named(files):
    files.write("holdout", f"SELECT id, late FROM ({ROWS})")
    with pytest.raises(UsageError, match=r"cannot search `id` \(the id\), `late` \(the label\)"):
        read([files.written["holdout"]], COLUMNS, files.written["challenger"], None, search=Search())
    files.write("holdout", f"SELECT id, late, 'x' AS one FROM ({ROWS})")
    table = read([files.written["holdout"]], COLUMNS, files.written["challenger"], None, search=Search())
    config = gate(by=Slices(metric="roc_auc", search=Search()))
    with pytest.raises(WorldError, match=r"nothing to search: .*`one` \(one value\)"):
        judge(table, config, champion_name=None, model_bytes=None)


def test_a_search_that_names_the_label_or_a_column_twice_is_a_mistake():
    found = mistakes(gate(by=Slices(metric="roc_auc", search=Search(columns=("late", "a", "a", "p")))))
    assert [(one.path[20:], one.message) for one in found] == [
        (".columns[0]", "`late` is the label and no feature"),
        (".columns[2]", "`a` stands there twice"),
        (".columns[3]", "`p` is a prediction and no feature"),
    ]


RULES = "columns: {{id: id, label: late, score: p}}\nslices: {{metric: roc_auc, {}}}\nmetrics: {{roc_auc: {{}}}}\n"


@pytest.mark.parametrize(
    ("text", "by", "search"),
    [
        ("by: [a, {column: b, bins: 5}]", (SliceBy(column="a"), SliceBy(column="b", bins=5)), None),
        ("by: [{column: b, bins: [0, 5]}]", (SliceBy(column="b", bins=(0.0, 5.0)),), None),
        ("search: 1", (), Search(depth=1)),
        ("search: {columns: [a], max: 3}", (), Search(columns=("a",), max=3)),
    ],
)
def test_slices_are_written_short_or_in_full(tmp_path, text, by, search):
    (tmp_path / "gate.yaml").write_text(RULES.format(text))
    found = load_gate(tmp_path / "gate.yaml").slices
    assert (found.by, found.search) == (by, search)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("by: [{column: b, bins: 1}]", "bins of at least 2"),
        ("by: [{column: b, bins: wide}]", "expected bins, such as 5 or"),
        ("by: [{colum: b}]", "unknown key 'colum'"),
        ("search: 3", "at most 2"),
        ("search: true", "a whole number or a mapping, found true"),
    ],
)
def test_a_shape_that_is_wrong_is_told_where_it_stands(tmp_path, text, message):
    (tmp_path / "gate.yaml").write_text(RULES.format(text))
    with pytest.raises(ConfigError) as caught:
        load_gate(tmp_path / "gate.yaml")
    (problem,) = caught.value.problems
    assert (problem.line, message in problem.message) == (2, True), problem.message


def test_two_tables_without_a_project_are_searched_too(files, tmp_path):
    from mlci.gate import judge_tables

    late = "CAST(hash(id) % 10 < 3 AS INT)"
    features = "i % 4 AS a, hash(i + 9) % 5 AS b, i / 7 AS c"
    rows = f"SELECT i AS id, {late.replace('id', 'i')} AS late, {features} FROM range(6000) r(i)"
    noise = "(hash(id + 77) % 1000) / 2000"
    files.write(
        "challenger", f"SELECT *, {noise} + CASE WHEN a = 2 AND b = 3 THEN 0 ELSE 0.4 * late END AS p FROM ({rows})"
    )
    (tmp_path / "gate.yaml").write_text(RULES.format("search: 2, max_gap: 0.15"))
    report = judge_tables(load_gate(tmp_path / "gate.yaml"), files.written["challenger"])
    assert [(one.by, one.value) for one in report.slices if one.verdict == "fail"] == [("a × b", "2 × 3")]
    assert "Holm over" in report.summary
    assert report.facts()["search"]["left_out"] == [
        {"column": "id", "reason": "the id"},
        {"column": "late", "reason": "the label"},
        {"column": "p", "reason": "a prediction"},
    ]


def test_rows_keep_their_order_in_every_kind_of_slice(files):
    rows = 200_000
    files.write("holdout", f"SELECT i AS id, i % 2 AS late, i AS n, (i * 7) % 5 AS k FROM range({rows}) r(i)")
    files.write("challenger", f"SELECT id, 0.5 AS p FROM ({PREDICTIONS.replace('60', str(rows))}) ORDER BY hash(id)")
    by = (SliceBy(column="n", bins=(100_000.0,)), SliceBy(column="k"), SliceBy(name="w", where="n % 3 = 1"))
    found = read([files.written["holdout"]], COLUMNS, files.written["challenger"], None, slice_columns=by).groupings
    i = np.arange(rows)
    assert np.array_equal(found[0].codes, i >= 100_000)
    assert np.array_equal(np.array(found[1].values)[found[1].codes].astype(int), i * 7 % 5)
    assert np.array_equal(np.array(found[2].values)[found[2].codes] == "true", i % 3 == 1)
