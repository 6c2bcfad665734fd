"""Leaks between datasets: shared keys and rows, overlapping time, labels out of balance."""

from __future__ import annotations

import json

import pytest

from mlci.config.model import Balance, Split
from mlci.contract import splits


def found(violations) -> list[tuple[str, str, int]]:
    return [(v.column, v.rule, v.count) for v in violations]


def table(*rows: str, names: str) -> str:
    return f"SELECT * FROM (VALUES {', '.join(rows)}) t({names})"


APART = Split(apart_from=("train",))
KEYS = Split(apart_from=("train",), keys=("id",))


def test_datasets_without_a_shared_key_are_apart(parquet):
    train = parquet("SELECT range AS id FROM range(1000)", "train.parquet")
    holdout = parquet("SELECT range + 1000 AS id FROM range(100)", "holdout.parquet")
    assert splits([holdout], {"train": [train]}, [KEYS, APART]) == ()


def test_rows_whose_key_is_in_the_other_dataset_are_counted_and_the_keys_are_shown(parquet):
    train = parquet("SELECT range AS id FROM range(1000)", "train.parquet")
    holdout = parquet("SELECT unnest([1000, 999, 999, 7, NULL]) AS id", "holdout.parquet")
    (leak,) = splits([holdout], {"train": [train]}, [KEYS], samples=1)
    assert found([leak]) == [("id", "apart", 3)]
    assert leak.expected == "no key of train"
    assert leak.samples == ({"id": 7, "(rows)": 1},)
    assert leak.blocks


def test_the_null_of_a_key_is_in_no_other_dataset_but_a_whole_row_of_nulls_is(parquet):
    one = parquet("SELECT NULL::INTEGER AS id, 'a' AS x", "one.parquet")
    two = parquet("SELECT NULL::INTEGER AS id, 'a' AS x", "two.parquet")
    assert splits([two], {"train": [one]}, [KEYS]) == ()
    assert found(splits([two], {"train": [one]}, [APART])) == [("", "apart", 1)]


@pytest.mark.parametrize("kind", ["TINYINT", "BIGINT", "DOUBLE", "FLOAT", "DECIMAL(9, 2)", "VARCHAR"])
def test_a_key_is_the_same_in_whatever_form_a_file_has_it(parquet, text, kind):
    mine = parquet(f"SELECT unnest([1, 2])::INTEGER::{kind} AS id", "mine.parquet")
    others = [
        parquet("SELECT unnest([2, 3])::INTEGER AS id", "int.parquet"),
        parquet("SELECT unnest([2, 3])::DOUBLE AS id", "double.parquet"),
        text("id\n2\n3\n", "other.csv"),
        text("id\n2.0\n3.0\n", "floats.csv"),
        text('{"id": 2}\n{"id": null}\n', "other.jsonl"),
        text('{"id": "2"}\n{}\n', "texts.jsonl"),
    ]
    for other in others:
        assert found(splits([mine], {"train": [other]}, [KEYS])) == [("id", "apart", 1)], other.name
    assert found(splits([mine], {"train": others}, [KEYS])) == [("id", "apart", 1)]


def test_large_whole_numbers_are_not_rounded_on_the_way(parquet, text):
    mine = parquet("SELECT 9007199254740993 AS id", "mine.parquet")
    near = text("id\n9007199254740992\n", "near.csv")
    same = text("id\n9007199254740993\n", "same.csv")
    assert splits([mine], {"train": [near]}, [KEYS]) == ()
    assert found(splits([mine], {"train": [same]}, [KEYS])) == [("id", "apart", 1)]


def test_two_spellings_of_one_instant_are_one_key(parquet, text):
    mine = parquet("SELECT TIMESTAMP '2020-01-01 10:00:00' AS id", "mine.parquet")
    other = text("id\n2020-01-01T12:00:00+02:00\n", "other.csv")
    assert found(splits([mine], {"train": [other]}, [KEYS])) == [("id", "apart", 1)]


def test_keys_of_several_columns_are_shared_only_together(parquet):
    rule = Split(apart_from=("train",), keys=("a", "b"))
    train = parquet(table("(1, 'x')", "(2, 'y')", names="a, b"), "train.parquet")
    holdout = parquet(table("(1, 'y')", "(2, 'y')", names="a, b"), "holdout.parquet")
    (leak,) = splits([holdout], {"train": [train]}, [rule])
    assert (leak.column, leak.count, leak.samples) == ("a, b", 1, ({"a": 2, "b": "y", "(rows)": 1},))


def test_whole_rows_are_compared_over_the_columns_that_both_have(parquet):
    train = parquet(
        table("(1, 'x', 0.5::DOUBLE, [1, 2])", "(2, NULL, 'nan', NULL)", names="a, b, c, d"), "train.parquet"
    )
    rows = ("(1, 'x', 0.5::DOUBLE, [1, 2], 7)", "(2, NULL, 'nan', NULL, 8)", "(2, 'z', 'nan', NULL, 9)")
    holdout = parquet(table(*rows, names="a, b, c, d, extra"), "holdout.parquet")
    (leak,) = splits([holdout], {"train": [train]}, [APART])
    assert found([leak]) == [("", "apart", 2)]
    assert leak.expected == "no row of train"
    assert [row["a"] for row in leak.samples] == [1, 2]
    other = parquet("SELECT 1 AS z", "other.parquet")
    (none,) = splits([holdout], {"train": [other]}, [APART])
    assert none.found == "no column in common" and none.blocks


AFTER = Split(apart_from=("train",), after=("t",))


@pytest.mark.parametrize(
    ("mine", "late"),
    [
        ("SELECT unnest([DATE '2020-01-03', DATE '2020-01-02']) AS t", 1),
        ("SELECT unnest([TIMESTAMP '2020-01-02 00:00:00.000001', NULL]) AS t", 0),
        ("SELECT unnest(['2020-01-02T01:00:00+01:00', '2020-01-02T00:00:01Z']) AS t", 1),
        ("SELECT unnest(['2020-01-03', 'soon', NULL]) AS t", 1),
        ("SELECT 7 AS t", 1),
    ],
)
def test_every_row_is_later_than_the_last_of_the_other_dataset(parquet, mine, late):
    train = parquet("SELECT unnest([DATE '2019-05-05', DATE '2020-01-02', NULL]) AS t", "train.parquet")
    assert sum(v.count for v in splits([parquet(mine)], {"train": [train]}, [AFTER])) == late


def test_the_rows_that_are_too_early_are_shown_with_the_last_of_the_others(parquet):
    train = parquet("SELECT unnest([DATE '2019-05-05', DATE '2020-01-02']) AS t", "train.parquet")
    holdout = parquet("SELECT DATE '2020-01-01' + range::INTEGER AS t FROM range(9)", "holdout.parquet")
    (early,) = splits([holdout], {"train": [train]}, [AFTER])
    assert found([early]) == [("t", "after", 2)]
    assert early.expected == "after 2020-01-02, the last in train"
    assert [str(row["t"]) for row in early.samples] == ["2020-01-01", "2020-01-02"]


def test_a_gap_is_kept_exactly(parquet, text):
    train = text("t\n2020-01-01T00:00:00Z\n", "train.csv")
    rule = Split(apart_from=("train",), after=("t",), gap=86400.0)
    on_time = parquet("SELECT TIMESTAMP '2020-01-02 00:00:00' AS t", "on_time.parquet")
    early = parquet("SELECT TIMESTAMP '2020-01-01 23:59:59.999999' AS t", "early.parquet")
    assert splits([on_time], {"train": [train]}, [rule]) == ()
    (violation,) = splits([early], {"train": [train]}, [rule])
    assert violation.expected == "at least 1d after 2020-01-01T00:00:00Z, the last in train"
    numbers = parquet("SELECT 20200105 AS t", "numbers.parquet")
    assert found(splits([numbers], {"train": [train]}, [rule])) == [("t", "after", 1)]


def test_several_columns_of_time_are_compared_from_the_first_on(parquet, text):
    rule = Split(apart_from=("train",), after=("year", "month"))
    train = text("year,month\n2012,12\n2013,6\n", "train.csv")
    holdout = parquet(table("(2013, 7)", "(2014, 1)", "(2013, 6)", "(2012, 12)", names="year, month"))
    (early,) = splits([holdout], {"train": [train]}, [rule])
    assert (early.column, early.count) == ("year, month", 2)
    assert early.samples[0] == {"year": 2012, "month": 12}


def test_numbers_in_text_are_compared_as_numbers(text):
    train, holdout = text("t\n9\n", "train.csv"), text("t\n10\n", "holdout.csv")
    assert splits([holdout], {"train": [train]}, [AFTER]) == ()
    assert found(splits([train], {"train": [holdout]}, [AFTER])) == [("t", "after", 1)]


def test_labels_are_as_frequent_as_in_the_other_dataset(parquet):
    train = parquet("SELECT (range < 30)::INTEGER AS late FROM range(100)", "train.parquet")
    holdout = parquet("SELECT (range < 40)::INTEGER AS late FROM range(100)", "holdout.parquet")

    def judged(**bounds):
        rule = Split(apart_from=("train",), balance=Balance(column="late", **bounds))
        return splits([holdout], {"train": [train]}, [rule])

    assert judged(max_difference=0.10) == ()
    (far,) = judged(max_difference=0.09)
    assert far.found == "0: 60.00 % here, 70.00 % in train"
    assert far.count == 2 and far.blocks
    assert judged(min_share=0.40) == ()
    (rare,) = judged(min_share=0.41)
    assert rare.samples == ({"late": "1", "(share)": "40.00 %", "(share in train)": "30.00 %"},)


def test_a_label_that_the_holdout_lacks_is_too_rare(parquet):
    train = parquet("SELECT unnest(['a', 'b', 'c', NULL]) AS late", "train.parquet")
    holdout = parquet("SELECT unnest(['a', 'b', NULL]) AS late", "holdout.parquet")
    rule = Split(apart_from=("train",), balance=Balance(column="late", min_share=0.01))
    (rare,) = splits([holdout], {"train": [train]}, [rule])
    assert rare.found == "c: 0.00 % here, 33.33 % in train"
    empty = parquet("SELECT 'a' AS late WHERE false", "empty.parquet")
    assert splits([empty], {"train": [train]}, [rule])[0].count == 3


def test_a_leak_may_only_be_spoken_of_or_be_tolerated(parquet):
    train = parquet("SELECT range AS id FROM range(100)", "train.parquet")
    holdout = parquet("SELECT range + 99 AS id FROM range(100)", "holdout.parquet")

    def judged(**of):
        (violation,) = splits([holdout], {"train": [train]}, [Split(apart_from=("train",), keys=("id",), **of)])
        return violation.blocks

    assert judged()
    assert not judged(severity="warn")
    assert not judged(tolerance=0.01)
    assert judged(tolerance=0.009)


def test_sensitive_values_are_never_shown(parquet):
    train = parquet("SELECT 'me@x.org' AS id, DATE '2020-01-01' AS t", "train.parquet")
    rule = Split(apart_from=("train",), keys=("id",), after=("t",), balance=Balance(column="id", min_share=1.0))
    secret = parquet("SELECT unnest(['me@x.org', 'you']) AS id, DATE '2019-01-01' AS t", "holdout.parquet")
    violations = splits([secret], {"train": [train]}, [rule], sensitive=frozenset({"id", "t"}))
    assert len(violations) == 3
    assert not any(word in repr(violations) for word in ("x.org", "you", "2020", "2019"))


def test_columns_that_are_not_there_and_files_that_cannot_be_read_are_findings(parquet, text):
    train, holdout = parquet("SELECT 1 AS idd", "train.parquet"), parquet("SELECT 1 AS id", "holdout.parquet")
    (lacks,) = splits([holdout], {"train": [train]}, [KEYS])
    assert (lacks.column, lacks.rule, lacks.found) == ("id", "required", "none in train")
    (broken,) = splits([holdout], {"train": [text("no", "broken.parquet")]}, [KEYS])
    assert (broken.rule, broken.samples) == (
        "readable",
        ({"(problem)": "broken.parquet: this is not a Parquet file"},),
    )
    (cut,) = splits([holdout], {"train": [text('id\n"1\n', "broken.csv")]}, [KEYS])
    assert cut.rule == "readable" and cut.blocks


def test_names_and_values_stay_in_their_quotes(parquet, text):
    odd = "a'\"; DROP\u00e9"
    train = text(json.dumps({odd: "x'"}) + "\n", "it's.jsonl")
    holdout = parquet(f"""SELECT 'x''' AS "{odd.replace('"', '""')}" """, "holdout'.parquet".replace("'", "_"))
    rule = Split(apart_from=("tr'ain",), keys=(odd,), balance=Balance(column=odd, min_share=0.5))
    assert found(splits([holdout], {"tr'ain": [train]}, [rule])) == [(odd, "apart", 1)]


def test_millions_of_rows_fit_in_the_memory_that_there_is(parquet):
    train = parquet("SELECT uuid()::VARCHAR AS id, range AS n FROM range(600_000)", "train.parquet")
    holdout = parquet(f"SELECT id, n FROM '{train}' WHERE n % 1000 = 0", "holdout.parquet")
    assert found(splits([holdout], {"train": [train]}, [KEYS, APART])) == [("id", "apart", 600), ("", "apart", 600)]


def test_rows_of_the_others_are_no_share_of_these(parquet):
    holdout = parquet("SELECT DATE '2020-01-02' AS t", "holdout.parquet")
    train = parquet("SELECT 'x' || range AS t FROM range(9)", "train.parquet")
    (broken,) = splits([holdout], {"train": [train]}, [Split(apart_from=("train",), after=("t",))], lines=[7])
    assert (broken.count, broken.found, broken.line) == (9, "9 rows with other values", 7)
