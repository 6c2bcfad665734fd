"""Two tables of predictions and a file of rules: no project, the same verdict; and what is wrong with them is named."""

from __future__ import annotations

import json

import pytest

from mlci.cli import run
from mlci.config import load_gate
from mlci.errors import ConfigError, UsageError, WorldError
from mlci.gate import judge_tables, read_tables

ROWS = "SELECT i AS id, hash(i) % 10 < 3 AS late, ['AA', 'UA'][1 + i % 2] AS carrier FROM range(3000) r(i)"
MODEL = """SELECT id, late, carrier,
    least(1, greatest(0, late * {skill} + (hash(id + {seed}) % 1000) / 2000)) AS p FROM ({rows})"""
RULES = """
columns: {id: id, label: late, score: p}
metrics:
  roc_auc: {min: 0.6, margin: 0.05}
  saved: {expression: "CASE WHEN score >= 0.4 THEN CASE WHEN late THEN 40 ELSE -5 END ELSE 0 END", margin: 2}
slices: {by: [carrier], metric: roc_auc, max_gap: 0.1}
"""


def model(skill, seed=0):
    return MODEL.format(skill=skill, seed=seed, rows=ROWS).replace("late *", "CAST(late AS INT) *")


@pytest.fixture
def tables(files, tmp_path):
    files.write("challenger", model(0.3, 5))
    files.write("champion", model(0.3, 9))
    (tmp_path / "gate.yaml").write_text(RULES)
    return files


def alone(tables, capsys, *more, champion=True):
    with_champion = ["--champion", str(tables.written["champion"])] if champion else []
    line = ["gate", "--challenger", str(tables.written["challenger"]), *with_champion]
    code = run([*line, "--config", str(tables.root / "gate.yaml"), *more])
    found = capsys.readouterr()
    return code, found.out, found.err


def test_two_tables_and_rules_are_judged_without_a_project(tables, capsys):
    code, out, _ = alone(tables, capsys)
    assert code == 0
    assert out.startswith("pass: every rule holds")
    assert "self-test: 9 of 9 planted models judged right" in out
    tables.write("challenger", model(0.05))
    code, out, _ = alone(tables, capsys)
    assert code == 1
    assert "worse than the champion by more than 0.05" in out


def test_the_facts_are_json(tables, capsys):
    code, out, _ = alone(tables, capsys, "--json")
    found = json.loads(out)
    assert (code, found["verdict"], found["rows"]) == (0, "pass", 3000)
    assert found["self_test"]["passed"] is True
    assert [one["name"] for one in found["metrics"]] == ["roc_auc", "saved"]


def test_labels_may_stand_in_a_holdout_of_their_own(tables, capsys):
    tables.write("challenger", f"SELECT id, p FROM ({model(0.3, 5)})")
    code, _, err = alone(tables, capsys)
    assert code == 2
    assert "no column `late`" in err
    tables.write("holdout", ROWS)
    assert alone(tables, capsys, "--holdout", str(tables.written["holdout"]))[0] == 0


def test_what_is_wrong_is_said_in_the_words_of_the_command_line(tables, capsys):
    tables.write("champion", f"{model(0.3, 9)} WHERE id > 0")
    code, _, err = alone(tables, capsys)
    assert code == 3
    assert "the champion's predictions" in err
    assert "no prediction for 1 row of the challenger's table" in err
    assert "The table of --champion has each row of the challenger's, once" in err
    tables.written["challenger"].unlink()
    code, _, err = alone(tables, capsys)
    assert code == 3
    assert "the challenger's table: there is no file" in err
    assert "gate.data" not in err


def test_an_expression_is_its_mean_over_the_rows(tables):
    gate = load_gate(tables.root / "gate.yaml")
    table = read_tables(gate, tables.written["challenger"])
    positive = table.challenger.score >= 0.4
    wanted = (positive * (45 * table.labels - 5)).mean()
    report = judge_tables(gate, tables.written["challenger"])
    assert report.metrics[1].measured.challenger.value == pytest.approx(wanted)


def test_power_is_told_of_one_table_or_of_two_and_judges_nothing(tables, capsys):
    code, out, _ = alone(tables, capsys, "--power", "--set", "gate.metrics.roc_auc.min=0.999")
    assert code == 0
    assert "roc_auc" in out
    assert "enough" in out
    two = json.loads(alone(tables, capsys, "--power", "--json")[1])
    one = json.loads(alone(tables, capsys, "--power", "--json", champion=False)[1])
    assert [(a["paired"], b["paired"]) for a, b in zip(two, one, strict=True)] == [(True, False)] * 2


def test_an_mlci_yaml_has_the_rules_too(tables):
    (tables.root / "mlci.yaml").write_text(
        "version: 1\nproject: x\ngate:\n  predict: p\n  data: nothing\n  champion: nowhere\n"
        "  columns: {id: id, label: late, score: p}\n  metrics: {roc_auc: {min: 0.6}}\n"
    )
    assert judge_tables(load_gate(tables.root / "mlci.yaml"), tables.written["challenger"]).passed


def test_mistakes_in_the_rules_are_shown_in_their_place(tables):
    (tables.root / "gate.yaml").write_text("columns: {id: id, label: late, score: p}\nconfidence: 2\n")
    with pytest.raises(ConfigError) as caught:
        load_gate(tables.root / "gate.yaml")
    assert [(p.line, p.column) for p in caught.value.problems] == [(2, 13)]


def test_suites_need_a_project(tables, capsys):
    with (tables.root / "gate.yaml").open("a") as rules:
        rules.write("suites: ['deepchecks:model_evaluation']\n")
    code, _, err = alone(tables, capsys)
    assert code == 2
    assert "$.gate.suites: suites need the data and the model" in err


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("sum(score)", "`sum` is not allowed"),
        ("(SELECT 1)", "subquery is not allowed"),
        ("read_text('x')", "`read_text` is not allowed"),
        ("1 FROM data; SELECT 2", "must be one expression"),
        ("1; DROP TABLE holdout", "cannot be parsed"),
        ("score +", "cannot be parsed"),
        ("row_number() OVER ()", "window is not allowed"),
    ],
)
def test_an_expression_that_is_not_known_to_be_harmless_is_refused(tables, expression, wrong):
    (tables.root / "gate.yaml").write_text(
        f'columns: {{id: id, label: late, score: p}}\nmetrics: {{x: {{expression: "{expression}"}}}}\n'
    )
    with pytest.raises(UsageError, match="is not let through") as caught:
        judge_tables(load_gate(tables.root / "gate.yaml"), tables.written["challenger"])
    assert wrong in caught.value.message


@pytest.mark.parametrize(
    ("expression", "error", "wrong"),
    [
        ("scoer + 1", UsageError, "cannot be computed"),
        ("carrier || 'x'", UsageError, "cannot be computed"),
        ("CASE WHEN id > 10 THEN 1 END", WorldError, "no finite number in 11 rows of 3,000"),
    ],
)
def test_an_expression_that_is_no_number_is_named(tables, expression, error, wrong):
    (tables.root / "gate.yaml").write_text(
        f'columns: {{id: id, label: late, score: p}}\nmetrics: {{x: {{expression: "{expression}"}}}}\n'
    )
    with pytest.raises(error) as caught:
        judge_tables(load_gate(tables.root / "gate.yaml"), tables.written["challenger"])
    assert wrong in caught.value.message
    assert "`x`" in caught.value.message


@pytest.mark.parametrize("line", [["--holdout", "b"], ["--config", "g"], ["--power"], ["--challenger", "a"]])
def test_what_is_missing_on_the_command_line_is_said(line, capsys):
    assert run(["gate", *line]) == 2
    assert "--challenger and --config" in capsys.readouterr().err


EVALUATION = """
def profit(rows):
    return (rows["score"] >= 0.4) * (45 * rows["label"] - 5) + 0 * (rows["carrier"] == "AA")

def gaps(rows):
    return rows["score"] / 0 if False else [float("nan")] * len(rows["score"])

def fails(rows):
    raise RuntimeError("no such luck")
"""


@pytest.fixture
def evaluation(tables, tmp_path, monkeypatch):
    (tmp_path / "evaluation.py").write_text(EVALUATION)
    monkeypatch.chdir(tmp_path)

    def judged(function):
        rule = f"metrics: {{profit: {{function: {function}, margin: 2}}}}"
        (tmp_path / "gate.yaml").write_text(f"columns: {{id: id, label: late, score: p}}\n{rule}\n")
        return judge_tables(load_gate(tmp_path / "gate.yaml"), tables.written["challenger"], tables.written["champion"])

    return judged


def test_a_function_of_the_project_is_its_mean_over_the_rows(evaluation, tables):
    found = evaluation("evaluation:profit")
    table = read_tables(load_gate(tables.root / "gate.yaml"), tables.written["challenger"])
    wanted = ((table.challenger.score >= 0.4) * (45 * table.labels - 5)).mean()
    assert found.passed
    assert found.metrics[0].measured.challenger.value == pytest.approx(wanted)
    assert found.metrics[0].measured.difference.low < found.metrics[0].measured.difference.high


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        ("evaluation:gaps", "no finite number for 3,000 rows"),
        ("evaluation:fails", "no such luck"),
        ("evaluation:nothing", "has no attribute 'nothing'"),
        ("nowhere:profit", "No module named 'nowhere'"),
    ],
)
def test_a_function_that_fails_or_gives_no_numbers_is_named(evaluation, function, wrong):
    with pytest.raises(WorldError) as caught:
        evaluation(function)
    assert wrong in caught.value.message + caught.value.help
    assert function in caught.value.message


@pytest.mark.parametrize("rule", ["size: {max: 1MB}", "latency: {p95: 20ms}", "batch: {}", "requirements: {max: 3}"])
def test_costs_of_tables_alone_are_refused_by_name(tables, capsys, rule):
    (tables.root / "gate.yaml").write_text(RULES + rule + "\n")
    code, _, err = alone(tables, capsys)
    assert code == 2
    assert f"$.gate.{rule.partition(':')[0]}: costs need the model and its image" in err
