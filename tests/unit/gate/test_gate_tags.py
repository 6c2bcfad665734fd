"""Several yes/no labels for each row: values as scikit-learn's, intervals that hold, and what is wrong named."""

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
from mlci.gate.deciding.intervals import difference, fit, interval
from tests.unit.gate.gatekit import properties

TAGS = OF_TASK["multilabel"]
COUNTS = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score, "jaccard": sk.jaccard_score}
SKLEARN = {
    **{
        f"{name}_{average}": lambda y, c, w, of=of, average=average: of(
            y, c, average=average, zero_division=0, sample_weight=w
        )
        for name, of in COUNTS.items()
        for average in ("macro", "micro", "weighted", "samples")
    },
    "accuracy": lambda y, c, w: sk.accuracy_score(y, c, sample_weight=w),
    "subset_accuracy": lambda y, c, w: sk.accuracy_score(y, c, sample_weight=w),
    "hamming_loss": lambda y, c, w: sk.hamming_loss(y, c, sample_weight=w),
    "log_loss": lambda y, p, w: np.mean(
        [sk.log_loss(y[:, k], p[:, k], labels=[0, 1], sample_weight=w) for k in range(y.shape[1])]
    ),
    "roc_auc_macro": lambda y, p, w: sk.roc_auc_score(y, p, average="macro", sample_weight=w),
    "average_precision_macro": lambda y, p, w: sk.average_precision_score(y, p, average="macro", sample_weight=w),
}


def tagged(rng, rows, k=4, skill=0.4):
    """Tags of rising rarity, which a row shares a taste for."""
    taste = rng.normal(size=rows)[:, None]
    labels = (taste + rng.normal(size=(rows, k)) > np.linspace(0, 1.5, k)).astype(np.int8)
    labels[:2], labels[2:4] = 0, 1
    noise = 0.5 * taste + rng.normal(size=(rows, k))
    return labels, 1 / (1 + np.exp(-(skill * 4 * (labels - 0.5) + noise)))


def read_by(name, score, threshold=0.5):
    return TAGS[name].column(Predictions(score), threshold)


def test_all_metrics_of_tags_are_compared_with_scikit_learn():
    assert set(TAGS) == set(SKLEARN)


@pytest.mark.parametrize("name", SKLEARN)
@properties
@given(seed=st.integers(0, 2**32), rows=st.integers(5, 90), k=st.integers(2, 6), weighed=st.booleans())
def test_a_metric_of_tags_equals_scikit_learn(name, seed, rows, k, weighed):
    rng = np.random.default_rng(seed)
    labels, score = tagged(rng, rows, k)
    if TAGS[name].reads == "class":
        labels[:, 0] = 0  # a tag that no row has
        score[:, 1] = 0.1  # and one that no row is given
    column = read_by(name, score)
    weights = rng.random(rows) + 0.1 if weighed else None
    wanted = SKLEARN[name](labels, column, weights)
    assert TAGS[name].measure(labels, column, weights)[0] == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", TAGS)
def test_influences_of_tags_predict_what_happens_without_a_row(name):
    labels, score = tagged(np.random.default_rng(3), 600)
    column = read_by(name, score)
    value, influence = TAGS[name].measure(labels, column)
    assert influence.sum() == pytest.approx(0, abs=1e-8)
    without = [TAGS[name].measure(np.delete(labels, i, 0), np.delete(column, i, 0))[0] for i in range(4, 40)]
    assert value - np.array(without) == pytest.approx(influence[4:40], rel=0.05, abs=2e-5)


@pytest.mark.parametrize("name", TAGS)
def test_an_influence_of_a_weighted_row_is_what_a_little_more_of_its_weight_changes(name):
    rng = np.random.default_rng(6)
    labels, score = tagged(rng, 200)
    column, weights = read_by(name, score), rng.random(200) + 0.5
    value, influence = TAGS[name].measure(labels, column, weights)
    changes = []
    for i in range(12):
        heavier = weights.copy()
        heavier[i] *= 1 + 1e-4
        changes.append((TAGS[name].measure(labels, column, heavier)[0] - value) / 1e-4)
    assert np.array(changes) == pytest.approx(influence[:12], rel=0.05, abs=2e-5)


@pytest.mark.parametrize("name", ["f1_macro", "jaccard_micro", "precision_weighted", "f1_samples", "roc_auc_macro"])
def test_each_end_of_an_interval_of_tags_misses_the_truth_about_as_often_as_it_says(name):
    """A row's tags share its taste: judged as rows × tags they would be wrong far more often."""
    metric, rng, runs = TAGS[name], np.random.default_rng(5), 200

    def pair(rows):
        labels, one = tagged(rng, rows)
        other = np.clip(one + 0.2 * rng.normal(size=one.shape), 0, 1)
        return [fit(metric, labels, read_by(name, said)) for said in (one, other)]

    whole = pair(60_000)
    truth, gap = whole[0].value, whole[0].value - whole[1].value
    missed = np.zeros(4)
    for _ in range(runs):
        one, other = pair(400)
        alone, both = interval(one, 0.95), difference(one, other, 0.95)
        missed += [truth < alone.low, truth > alone.high, gap < both.low, gap > both.high]
    assert (missed / runs < 0.05 + 3.5 * math.sqrt(0.05 * 0.95 / runs)).all()
    assert (missed / runs > 0.01).all()


COLUMNS = Columns(id="id", labels={"cat": "y0", "dog": "y1"}, scores={"dog": "p1", "cat": "p0"})
HOLDOUT = "SELECT i AS id, i % 3 = 0 AS y0, i % 4 < 2 AS y1 FROM range(60) r(i)"
SAID = "SELECT i AS id, (i * 7 % 60) / 60 AS p0, i % 2 / 2 AS p1, i % 5 = 0 AS c0, i % 7 = 0 AS c1 FROM range(60) r(i)"


@pytest.fixture
def tags(files):
    files.task, files.columns = "multilabel", COLUMNS
    files.write("holdout", HOLDOUT)
    files.write("challenger", SAID)
    return files


def test_tags_are_read_side_by_side_in_the_order_of_the_labels(tags):
    table = tags.read()
    assert table.classes == ("cat", "dog")
    assert table.labels.tolist() == [[i % 3 == 0, i % 4 < 2] for i in range(60)]
    assert table.challenger.score.tolist() == [[(i * 7 % 60) / 60, i % 2 / 2] for i in range(60)]
    tags.columns = replace(COLUMNS, scores={}, predictions={"cat": "c0", "dog": "c1"})
    assert tags.read().challenger.value.tolist() == [[i % 5 == 0, i % 7 == 0] for i in range(60)]


def gate(columns=COLUMNS, **metrics):
    return Gate(predict=("p",), data="h", task="multilabel", columns=columns, metrics=metrics)


def test_many_tags_are_judged_in_slices_with_weights_and_groups_like_everything_else():
    rng = np.random.default_rng(2)
    labels, good = tagged(rng, 3000, skill=0.8)
    bad = good[:, ::-1]
    groups = Grouping("by", rng.integers(0, 2, 3000), ("a", "b"))
    table = Table("multilabel", labels, Predictions(good), Predictions(bad), (groups,), classes=("a", "b", "c", "d"))
    table = replace(table, weights=rng.random(3000) + 0.5, clusters=np.arange(3000) // 3)
    rules = gate(f1_macro=Metric(min=0.5, improve=0.01), hamming_loss=Metric(margin=0.01), roc_auc_macro=Metric())
    rules = replace(rules, slices=Slices(by=("by",), metric="f1_macro", max_gap=0.2))
    found = judge(table, rules, champion_name="x", model_bytes=None)
    assert found.passed
    assert len(found.slices) == 2
    assert "over 1,000 groups" in found.metrics[0].measured.method
    worse = replace(table, challenger=Predictions(bad), champion=Predictions(good))
    assert not judge(worse, rules, champion_name="x", model_bytes=None).passed


def test_a_tag_that_no_row_has_is_named_where_a_metric_needs_it():
    labels, score = tagged(np.random.default_rng(1), 50, 2)
    labels[:, 1] = 0
    table = Table("multilabel", labels, Predictions(score), classes=("cat", "dog"))
    with pytest.raises(WorldError, match="two without each tag, and `dog` has not"):
        judge(table, gate(roc_auc_macro=Metric()), champion_name=None, model_bytes=None)
    assert judge(table, gate(f1_micro=Metric(min=0.1)), champion_name=None, model_bytes=None).passed


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"scores": {"cat": "p0"}}, "no column for the tag `dog`"),
        ({"scores": {"cat": "p0", "dog": "p1", "dgo": "p1"}}, "`labels` has no tag `dgo`"),
        ({"labels": {}}, "needs the column `labels`"),
        ({"label": "y0"}, "a multilabel gate has `labels`"),
        ({"scores": {}}, "`f1_macro` needs the column `scores` or `predictions`"),
        ({"quantiles": {"q": 0.5}}, "`quantiles` is for the task forecasting"),
    ],
)
def test_columns_of_tags_that_do_not_fit_are_mistakes(change, wrong):
    found = mistakes(gate(replace(COLUMNS, **change), f1_macro=Metric()))
    assert any(wrong in one.message for one in found), found


def test_a_tag_that_is_spelled_wrong_is_suggested():
    found = mistakes(gate(replace(COLUMNS, scores={"cat": "p0", "dog": "p1", "dgo": "p1"}), f1_macro=Metric()))
    assert [one.help for one in found] == ["Did you mean `dog`?"]


def test_labels_of_tags_are_for_that_task_alone():
    other = replace(gate(replace(COLUMNS, label="y0"), accuracy=Metric()), task="classification")
    assert "`labels` is for the task multilabel" in {one.message for one in mistakes(other)}


@pytest.mark.parametrize(
    ("table", "change", "wrong"),
    [
        ("holdout", "2 AS y1", "`y1` is not 0, 1, true or false in 60 rows"),
        ("challenger", "1.5 AS p1", "`p1` is outside [0, 1] in 60 rows"),
        ("challenger", "CAST('nan' AS DOUBLE) AS p0", "`p0` is NaN in 60 rows"),
    ],
)
def test_a_tag_that_is_neither_yes_nor_no_is_counted_with_an_example(tags, table, change, wrong):
    tags.write(table, f"SELECT * REPLACE ({change}) FROM ({HOLDOUT if table == 'holdout' else SAID})")
    with pytest.raises(WorldError) as caught:
        tags.read()
    assert wrong in caught.value.message
    assert "where id = 0" in caught.value.message


def test_reading_tags_without_their_columns_is_refused(tags):
    for change, wrong in (
        ({"labels": {}}, "the truth of multilabel"),
        ({"scores": {"cat": "p0"}}, "no column for the tag `dog`"),
        ({"scores": {}}, "which column holds the predictions"),
        ({"labels": {"cat": "y0", "dog": "y9"}}, "no column `y9`"),
    ):
        tags.columns = replace(COLUMNS, **change)
        with pytest.raises(UsageError, match=wrong):
            tags.read()


def test_a_file_of_rules_for_tags_is_judged_and_can_say_no(tags, tmp_path):
    (tmp_path / "gate.yaml").write_text(
        "task: multilabel\n"
        "columns: {id: id, labels: {cat: y0, dog: y1}, scores: {cat: p0, dog: p1}}\n"
        "metrics: {f1_macro: {margin: 0.05}, subset_accuracy: {min: 0.6}}\n"
    )
    rows = "SELECT i AS id, hash(i) % 3 = 0 AS y0, hash(i + 9) % 4 < 2 AS y1 FROM range(900) r(i)"
    said = "SELECT *, 0.1 + 0.7 * y0::INT + (id % 11) / 60 AS p0, if(id % 9 = 0, 0.5, 0.2 + 0.6 * y1::INT) AS p1"
    tags.write("challenger", f"{said} FROM ({rows})")
    found = judge_tables(load_gate(tmp_path / "gate.yaml"), tags.written["challenger"], tags.written["challenger"])
    assert found.passed, found.summary
    assert [one.stopped for one in found.self_test.planted] == [True, True, False]
    tags.write("champion", f"{said} FROM ({rows})")
    tags.write("challenger", f"SELECT * REPLACE (1 - p1 AS p1) FROM ({said} FROM ({rows}))")
    worse = judge_tables(load_gate(tmp_path / "gate.yaml"), tags.written["challenger"], tags.written["champion"])
    assert "f1_macro" in " ".join(worse.objections)
