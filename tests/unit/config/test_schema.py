from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from jsonschema import Draft202012Validator

from mlci.config import load, reference, schema
from mlci.config.fits import fits
from mlci.config.units import command, fraction, seconds, size


def test_the_schema_is_a_schema_and_is_json():
    Draft202012Validator.check_schema(schema())
    jsonschema_rs.meta.validate(schema())
    assert json.loads(json.dumps(schema())) == schema()


def test_the_whole_file_is_valid_for_another_validator_too(tmp_path, whole):
    file = tmp_path / "mlci.yaml"
    file.write_text(whole)
    raw = load(file).raw
    validator = jsonschema_rs.validator_for(schema())
    assert validator.is_valid(raw)
    raw["train"]["timeout"] = "2 hours"
    assert not validator.is_valid(raw)


def test_every_key_is_described_and_every_mapping_is_closed():
    for definition in (schema(), *schema()["$defs"].values()):
        assert definition["additionalProperties"] is False
        assert definition["description"]
        assert all(of["description"] for of in definition["properties"].values())


def test_types_limits_enums_and_defaults_come_from_the_model():
    defs = schema()["$defs"]
    assert schema()["required"] == ["version", "project"]
    assert defs["Gate"]["properties"]["task"]["enum"][:2] == ["classification", "multiclass"]
    assert defs["Gate"]["properties"]["confidence"]["exclusiveMaximum"] == 1
    assert defs["Deploy"]["properties"]["port"]["type"] == ["integer", "null"]
    assert defs["Deploy"]["properties"]["replay"]["anyOf"] == [{"type": "string"}, {"$ref": "#/$defs/Replay"}]
    assert defs["Gate"]["properties"]["suites"]["items"] == {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Suite"}]}
    assert defs["Serve"]["properties"]["port"]["default"] == 8080


@pytest.mark.parametrize(
    ("written", "meant"),
    [("90s", 90), ("20ms", 0.02), ("1.5m", 90), ("2h", 7200), ("1d", 86400), ("90 s", 90), (5, 5)],
)
def test_durations_are_seconds(written, meant):
    assert seconds(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [("200MB", 200_000_000), ("20GiB", 20 * 2**30), ("1.5kB", 1500), ("7B", 7), (12, 12)],
)
def test_sizes_are_bytes(written, meant):
    assert size(written) == meant


@pytest.mark.parametrize(("written", "meant"), [("5%", 0.05), ("0.7%", 0.007), ("100%", 1), (0.25, 0.25)])
def test_shares_are_fractions_of_one(written, meant):
    assert fraction(written) == meant


def test_commands_are_split_as_a_shell_would():
    assert command("python train.py --name 'a b'") == ("python", "train.py", "--name", "a b")
    assert command(["python", "a b.py"]) == ("python", "a b.py")


@pytest.mark.parametrize(
    ("parse", "written"),
    [(seconds, "2"), (seconds, "-1s"), (size, "5"), (size, "5G"), (fraction, "101%"), (command, "'a"), (command, "")],
)
def test_anything_else_is_refused(parse, written):
    with pytest.raises(ValueError, match=r"\S"):
        parse(written)


def test_importing_the_config_loads_neither_yaml_nor_jsonschema():
    code = "import sys, mlci.config; print([m for m in ('yaml', 'jsonschema', 'difflib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_reference_page_in_the_docs_is_the_one_that_the_types_make():
    page = Path(__file__).parents[3] / "docs" / "config.md"
    assert page.read_text() == reference(), "run: mlci schema --format md > docs/config.md"


def test_a_right_file_is_taken_for_right_without_jsonschema():
    file = Path(__file__).parent / "whole.yaml"
    code = f"import sys, pathlib; from mlci.config.load import load; load(pathlib.Path({str(file)!r}))"
    code += "; print('jsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_nothing_is_taken_for_right_that_jsonschema_finds_wrong():
    whole = yaml.safe_load((Path(__file__).parent / "whole.yaml").read_text())
    validator = jsonschema_rs.validator_for(schema())
    others = (None, True, 0, -1, 1.5, 10**9, "", "x y\n", [], [1, 1], ["a", "a"], {}, {"nmae": 1}, {1: 2})
    taken = 0
    for path in list(_paths(whole)):
        for other in others:
            changed = copy.deepcopy(whole)
            at = changed
            for name in path[:-1]:
                at = at[name]
            at[path[-1]] = other
            if fits(changed, schema(), schema()["$defs"]):
                taken += 1
                assert validator.is_valid(changed), (path, other)
    assert fits(whole, schema(), schema()["$defs"])
    assert taken > 100


def _paths(value, path=()):
    if path:
        yield path
    for name in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from _paths(value[name], (*path, name))
