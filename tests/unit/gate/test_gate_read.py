"""Reading: rows are joined by id whatever their order and type, and everything that is wrong is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlci.config.judging import Metric
from mlci.errors import UsageError, WorldError
from mlci.gate import read
from tests.unit.gate.gatekit import HOLDOUT, PREDICTIONS, Columns

LATE = [i % 3 == 0 for i in range(60)]
SCORES = [(i * 7 % 60) / 60 for i in range(60)]


def refused(files, error, *parts, champion=False):
    with pytest.raises(error) as caught:
        files.read(champion)
    for part in parts:
        assert part in caught.value.message, caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


def test_labels_scores_and_groups_stand_in_the_order_of_the_holdout(files):
    files.slices = ("carrier",)
    files.write("challenger", f"{PREDICTIONS} ORDER BY hash(i)")
    files.write("champion", f"SELECT id, 1 - p AS p FROM ({PREDICTIONS}) ORDER BY id DESC")
    table = files.read(champion=True)
    assert table.labels.tolist() == LATE
    assert table.challenger.score.tolist() == SCORES
    assert table.champion.score.tolist() == pytest.approx([1 - p for p in SCORES])
    assert table.champion.value is None
    (carrier,) = table.groupings
    assert [carrier.values[code] for code in carrier.codes] == [["AA", "UA", "null"][i % 3] for i in range(60)]
    assert (table.rows, table.positives) == (60, 20)


def test_many_rows_keep_their_order(files):
    files.write("holdout", "SELECT hash(i) AS id, i % 7 = 0 AS late FROM range(300000) r(i)")
    files.write("challenger", "SELECT hash(i) AS id, i / 300000 AS p FROM range(300000) r(i) ORDER BY hash(i + 1)")
    table = files.read()
    assert np.array_equal(table.challenger.score, np.arange(300_000) / 300_000)
    assert np.array_equal(table.labels, np.arange(300_000) % 7 == 0)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_the_holdout_may_be_csv_or_json_lines(files, suffix):
    files.write("holdout", HOLDOUT, suffix)
    files.slices = ("carrier",)
    table = files.read()
    assert table.labels.tolist() == LATE
    assert set(table.groupings[0].values) == {"AA", "UA", "null"}


def test_the_holdout_may_be_several_files(files):
    parts = [files.write(f"part{k}", f"SELECT * FROM ({HOLDOUT}) WHERE id % 2 = {k}") for k in (0, 1)]
    table = read(parts, files.columns, files.written["challenger"], None)
    assert table.labels.tolist() == LATE[::2] + LATE[1::2]
    assert table.challenger.score.tolist() == SCORES[::2] + SCORES[1::2]


def test_names_with_wildcards_and_quotes_are_taken_as_they_stand(files):
    files.columns = Columns(id='an "id"', label="select", score="p")
    files.write("holdout", f'SELECT id AS "an ""id""", late AS "select" FROM ({HOLDOUT})')
    files.write("challenger", f'SELECT id AS "an ""id""", p FROM ({PREDICTIONS})')
    folder = files.root / "a [1]*?'x"
    folder.mkdir()
    files.written = {name: path.rename(folder / path.name) for name, path in files.written.items()}
    assert files.read().labels.tolist() == LATE


@pytest.mark.parametrize("kind", ["SMALLINT", "DOUBLE", "VARCHAR", "DECIMAL(9,2)", "UBIGINT"])
def test_ids_of_another_type_are_the_same_ids(files, kind):
    files.write("champion", f"SELECT CAST(id AS {kind}) AS id, p FROM ({PREDICTIONS})")
    assert files.read(champion=True).champion.score.tolist() == SCORES


@pytest.mark.parametrize(
    "label", ["CAST(late AS INT)", "CAST(late AS DOUBLE)", "CAST(late AS VARCHAR)", "upper(CAST(late AS VARCHAR))"]
)
def test_classes_may_be_numbers_booleans_or_their_names(files, label):
    files.write("holdout", f"SELECT id, {label} AS late FROM ({HOLDOUT})")
    assert files.read().labels.tolist() == LATE


def test_a_column_of_predicted_classes_is_read_beside_the_score_or_alone(files):
    files.columns = replace(files.columns, prediction="guess")
    table = files.read()
    assert table.challenger.value.tolist() == [i % 2 for i in range(60)]
    assert table.challenger.score is not None
    files.columns = replace(files.columns, score=None)
    assert files.read().challenger.score is None


def test_regression_reads_numbers(files):
    files.task = "regression"
    files.columns = Columns(id="id", label="delay", prediction="p")
    files.write("holdout", f"SELECT id, id * 2 - 5 AS delay FROM ({HOLDOUT})")
    table = files.read()
    assert table.labels.tolist() == [i * 2 - 5 for i in range(60)]
    assert table.challenger.value.tolist() == SCORES
    assert table.positives is None


def test_the_type_of_the_score_is_kept(files):
    files.write("challenger", f"SELECT id, CAST(p AS FLOAT) AS p FROM ({PREDICTIONS})")
    assert files.read().challenger.score.dtype == np.float32


def test_a_missing_file_is_named(files):
    files.written["champion"].unlink()
    refused(files, WorldError, "the champion's predictions", "champion.parquet", champion=True)
    with pytest.raises(UsageError, match="no holdout files"):
        read([], files.columns, files.written["challenger"], None)


@pytest.mark.parametrize("content", [b"", b"id,p\n1,0.5\n", b"PAR1 and then nothing that is Parquet PAR1"])
def test_a_file_that_is_not_parquet_is_named(files, content):
    files.written["challenger"].write_bytes(content)
    refused(files, WorldError, "the challenger's predictions", "challenger.parquet", "cannot be read as Parquet")


def test_a_file_that_breaks_off_is_named(files):
    files.write("challenger", "SELECT i AS id, random() AS p FROM range(60000) r(i)")
    whole = files.written["challenger"].read_bytes()
    files.written["challenger"].write_bytes(whole[:2000] + bytes(len(whole) - 4000) + whole[-2000:])
    refused(files, WorldError, "the challenger's predictions", "cannot be read")


@pytest.mark.parametrize(
    ("change", "table", "key"),
    [
        ({"id": "idd"}, "the holdout", "gate.columns.id"),
        ({"label": "latee"}, "the holdout", "gate.columns.label"),
        ({"score": "pp"}, "the challenger's predictions", "gate.columns.score"),
        ({"prediction": "gues"}, "the challenger's predictions", "gate.columns.prediction"),
    ],
)
def test_a_column_that_is_not_there_is_named_with_the_nearest_one(files, change, table, key):
    files.columns = replace(files.columns, **change)
    (wrong,) = change.values()
    error = refused(files, UsageError, table, f"no column `{wrong}`", key)
    assert error.help in [f"Did you mean `{name}`?" for name in ("id", "late", "p", "guess")]


def test_a_slice_column_that_is_not_there_is_named(files):
    files.slices = ("carrier", "origin")
    error = refused(files, UsageError, "the holdout", "`origin`", "gate.slices.by")
    assert "`carrier`" in error.help


def test_an_id_column_that_the_predictions_lack_is_named(files):
    files.write("champion", f"SELECT id AS flight, p FROM ({PREDICTIONS})")
    refused(files, UsageError, "the champion's predictions", "`id`", champion=True)


@pytest.mark.parametrize("name", ["holdout", "challenger", "champion"])
def test_no_rows_are_refused(files, name):
    query = HOLDOUT if name == "holdout" else PREDICTIONS
    files.slices = ("carrier",)
    files.write(name, f"SELECT * FROM ({query}) WHERE false")
    refused(files, WorldError, name, "has no rows", champion=True)


def test_a_csv_of_a_header_alone_has_no_rows(files):
    files.write("holdout", f"SELECT * FROM ({HOLDOUT}) WHERE false", ".csv")
    refused(files, WorldError, "the holdout", "has no rows")


def test_a_csv_column_that_looks_like_numbers_for_long_is_read_as_what_it_is(files):
    files.write(
        "holdout", "SELECT if(i < 29000, i::VARCHAR, 'x' || i) AS id, i % 3 = 0 AS late FROM range(30000) r(i)", ".csv"
    )
    files.write("challenger", "SELECT if(i < 29000, i::VARCHAR, 'x' || i) AS id, 0.5 AS p FROM range(30000) r(i)")
    assert files.read().rows == 30_000


@pytest.mark.parametrize("name", ["holdout", "challenger", "champion"])
def test_double_ids_are_counted_with_an_example(files, name):
    query = HOLDOUT if name == "holdout" else PREDICTIONS
    files.write(name, f"{query} UNION ALL SELECT * FROM ({query}) WHERE id IN (7, 8)")
    refused(files, WorldError, name, "2 ids stand in more than one row, such as id = ", "in 2 rows", champion=True)


@pytest.mark.parametrize("name", ["holdout", "challenger"])
def test_missing_ids_are_counted(files, name):
    query = HOLDOUT if name == "holdout" else PREDICTIONS
    files.write(name, f"SELECT * REPLACE (nullif(nullif(id, 3), 5) AS id) FROM ({query})")
    refused(files, WorldError, name, "`id` is NULL in 2 rows of 60")


def test_rows_without_a_prediction_are_counted_with_an_example(files):
    files.write("champion", f"SELECT * FROM ({PREDICTIONS}) WHERE id NOT IN (11, 12, 13)")
    wanted = ("the champion's predictions", "no prediction for 3 rows of the holdout", "such as id = 11")
    refused(files, WorldError, *wanted, champion=True)


def test_predictions_for_unknown_rows_are_counted_with_an_example(files):
    files.write("challenger", f"{PREDICTIONS} UNION ALL SELECT 99, 0.5, 1")
    refused(files, WorldError, "the challenger's predictions", "1 row that the holdout (", "id = 99")


def test_as_many_rows_with_other_ids_are_not_mistaken_for_the_same_rows(files):
    files.write("challenger", f"SELECT * REPLACE (CASE id WHEN 5 THEN 500 ELSE id END AS id) FROM ({PREDICTIONS})")
    refused(files, WorldError, "no prediction for 1 row of the holdout", "id = 5")
    files.write("holdout", f"SELECT * REPLACE (CASE id WHEN 5 THEN 6 ELSE id END AS id) FROM ({HOLDOUT})")
    refused(files, WorldError, "the holdout", "1 id stands in more than one row", "id = 6")


@pytest.mark.parametrize(
    ("score", "wrong", "example"),
    [
        ("NULL", "is NULL", "such as NULL where id = 4"),
        ("CAST('nan' AS DOUBLE)", "is NaN", "such as nan where id = 4"),
        ("1.5", "is outside [0, 1]", "such as 1.5 where id = 4"),
        ("-0.25", "is outside [0, 1]", "such as -0.25 where id = 4"),
        ("CAST('inf' AS DOUBLE)", "is outside [0, 1]", "such as inf where id = 4"),
    ],
)
def test_a_score_that_is_no_probability_is_counted_with_an_example(files, score, wrong, example):
    files.write("champion", f"SELECT id, CASE WHEN id IN (4, 9) THEN {score} ELSE p END AS p FROM ({PREDICTIONS})")
    wanted = ("the champion's predictions", f"`p` {wrong} in 2 rows of 60", example)
    refused(files, WorldError, *wanted, champion=True)


@pytest.mark.parametrize(
    ("label", "example"), [("2", "such as 2 where id = 4"), ("'maybe'", "'maybe'"), ("NULL", "NULL"), ("0.5", "0.5")]
)
def test_a_label_that_is_no_class_is_counted_with_an_example(files, label, example):
    kind = "VARCHAR" if label == "'maybe'" else "DOUBLE" if label == "0.5" else "INT"
    query = (
        f"SELECT id, CASE WHEN id = 4 THEN {label} ELSE CAST(CAST(late AS INT) AS {kind}) END AS late FROM ({HOLDOUT})"
    )
    files.write("holdout", query)
    refused(files, WorldError, "the holdout", "`late` is not 0, 1, true or false in 1 row of 60", example)


def test_a_predicted_class_that_is_no_class_is_counted_with_an_example(files):
    files.columns = replace(files.columns, prediction="guess")
    files.write("challenger", f"SELECT id, p, CASE WHEN id = 4 THEN 3 ELSE guess END AS guess FROM ({PREDICTIONS})")
    refused(files, WorldError, "`guess` is not 0, 1, true or false in 1 row", "3 where id = 4")


@pytest.mark.parametrize("value", ["NULL", "CAST('nan' AS DOUBLE)", "CAST('-inf' AS DOUBLE)"])
def test_a_regression_that_predicts_no_number_is_counted_with_an_example(files, value):
    files.task = "regression"
    files.columns = Columns(id="id", label="id", prediction="p")
    files.write("challenger", f"SELECT id, CASE WHEN id = 4 THEN {value} ELSE p END AS p FROM ({PREDICTIONS})")
    refused(files, WorldError, "`p` is not a finite number in 1 row of 60", "where id = 4")


def test_columns_of_the_wrong_type_are_refused(files):
    files.write("challenger", f"SELECT id, CAST(p AS VARCHAR) AS p FROM ({PREDICTIONS})")
    refused(files, UsageError, "`p` is VARCHAR", "a score is a number")
    files.write("challenger", PREDICTIONS)
    files.write("holdout", f"SELECT id, DATE '2013-07-01' AS late FROM ({HOLDOUT})")
    refused(files, UsageError, "`late` is DATE", "0, 1, true or false")


def test_a_gate_that_names_no_column_of_predictions_is_refused(files):
    files.columns = replace(files.columns, score=None)
    error = refused(files, UsageError, "which column holds the predictions")
    assert "gate.columns.score" in error.help


CLASSES = (
    "SELECT i AS id, ['cat', 'dog', 'owl'][1 + i % 3] AS kind, 1 + i % 2 AS w, i // 4 AS person FROM range(60) r(i)"
)
SAID = """SELECT i AS id, ['cat', 'owl'][1 + i % 2] AS said, 0.2 AS a, 0.3 AS b, 0.5 AS c FROM range(60) r(i)"""
SCORED = {"cat": "a", "dog": "b", "owl": "c"}


@pytest.fixture
def animals(files):
    files.task = "multiclass"
    files.columns = Columns(id="id", label="kind", prediction="said")
    files.write("holdout", CLASSES)
    files.write("challenger", SAID)
    return files


def test_classes_are_read_as_codes_of_their_names(animals):
    table = animals.read()
    assert table.classes == ("cat", "dog", "owl")
    assert table.labels.tolist() == [i % 3 for i in range(60)]
    assert table.challenger.value.tolist() == [2 * (i % 2) for i in range(60)]
    animals.columns = Columns(id="id", label="kind", scores={"owl": "c", "cat": "a", "dog": "b"})
    table = animals.read()
    assert table.classes == ("owl", "cat", "dog")
    assert table.challenger.score.tolist() == [[0.5, 0.2, 0.3]] * 60
    assert table.labels[:3].tolist() == [1, 2, 0]


def test_classes_may_be_numbers_of_another_type(animals):
    animals.write("holdout", "SELECT i AS id, i % 3 AS kind FROM range(60) r(i)")
    animals.write("challenger", "SELECT i AS id, CAST(i % 3 AS DOUBLE) AS said FROM range(60) r(i)")
    table = animals.read()
    assert table.labels.tolist() == table.challenger.value.tolist()


def test_a_class_that_nobody_knows_is_counted_with_an_example(animals):
    animals.write("challenger", f"SELECT * REPLACE (if(id IN (4, 7), 'Cat', said) AS said) FROM ({SAID})")
    refused(animals, WorldError, "`said` is none of the classes in 2 rows of 60", "'Cat' where id = 4")
    animals.write("challenger", SAID)
    animals.columns = Columns(id="id", label="kind", scores={"cat": "a", "dog": "b"})
    refused(animals, WorldError, "the holdout", "`kind` is none of the classes in 20 rows of 60", "'owl' where id = 2")


def test_probabilities_of_all_classes_add_up_to_one(animals):
    animals.columns = Columns(id="id", label="kind", scores=SCORED)
    animals.write("challenger", f"SELECT * REPLACE (if(id = 3, 0.9, c) AS c) FROM ({SAID})")
    refused(animals, WorldError, "`c` and the others of `scores` do not add up to 1 in 1 row", "where id = 3")
    animals.write("challenger", f"SELECT * REPLACE (if(id = 3, 1.5, c) AS c) FROM ({SAID})")
    refused(animals, WorldError, "`c` is outside [0, 1] in 1 row")


def test_weights_and_groups_are_read_from_the_holdout(animals):
    animals.columns = replace(animals.columns, weight="w", group="person")
    table = animals.read()
    assert table.weights.tolist() == [1 + i % 2 for i in range(60)]
    assert len(set(table.clusters.tolist())) == 15
    assert all(len({table.clusters[i] for i in range(at, at + 4)}) == 1 for at in range(0, 60, 4))


@pytest.mark.parametrize(
    ("weight", "wrong"),
    [("NULL", "is not a finite number"), ("CAST('nan' AS DOUBLE)", "is not a finite number"), ("0", "is not above 0")],
)
def test_a_weight_that_is_none_is_counted_with_an_example(animals, weight, wrong):
    animals.columns = replace(animals.columns, weight="w")
    animals.write("holdout", f"SELECT * REPLACE (if(id = 4, {weight}, w) AS w) FROM ({CLASSES})")
    refused(animals, WorldError, f"`w` {wrong} in 1 row of 60", "where id = 4")


def test_a_group_that_is_missing_is_counted(animals):
    animals.columns = replace(animals.columns, group="person")
    animals.write("holdout", f"SELECT * REPLACE (if(id = 4, NULL, person) AS person) FROM ({CLASSES})")
    refused(animals, WorldError, "`person` is NULL in 1 row of 60")


@pytest.mark.parametrize("key", ["weight", "group"])
def test_a_weight_or_a_group_that_is_not_there_is_named(animals, key):
    animals.columns = replace(animals.columns, **{key: "nowhere"})
    refused(animals, UsageError, "the holdout", "no column `nowhere`", f"gate.columns.{key}")


def test_a_ranking_reads_any_number_as_a_score_and_no_gain_below_zero(files):
    files.task = "ranking"
    files.columns = Columns(id="id", label="gain", score="s", group="q")
    files.write("holdout", "SELECT i AS id, i % 3 AS gain, i // 5 AS q FROM range(60) r(i)")
    files.write("challenger", "SELECT i AS id, i * 3.5 - 40 AS s FROM range(60) r(i)")
    assert files.read().challenger.score[0] == -40
    files.write("holdout", "SELECT i AS id, i % 3 - 1 AS gain, i // 5 AS q FROM range(60) r(i)")
    refused(files, WorldError, "`gain` is below 0, and a gain cannot be in 20 rows", "-1 where id = 0")


def test_numbers_per_example_need_no_label_and_each_is_a_column(files):
    files.write("challenger", "SELECT i AS id, i % 2 = 0 AS right, i / 60 AS close FROM range(60) r(i)")
    one = files.written["challenger"]
    rules = {"right": Metric(), "close": Metric()}
    table = read([one], Columns(id="id"), one, None, task="scores", metrics=rules)
    assert table.challenger.columns["right"].tolist() == [1, 0] * 30
    assert table.challenger.columns["close"].tolist() == [i / 60 for i in range(60)]
    with pytest.raises(UsageError, match="no column `clsoe`"):
        read([one], Columns(id="id"), one, None, task="scores", metrics={"clsoe": Metric()})
    files.write("challenger", "SELECT i AS id, if(i = 9, CAST('inf' AS DOUBLE), 1) AS close FROM range(60) r(i)")
    with pytest.raises(WorldError, match="`close` is not a finite number in 1 row of 60, such as inf where id = 9"):
        read([one], Columns(id="id"), one, None, task="scores", metrics={"close": Metric()})
