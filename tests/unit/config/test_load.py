from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlci.config import find, load, render
from mlci.errors import ConfigError, Problem, UsageError

WHOLE = (Path(__file__).parent / "whole.yaml").read_text()


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / "mlci.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_the_whole_file_loads_with_units_converted(tmp_path):
    project = load(write(tmp_path, WHOLE))
    config = project.config
    assert config.train.run == ("python", "train.py")
    assert config.train.timeout == 7200.0
    assert config.train.resources.gpu_memory == 20 * 2**30
    assert config.gate.latency.p95 == 0.02
    assert config.gate.size.max == 200_000_000
    assert list(config.environments) == ["staging", "production"]
    production = config.environments["production"]
    assert production.soak == 86400.0
    assert production.deploy.steps == (0.05, 0.25, 0.5)
    assert production.deploy.analysis.errors.margin == 0.005
    assert (production.deploy.replay.data, production.deploy.replay.rate) == ("holdout", 200.0)


def test_the_project_knows_its_folder_its_file_and_the_tree_as_written(tmp_path):
    project = load(write(tmp_path, WHOLE))
    assert (project.root, project.file) == (tmp_path.resolve(), tmp_path.resolve() / "mlci.yaml")
    assert project.raw["train"]["timeout"] == "2h"
    assert json.loads(json.dumps(project.raw)) == project.raw


def test_a_file_is_found_in_a_parent_and_a_missing_one_is_told(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    file = write(tmp_path, "version: 1\nproject: x\n")
    assert find(tmp_path / "a" / "b") == file.resolve()
    with pytest.raises(UsageError, match=r"there is no .*nope\.yaml"):
        load(tmp_path / "nope.yaml")
    with pytest.raises(UsageError, match="cannot read"):
        load(tmp_path)


def test_no_file_in_any_parent_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"no mlci\.yaml here") as caught:
        find(tmp_path)
    assert "-c" in caught.value.help


def test_a_later_mistake_is_located_at_its_path_or_above(tmp_path):
    project = load(write(tmp_path, WHOLE))
    at = project.problem(("train", "inputs", 1), "no such file")
    assert (at.line, at.column, at.width) == (WHOLE[: WHOLE.index("features.py")].count("\n") + 1, 22, 11)
    assert at.path == "$.train.inputs[1]"
    above = project.problem(("train", "env", "HOME"), "not set")
    assert (above.line, above.column) == (WHOLE[: WHOLE.index("train:\n")].count("\n") + 1, 1)
    top = project.problem((), "wrong")
    assert (top.line, top.column) == (1, 1)


def test_scalars_follow_yaml_1_2(tmp_path):
    params = "{a: 017, b: 0x1F, c: 0o17, d: yes, e: 1_000, f: ~, g: 1e3}"
    text = f"version: 1\nproject: x\ntrain:\n  run: x\n  params: {params}\n"
    params = load(write(tmp_path, text)).config.train.params
    assert params == {"a": 17, "b": 31, "c": 15, "d": "yes", "e": "1_000", "f": None, "g": 1000.0}


def test_aliases_and_merge_keys_work(tmp_path):
    text = (
        "version: 1\nproject: x\nenvironments:\n  a: &a {max_age: 1, requires: [gate]}\n"
        "  b: {<<: *a, requires: [a]}\n  c: *a\n"
    )
    environments = load(write(tmp_path, text)).config.environments
    assert environments["b"].max_age == 1
    assert environments["b"].requires == ("a",)
    assert environments["c"] == environments["a"]


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path):
    raw = ("\ufeff" + WHOLE.replace("\n", "\r\n")).encode()
    assert load(write(tmp_path, raw)).config.project == "flights"
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, raw.replace(b"retries", b"retreis")))
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (WHOLE[: WHOLE.index("retries")].count("\n") + 1, 3)


MARKS = "[ ] { } : - ? # ' \" > \\ &a *a <<:*a !!int !x |\n \t \n ---\n ...\n null ~ .nan 1e999 -1 true 5% x 0x train"
ODD = '\x07 \x85 "\\ud800" "\\0" é 𝒳 \u202e 99999999999999999999999'
PIECES = st.sampled_from([*MARKS.split(" "), *ODD.split(" "), ": ", "- ", "  ", "%YAML 1.1\n"])


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mangled_text_raises_nothing_but_located_mistakes(tmp_path, data):
    text = WHOLE
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        until = data.draw(st.integers(at, min(len(text), at + 12)))
        text = text[:at] + data.draw(PIECES) + text[until:]
    check(tmp_path, text)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | PIECES
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_any_place_raises_nothing_but_located_mistakes(tmp_path, data):
    tree = load(write(tmp_path, WHOLE)).raw
    for _ in range(data.draw(st.integers(1, 3))):
        at = tree
        while True:
            key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
            if not (isinstance(at[key], (dict, list)) and at[key] and data.draw(st.booleans())):
                break
            at = at[key]
        at[key] = data.draw(VALUES)
    check(tmp_path, json.dumps(tree))


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@example(raw=b"0" * 26)
def test_any_bytes_raise_nothing_but_located_mistakes(tmp_path, raw):
    check(tmp_path, raw)


def check(folder: Path, text: str | bytes) -> None:
    file = write(folder, text)
    lines = file.read_bytes().count(b"\n") + file.read_bytes().count(b"\r") + 1
    problems = mistakes_of(file)
    assert problems == sorted(problems, key=lambda p: (p.line, p.column, p.message))
    assert len(set(problems)) == len(problems)
    for problem in problems:
        assert 1 <= problem.line <= lines
        assert problem.column >= 1
        assert problem.width >= 1
        assert problem.message
        assert all(c.isprintable() for c in render(problem).replace("\n", ""))


def mistakes_of(file: Path) -> list[Problem]:
    try:
        load(file)
    except ConfigError as error:
        return list(error.problems)
    return []


def test_what_is_installed_beside_jsonschema_for_formats_is_not_imported(tmp_path):
    """`rfc3987_syntax`, which comes with Jupyter, builds grammars for seconds."""
    for name in ("rfc3987_syntax", "rfc3986_validator", "isoduration"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} is imported')")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    code = "import mlci.config.check, sys; assert 'rfc3987_syntax' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], check=False, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
