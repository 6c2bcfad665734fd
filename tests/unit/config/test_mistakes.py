"""Each kind of mistake: where it is shown, what is said, and that nothing else is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci.config import load
from mlci.errors import ConfigError

DATA = "data: {rows: {path: a.parquet}}\n"
GATE = "gate:\n  predict: p\n  data: rows\n  columns: {id: i, label: l, score: s}\n"
SPLIT = "data:\n  one: {{path: a, contract: c}}\n  two: {{path: b, contract: c, splits: [{{{}}}]}}\n"
LATER = SPLIT.format("apart_from: [one], after: [t]")
CIRCLE = LATER.replace("c}", "c, splits: [{apart_from: [two], after: [t]}]}", 1)
ANALYSIS = "environments: {{a: {{deploy: {{analysis: {{{}}}}}}}}}\n"
DEPLOY = "environments: {{a: {{deploy: {{{}}}}}}}\n"
LIVE = ANALYSIS.replace("{{{}}}", "{{metrics: {{m: {{better: lower, {}}}}}}}")
RESERVED = LIVE.replace("m: {{", "users: {{")
STICKY = ANALYSIS.replace("analysis", "strategy: ab, sticky: u, analysis")
ENVIRONMENTS = "environments:\n  staging: {requires: [gate]}\n"


@pytest.mark.parametrize(
    ("body", "line", "column", "message", "help"),
    [
        ("trian: {run: x}\n", 3, 1, "unknown key 'trian'", "did you mean 'train'?"),
        ("train:\n  run: x\n  retreis: 2\n", 5, 3, "unknown key 'retreis'", "did you mean 'retries'?"),
        ("train: {run: x, zzz: 2}\n", 3, 17, "unknown key 'zzz'", "known keys: run, inputs"),
        ("data:\n  rows: {contract: c}\n", 4, 3, "missing key 'path'", "one path or a glob"),
        ("train: {run: 5}\n", 3, 14, "expected a command, such as", ""),
        ("train: {run: [python, 5]}\n", 3, 23, "expected text, found the number 5", "quotes"),
        ("train: {run: x, inputs: a.py}\n", 3, 25, "expected a list, found the text 'a.py'", "[a.py]"),
        ("train: {run: x, retries: two}\n", 3, 26, "expected a whole number, found the text 'two'", ""),
        ("train: {run: x, retries: '2'}\n", 3, 26, "expected a whole number, found the text '2'", "without quotes"),
        ("train: {run: x, retries: true}\n", 3, 26, "expected a whole number, found true", ""),
        ("train: {run: x, retries: -1}\n", 3, 26, "expected a number of at least 0, found the number -1", ""),
        ("train: {run: x, params: {a: [1]}}\n", 3, 29, "expected text, a number or true or false, found a list", ""),
        ("train: {run: x, timeout: 2 hours}\n", 3, 26, "expected a duration, such as '90s'", ""),
        ("train: {run: x, timeout: 9999999d}\n", 3, 26, "a duration of more than ten years", ""),
        ("train: {run: x, resources: {memory: 2 gigs}}\n", 3, 37, "expected a size, such as '200MB'", ""),
        ("train: {run: 'x \"y'}\n", 3, 14, "not a usable command: No closing quotation", ""),
        ("train: {run: ' '}\n", 3, 14, "not a usable command: no program to run", ""),
        ("train: [a]\n", 3, 8, "expected a mapping, found a list", ""),
        ("train:\n", 3, 1, "expected a mapping, found nothing", "give the key a value"),
        (DATA + GATE + "  task: clasification\n", 8, 9, "'ranking' or 'scores'", "did you mean 'class"),
        (DATA + GATE.replace("rows", "row"), 6, 9, "there is no dataset 'row'", "did you mean 'rows'?"),
        (GATE, 5, 9, "there is no dataset 'rows'", "there are no datasets"),
        (DATA + GATE + "  champion: prod\n", 8, 13, "there is no environment 'prod'", "there are no environments"),
        (DATA + GATE.replace(", score: s", ""), 7, 3, "needs a score or a prediction column", ""),
        (DATA + GATE + "  task: regression\n", 7, 3, "a regression needs a prediction column", ""),
        (DATA + GATE + "  task: multilabel\n", 7, 3, "a multilabel gate needs scores or predictions columns", ""),
        (DATA + GATE + "  task: forecasting\n", 7, 3, "forecasting needs a prediction column, or quantiles", ""),
        (DATA + GATE + "  slices: {by: [c], metric: auc}\n", 8, 29, "no metric 'auc' in gate.metrics", "no metrics"),
        (DATA + GATE + "  slices: {by: [], metric: auc}\n  metrics: {auc: {}}\n", 8, 16, "at least 1 entry", ""),
        ("data: {rows: {path: p}}\ntrain: {run: x, data: [rows, rws]}\n", 4, 30, "no dataset 'rws'", "'rows'"),
        (ENVIRONMENTS.replace("gate", "gat"), 4, 24, "no step or environment 'gat'", "did you mean 'gate'?"),
        ("environments: {a: {requires: [b]}, b: {}}\n", 3, 31, "which stands after it: a → b", "above"),
        ("environments: {a: {requires: [b]}, b: {requires: [a]}}\n", 3, 31, "in a circle: a → b → a", ""),
        ("environments: {a: {requires: [a]}}\n", 3, 31, "in a circle: a → a", ""),
        ("environments: {gate: {}}\n", 3, 16, "'gate' is the name of a step", ""),
        (LIVE.format("low: 0, high: 1, margin: 0.1"), 3, 50, "read from one place, found none", "`prometheus`"),
        (LIVE.format("low: 2, high: 1, margin: 0.1, command: x"), 3, 83, "`high` is more than `low`, found 2", ""),
        (LIVE.format("low: 0, high: 1, margin: 1, command: x"), 3, 94, "excludes nothing", "lower it"),
        (LIVE.format("low: 0, high: 1, margin: 0.1, url: u"), 3, 50, "`url` and `json` belong together", "`json`"),
        (RESERVED.format("low: 0, high: 1, margin: 0.1, command: x"), 3, 50, "has itself", "another"),
        (ANALYSIS.format("always_valid: false"), 3, 54, "plain thresholds need the least", "`step_requests`"),
        (ANALYSIS.format("errors: {margin: 0}"), 3, 57, "no amount of traffic proves a margin of zero", "raise it"),
        (ANALYSIS.format("predictions: {}"), 3, 40, "nothing to see the answers of a canary by", "`histogram`"),
        (DEPLOY.format("strategy: shadow"), 3, 39, "`shadow` sends each request to both", "`repeatable: true`"),
        (DEPLOY.format("strategy: ab"), 3, 39, "needs to know users apart", "sticky: {header: x-user}"),
        (DEPLOY.format("strategy: ab, sticky: {header: a, cookie: b}"), 3, 43, "known by one thing", "`cookie`"),
        (STICKY.format("latency: {}"), 3, 65, "`latency` counts requests", "leave it out"),
        ("environments: {a: {deploy: {replay: rows}}}\n", 3, 37, "there is no dataset 'rows'", ""),
        ("environments: {a: {deploy: {replay: 5}}}\n", 3, 37, "expected text or a mapping, found the number 5", ""),
        ("environments: {a: {deploy: {replay: {rate: 5}}}}\n", 3, 29, "missing key 'data'", ""),
        ("environments: {a: {deploy: {steps: [5%, 5%]}}}\n", 3, 41, "steps rise: 5% comes after 5%", ""),
        ("environments: {a: {deploy: {steps: [5%, 100%]}}}\n", 3, 41, "between 0% and 100%", ""),
        ("environments: {a: {deploy: {steps: [150%]}}}\n", 3, 37, "expected a share, such as '5%' or 0.05", ""),
        (SPLIT.format("apart_from: [b]"), 5, 54, "there is no dataset 'b'", "datasets: one, two"),
        (SPLIT.format("apart_from: [two]"), 5, 54, "'two' cannot be apart from itself", "name the other dataset"),
        (SPLIT.format("apart_from: []"), 5, 53, "at least 1 entry", "The other datasets."),
        (SPLIT.format("keys: [id]"), 5, 40, "missing key 'apart_from'", ""),
        (SPLIT.format("apart_from: [one], gap: 1d"), 5, 65, "a gap is between the values of one column", "`after`"),
        (SPLIT.format("apart_from: [one], after: [a, b], gap: 1d"), 5, 80, "the values of one column", "`after`"),
        (SPLIT.format("apart_from: [one], balance: {column: y}"), 5, 60, "a balance without a bound", "`min_share`"),
        (SPLIT.format("apart_from: [one], severity: warning"), 5, 70, "'error' or 'warn'", "'warn'"),
        (SPLIT.format("apart_from: [one]").replace(", contract: c", ""), 5, 18, "'two' has no contract", "type: obj"),
        (CIRCLE, 5, 60, "'two' is to be after 'one', which is to be after 'two'", "take one of them out"),
        ("train: {run: x, outputs: {m: ../m}}\n", 3, 30, "not inside the project", ""),
        ("train: {run: x, outputs: {m: /tmp/m}}\n", 3, 30, "not inside the project", ""),
        ("train: {run: x, outputs: {m: .}}\n", 3, 30, "not inside the project", ""),
        ("train: {run: x, outputs: {m: a/b, n: a/./b/}}\n", 3, 38, "'m' and 'n' are the same path", ""),
        ("train: {run: x, inputs: ['*.py'], outputs: {m: a.py}}\n", 3, 48, "overlaps with the input '*.py'", ""),
        ("train: {run: x, inputs: [src], outputs: {m: src/m}}\n", 3, 45, "overlaps with the input 'src'", ""),
        (DATA + "train: {run: x, data: [rows], outputs: {m: a.parquet}}\n", 4, 44, "overlaps with the input", ""),
        ("project: y\n", 3, 1, "duplicate key 'project'", "line 2"),
        ("train:\n  run: x\n\tinputs: [a]\n", 5, 1, "not YAML", "spaces, not tabs"),
        ("train: {run: x\n", 3, 15, "not YAML", "not closed"),
        ("train: run: x\n", 3, 11, "not YAML: mapping values are not allowed in this context", "needs quotes"),
        ("store: {remote: *a}\n", 3, 17, "the alias *a has no anchor", ""),
        ("signing: {signers: {ci: {}}}\n", 3, 21, "'ci' is a key or an identity", "`public_key` or `identity`"),
        ("signing: {signers: {ci: {public_key: a, identity: b}}}\n", 3, 21, "'ci' is a key or an identity", ""),
        ("environments: {a: {signed_by: ci}}\n", 3, 31, "there is no signer 'ci'", "there are no signers"),
        (
            "store: {trust: [release]}\nsigning: {signers: {relaese: {public_key: a}}}\n",
            *(3, 17, "there is no signer 'release'", "did you mean 'relaese'?"),
        ),
        ("store: {trust: &a [*a]}\n", 3, 20, "stands inside of what it names", ""),
        ("store: {remote: !env X}\n", 3, 17, "cannot be read with the tag !env", ""),
        ("store: {remote: \"a\\0b\"}\n", 3, 17, "a NUL", ""),
        ("train: {run: x, params: {a: .inf}}\n", 3, 29, "not a number that can be used here", ""),
        ("train: {run: x, params: {5: 6}}\n", 3, 26, "a key must be text, found the number 5", "'5'"),
        ("---\nversion: 1\n", 3, 1, "a second document begins here", ""),
        ("train: {run: x, params: {a: " + "[" * 60 + "]" * 60 + "}}\n", 3, 66, "more than 40 levels", ""),
        ("? " * 5000 + "\n", 3, 81, "more than 40 levels", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_one_problem_in_its_place(mistakes, body, line, column, message, help):
    (problem,) = mistakes(body)
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message
    assert help in problem.help


def test_five_mistakes_of_five_kinds_are_five_problems_in_order(mistakes):
    body = (
        DATA
        + "train:\n  run: python train.py\n  retreis: 2\n  timeout: soon\n  data: [row]\n"
        + "environments:\n  staging: {requires: [production]}\n  production: {requires: [staging], approvals: many}\n"
    )
    assert [(p.line, p.column, p.message) for p in mistakes(body)] == [
        (6, 3, "unknown key 'retreis'"),
        (7, 12, "expected a duration, such as '90s', '30m' or '2h', found the text 'soon'"),
        (8, 10, "there is no dataset 'row'"),
        (10, 24, "environments require each other in a circle: staging → production → staging"),
        (11, 48, "expected a whole number or a mapping, found the text 'many'"),
    ]


def test_a_misspelt_section_is_one_mistake_and_not_one_for_each_use(mistakes):
    (problem,) = mistakes("dta: {rows: {path: a}}\n" + GATE)
    assert problem.message == "unknown key 'dta'"


def test_a_misspelt_required_key_is_not_also_missing(mistakes):
    (problem,) = mistakes("data: {rows: {pth: a}}\n")
    assert (problem.message, problem.help) == ("unknown key 'pth'", "did you mean 'path'?")


def test_keys_that_are_missing_at_the_top_are_shown_at_the_first_key(mistakes):
    problems = mistakes("store: {}\n", head="")
    assert [(p.line, p.column, p.message) for p in problems] == [
        (1, 1, "missing key 'project'"),
        (1, 1, "missing key 'version'"),
    ]


def test_duplicate_keys_do_not_hide_other_mistakes(mistakes):
    problems = mistakes("store: {remote: 5}\nstore: {}\n")
    assert [(p.line, p.column) for p in problems] == [(3, 17), (4, 1)]


def test_a_syntax_error_comes_with_the_mistakes_before_it(mistakes):
    problems = mistakes("project: y\nstore: [\n")
    assert [(p.line, p.message.split(":")[0]) for p in problems] == [(3, "duplicate key 'project'"), (4, "not YAML")]


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        (b"", 1, 1, "the file is empty"),
        (b"# nothing\n", 1, 1, "the file is empty"),
        (b"- a\n", 1, 1, "expected a mapping at the top of the file, found a list"),
        (b"hello\n", 1, 1, "expected a mapping at the top of the file, found the text 'hello'"),
        (b"version: 2\nproject: x\n", 1, 10, "expected 1, found the number 2"),
        (b"version: 1\nproject: A b\n", 2, 10, "expected text that matches"),
        (b'version: 1\nproject: "x\\n"\n', 2, 10, "expected text that matches"),
        (b"version: 1\nproject: caf\xe9\n", 2, 13, "not UTF-8: the byte 0xe9"),
        ("version: 1\nproject: x".encode("utf-16"), 1, 1, "not UTF-8"),
        (b"version: 1\nproject: \x07\n", 2, 10, "the character U+0007 is not allowed in YAML"),
        (b"x" * (1 << 20) + b"x", 1, 1, "the file is larger than"),
    ],
)
def test_a_file_that_is_not_a_config_is_told(tmp_path: Path, text, line, column, message):
    file = tmp_path / "mlci.yaml"
    file.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message


def test_aliases_that_expand_to_billions_cost_nothing(mistakes):
    laughs = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    (problem,) = mistakes("a0: &a0 [x, x, x]\n" + laughs)
    assert "expand to too much" in problem.message


@pytest.mark.parametrize("inputs", ["['**/*.py']", "[train.py, 'src/*.py']", "['*']", "[../shared]", "[build2]"])
def test_outputs_beside_the_inputs_are_fine(mistakes, inputs):
    assert mistakes(f"train: {{run: x, inputs: {inputs}, outputs: {{model: build/model, log: build/log}}}}\n") == []


def test_null_is_the_same_as_leaving_a_value_out(mistakes):
    assert mistakes(DATA + GATE + "  champion: null\n  timeout: 5m\n") == []


@pytest.mark.parametrize("name", ["Prod", "prod.eu", "../prod", "latest", "run"])
def test_an_environment_whose_name_cannot_be_a_tag_of_its_own_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "mlci.yaml").write_text(f'version: 1\nproject: p\nenvironments:\n  "{name}": {{}}\n')
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "mlci.yaml")
    assert [(p.line, p.column) for p in error.value.problems] == [(4, 3)]
