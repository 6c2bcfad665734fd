"""Schemas of other tools as contracts, and back: what is carried is right, what is not is said."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.types.schema import Schema as MlflowSchema

from mlci.cli import run
from mlci.contract import load
from mlci.contract.exchange import carry as carry_from
from mlci.contract.exchange import exporter
from mlci.contract.learn.write import to_yaml
from mlci.errors import ConfigError, UsageError, WorldError


@pytest.fixture
def carried(tmp_path: Path) -> Callable[..., tuple[dict[str, Any], list[str]]]:
    """The contract of a file and the warnings; what is written can be loaded, and says the warnings too."""

    def carry(kind: str, content: Any, name: str | None = None) -> tuple[dict[str, Any], list[str]]:
        file = tmp_path / "foreign.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        draft = carry_from(kind, file.name, tmp_path, name)
        text = to_yaml(draft.schema(), draft.notes)
        (tmp_path / "contract.yaml").write_text(text, encoding="utf-8")
        load(tmp_path / "contract.yaml")
        for notes in draft.notes.values():
            assert all(note in text for note in notes)
        schema = draft.schema()
        assert schema.pop("$schema").endswith("2020-12/schema")
        assert schema.pop("type") == "object"
        return schema, draft.warnings()

    return carry


def test_a_frictionless_table_schema(carried):
    schema, left = carried(
        "frictionless",
        {
            "fields": [
                {"name": "id", "type": "integer", "constraints": {"required": True, "minimum": 1}},
                {"name": "code", "constraints": {"pattern": "[A-Z]{2}", "unique": True}, "title": "Code"},
                {"name": "day", "type": "date", "constraints": {"minimum": "2013-01-01"}},
                {"name": "at", "type": "datetime", "format": "any"},
                {"name": "kind", "constraints": {"enum": ["a", "b"]}},
                {"name": "where", "type": "geopoint", "rdfType": "x"},
            ],
            "primaryKey": "id",
            "foreignKeys": [{"fields": "kind"}],
            "missingValues": ["", "NA"],
        },
    )
    assert schema == {
        "required": ["id", "code", "day", "at", "kind", "where"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "integer", "minimum": 1},
            "code": {"title": "Code", "type": ["string", "null"], "pattern": "^(?:[A-Z]{2})$"},
            "day": {"type": ["string", "null"], "format": "date"},
            "at": {"type": ["string", "null"]},
            "kind": {"type": ["string", "null"], "enum": ["a", "b", None]},
            "where": {},
        },
        "x-table": {"unique": [["code"], ["id"]]},
    }
    assert [line.split(" ", 3)[:3] for line in left] == [
        ["day:", "not", "carried:"],
        ["at:", "not", "carried:"],
        ["where:", "not", "carried:"],
        ["where:", "not", "carried:"],
        ["not", "carried:", "foreignKeys"],
        ["not", "carried:", "missingValues"],
        ["not", "carried:", "the"],
    ]


DBT = """
version: 2
models:
  - name: other
  - name: orders
    description: All orders.
    config: {contract: {enforced: true}}
    data_tests:
      - dbt_utils.unique_combination_of_columns: {combination_of_columns: [id, line]}
      - dbt_expectations.expect_table_row_count_to_be_between: {min_value: 10}
    columns:
      - name: id
        data_type: bigint
        description: The number.
        data_tests: [unique, not_null]
      - name: status
        data_type: varchar(10)
        tests:
          - accepted_values: {arguments: {values: [new, done]}}
          - not_null: {config: {where: "id > 5"}}
      - name: amount
        data_type: numeric(10, 2)
        tests:
          - dbt_expectations.expect_column_values_to_be_between: {min_value: 0, strictly: true}
          - relationships: {to: ref('x'), field: id}
          - unique: {config: {severity: warn}}
"""


def test_a_model_of_dbt(carried):
    schema, left = carried("dbt", DBT, "orders")
    assert schema == {
        "title": "orders",
        "description": "All orders.",
        "required": ["id", "status", "amount"],
        "additionalProperties": False,
        "properties": {
            "id": {"description": "The number.", "type": "integer"},
            "status": {"type": ["string", "null"], "enum": ["new", "done", None]},
            "amount": {"type": ["number", "null"], "exclusiveMinimum": 0},
        },
        "x-table": {"unique": [["id"], ["amount"], ["id", "line"]], "rows": {"min": 10}},
    }
    assert [line.split(":")[0] for line in left] == ["status", "amount", "amount"]
    with pytest.raises(UsageError, match="which model"):
        carried("dbt", DBT)


def test_a_suite_of_great_expectations(carried):
    def one(kind: str, **kwargs: Any) -> dict[str, Any]:
        return {"type": kind, "kwargs": kwargs}

    schema, left = carried(
        "great-expectations",
        {
            "name": "orders",
            "expectations": [
                one("expect_column_values_to_not_be_null", column="id"),
                one("expect_column_values_to_be_unique", column="id"),
                one("expect_column_values_to_be_of_type", column="id", type_="int64"),
                one("expect_column_values_to_be_between", column="x", min_value=0, max_value=1, strict_max=True),
                one("expect_column_values_to_be_in_set", column="kind", value_set=["a", "b"]),
                one("expect_column_values_to_match_regex", column="code", regex="^[A-Z]+$", mostly=0.9),
                one("expect_column_mean_to_be_between", column="x", min_value=0),
                one("expect_column_value_lengths_to_equal", column="code", value=3),
                one("expect_table_row_count_to_be_between", min_value=1, max_value=9),
            ],
        },
    )
    assert schema == {
        "title": "orders",
        "required": ["id", "x", "kind", "code"],
        "properties": {
            "id": {"type": "integer"},
            "x": {"minimum": 0, "exclusiveMaximum": 1},
            "kind": {"enum": ["a", "b", None]},
            "code": {"minLength": 3, "maxLength": 3},
        },
        "x-table": {"unique": ["id"], "rows": {"min": 1, "max": 9}},
    }
    assert [line.split(" {")[0] for line in left] == [
        "code: not carried: expect_column_values_to_match_regex",
        "x: not carried: expect_column_mean_to_be_between",
    ]


PANDERA = """
schema_type: dataframe
version: 0.24.0
columns:
  id: {title: null, dtype: int64, nullable: false, unique: true, coerce: false, required: true,
       checks: {greater_than_or_equal_to: {value: 1, options: {raise_warning: false}}}}
  kind: {dtype: str, nullable: true, required: false, checks: {isin: [a, b], str_length: {min_value: 1, max_value: 3}}}
  price: {dtype: float64, coerce: true,
    checks: {in_range: {min_value: 0, max_value: 9, include_max: false}, my_check: 3}}
checks: null
index: null
strict: true
unique: [id, kind]
ordered: true
"""


def test_a_schema_of_pandera(carried):
    schema, left = carried("pandera", PANDERA)
    assert schema == {
        "required": ["id", "price"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "integer", "minimum": 1},
            "kind": {"type": ["string", "null"], "enum": ["a", "b", None], "minLength": 1, "maxLength": 3},
            "price": {"type": "number", "minimum": 0, "exclusiveMaximum": 9},
        },
        "x-table": {"unique": [["id"], ["id", "kind"]]},
    }
    assert left == [
        "price: not carried: check my_check 3",
        "price: not carried: coerce True",
        "not carried: ordered True",
    ]


def test_a_signature_of_mlflow_there_and_back(carried):
    names = [("a", "long"), ("b", "double"), ("c", "string"), ("d", "boolean"), ("e", "datetime")]
    inputs = json.dumps([{"type": kind, "name": name, "required": name != "c"} for name, kind in names])
    signature = {"inputs": inputs, "outputs": '[{"type": "double", "required": true}]', "params": None}
    schema, left = carried("mlflow", signature)
    assert schema["required"] == ["a", "b", "d", "e"]
    assert schema["properties"]["e"] == {"type": ["string", "null"], "format": "date-time"}
    assert left == ["not carried: outputs of the signature"]
    assert carried("mlflow", json.dumps({"signature": signature, "flavors": {}}))[0] == schema
    text, lost = exporter("mlflow").write(schema, "x")
    assert MlflowSchema.from_json(json.loads(text)["inputs"]) == MlflowSchema.from_json(inputs)
    assert "a: not carried: minimum -9223372036854775808" in lost


MODEL = """
from typing import Literal
from pydantic import BaseModel, ConfigDict, Field

class Place(BaseModel):
    city: str

class Order(BaseModel):
    "An order."
    model_config = ConfigDict(extra="forbid")
    id: int = Field(ge=1, description="The number.")
    kind: Literal["a", "b"] | None = None
    price: float | None = Field(lt=9)
"""


def test_a_model_of_pydantic(tmp_path):
    (tmp_path / "orders_model.py").write_text(MODEL)
    draft = carry_from("pydantic", "orders_model:Order", tmp_path, None)
    schema = draft.schema()
    assert schema["properties"] == {
        "id": {"description": "The number.", "minimum": 1, "type": "integer"},
        "kind": {"default": None, "enum": ["a", "b", None], "type": ["string", "null"]},
        "price": {"exclusiveMaximum": 9, "type": ["number", "null"]},
    }
    assert (schema["required"], schema["additionalProperties"]) == (["id", "price"], False)
    with pytest.raises(UsageError, match="no Pydantic model"):
        carry_from("pydantic", "orders_model:None_", tmp_path, None)
    with pytest.raises(WorldError, match="cannot be imported"):
        carry_from("pydantic", "no_such_module:X", tmp_path, None)
    sys.modules.pop("orders_model")


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(
        [0.5, -1.5, "", "a", "ab", "A1", "2013-01-31", "2013-02-30", "2013-01-31T12:00:00Z", [], [1], ["a"]]
    ),
)
RULES: dict[str, st.SearchStrategy[Any]] = {
    "minimum": st.integers(-2, 2),
    "maximum": st.integers(-2, 2),
    "exclusiveMinimum": st.sampled_from([0, 0.5]),
    "multipleOf": st.integers(1, 2),
    "minLength": st.integers(0, 2),
    "maxLength": st.integers(0, 2),
    "pattern": st.sampled_from(["^a", r"\d", "1$", r"^[\w]$", r"\bab\b"]),
    "enum": st.lists(
        st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["a", "ab"]), min_size=1, max_size=3
    ),
    "format": st.sampled_from(["date", "date-time"]),
    "items": st.sampled_from([{"type": "integer"}, {"type": "string"}]),
}
TYPE = st.sampled_from(["null", "boolean", "integer", "number", "string", "array"])


@st.composite
def columns(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(RULES)), max_size=3, unique=True))
    types = draw(TYPE | st.lists(TYPE, min_size=1, max_size=3, unique=True) | st.none())
    return {**({"type": types} if types else {}), **{name: draw(RULES[name]) for name in names}}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_model_takes_the_rows_that_keep_the_contract_and_no_others(data):
    names = ["a", "class", "x y", "model_x"][: data.draw(st.integers(1, 4))]
    schema = {
        "properties": {name: data.draw(columns()) for name in names},
        "required": data.draw(st.lists(st.sampled_from(names), unique=True)),
        "additionalProperties": data.draw(st.booleans()),
    }
    source, left = exporter("pydantic").write(schema, "x")
    space: dict[str, Any] = {}
    exec(compile(source, "model.py", "exec", dont_inherit=True), space)
    judge = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    for row in data.draw(st.lists(st.dictionaries(st.sampled_from([*names, "z"]), VALUES), min_size=3, max_size=12)):
        try:
            space["Row"].model_validate(row)
            taken = True
        except pydantic.ValidationError:
            taken = False
        if judge.is_valid(row):
            assert taken, (schema, row, source)
        elif taken:
            assert left, (schema, row, source)


def test_what_a_model_cannot_check_stands_in_its_source():
    schema = {"properties": {"x": {"type": "string", "format": "email"}}, "x-table": {"unique": ["x"]}}
    source, left = exporter("pydantic").write(schema, "x")
    assert left == ["x: not carried: format email", "not carried: x-table"]
    assert "    # not checked: format email\n" in source
    assert "    # not checked: x-table\n" in source


def test_names_and_texts_cannot_break_out_of_the_source():
    evil = {"title": 'a"""\nimport os', "properties": {'"\n#': {"description": '")\n', "enum": ["'\n", '"""']}}}
    space: dict[str, Any] = {}
    exec(compile(exporter("pydantic").write(evil, "x")[0], "model.py", "exec", dont_inherit=True), space)
    assert "os" not in space
    assert space["Row"].model_validate({'"\n#': '"""'})


def test_the_command_line_warns_of_what_is_lost(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("schema.yml").write_text(DBT)
    assert run(["contract", "import", "schema.yml", "--from", "dbt", "--name", "orders", "-o", "c.yaml"]) == 0
    assert "warning: status: not carried: test" in capsys.readouterr().err
    assert run(["contract", "export", "c.yaml", "--to", "pydantic"]) == 0
    out, err = capsys.readouterr()
    assert "class Row(BaseModel):" in out
    assert "warning: not carried: x-table" in err
    assert run(["contract", "import", "schema.yml", "--from", "excel"]) == 2
    assert run(["contract", "export", "c.yaml", "--to", "excel"]) == 2


@pytest.mark.parametrize("kind", ["frictionless", "dbt", "great-expectations", "pandera", "mlflow"])
def test_a_file_of_something_else_is_refused(carried, kind):
    with pytest.raises((ConfigError, UsageError)):
        carried(kind, "[1, 2]")
    with pytest.raises((ConfigError, UsageError)):
        carried(kind, '{"a": 1}')


WORDS = "fields name type constraints primaryKey models columns tests data_tests unique not_null expectations kwargs"
WORDS += " column checks isin in_range dtype inputs items properties pattern enum resources schema"
KEYS = st.sampled_from(WORDS.split())
BROKEN = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["a", "id", "1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
TOP = st.sampled_from(["unique", "strict", "missingValues", "uniqueKeys", "checks"])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["frictionless", "dbt", "great-expectations", "pandera", "mlflow"]), st.data())
def test_a_broken_file_is_a_mistake_and_never_a_crash(kind, data):
    top = {"frictionless": "fields", "dbt": "models", "great-expectations": "expectations", "pandera": "columns"}
    content = {
        top.get(kind, "inputs"): data.draw(st.lists(BROKEN, max_size=3) | BROKEN),
        **data.draw(st.dictionaries(TOP, BROKEN, max_size=2)),
    }
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.json").write_text(json.dumps(content))
        try:
            draft = carry_from(kind, "x.json", Path(folder), None)
            to_yaml(draft.schema(), draft.notes)
        except (ConfigError, UsageError):
            pass
