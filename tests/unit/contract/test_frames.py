"""Data frames and Arrow data are judged where they are."""

from __future__ import annotations

import math

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest
from pyarrow import feather, ipc

from mlci.contract import validate
from mlci.errors import UsageError

RULES = {
    "required": ["id", "x", "s"],
    "properties": {
        "id": {"type": "integer", "minimum": 2},
        "x": {"type": "number"},
        "s": {"type": "string", "enum": ["a", "b"]},
    },
}
COLUMNS = {"id": [1, 2, 3, 4], "x": [0.5, math.nan, None, 2.0], "s": ["a", "b", "c", None]}
TABLE = pa.table(COLUMNS)
FOUND = [("id", "minimum", 1), ("x", "null", 1), ("x", "type", 1), ("s", "null", 1), ("s", "enum", 1)]


def rules(report) -> list[tuple[str, str, int]]:
    return [(v.column, v.rule, v.count) for v in report.violations]


class Capsule:
    """Arrow data that has nothing but the C interface, and can be read once."""

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        self._reader = reader

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._reader.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        TABLE.to_batches()[0],
        TABLE.to_reader(),
        pyarrow.dataset.dataset(TABLE),
        Capsule(TABLE.to_reader()),
        pl.DataFrame(COLUMNS, strict=False),
        pl.LazyFrame(COLUMNS, strict=False),
    ],
    ids=lambda data: type(data).__name__,
)
def test_arrow_data_tells_nan_from_null(contract, data):
    report = validate(data, contract(**RULES))
    assert (report.rows, rules(report)) == (4, FOUND)
    assert [row["(row)"] for v in report.violations for row in v.samples] == [1, 3, 2, 4, 3]


def test_nan_in_a_numpy_column_of_pandas_is_null_and_in_an_arrow_column_it_is_not(contract):
    frame = pd.DataFrame({"id": [1, 2, 3, 4], "x": [0.5, math.nan, math.inf, 2.0], "s": ["a", "b", "c", None]})
    assert rules(validate(frame, contract(**RULES))) == FOUND
    x = {"properties": {"x": {"type": "number"}}}
    assert rules(validate(frame[["x"]], contract(**x))) == [("x", "null", 1), ("x", "type", 1)]


def test_pandas_categories_times_and_its_own_nulls_have_types(contract):
    frame = pd.DataFrame(
        {
            "c": pd.Categorical(["a", "z", None]),
            "i": pd.array([1, None, 3], dtype="Int64"),
            "t": pd.to_datetime(["2020-01-01", None, "2021-01-01"]),
            "l": [[1], [2, 3], None],
            "mixed": [1, "x", None],
        }
    )
    found = validate(
        frame,
        contract(
            properties={
                "c": {"enum": ["a", None]},
                "i": {"type": ["integer", "null"], "maximum": 2},
                "t": {"type": ["string", "null"]},
                "l": {"type": ["array", "null"], "maxItems": 1},
            }
        ),
    )
    assert rules(found) == [("c", "enum", 1), ("i", "maximum", 1), ("l", "maxItems", 1)]


@pytest.mark.parametrize(
    "frame", [TABLE, pd.DataFrame(COLUMNS), pl.DataFrame(COLUMNS, strict=False)], ids=lambda d: type(d).__name__
)
def test_columns_that_differ_by_case_alone_are_refused(contract, frame):
    frame = frame.rename({"id": "S"}) if isinstance(frame, pl.DataFrame) else frame
    frame = frame.rename(columns={"id": "S"}) if isinstance(frame, pd.DataFrame) else frame
    frame = frame.rename_columns(["S", "x", "s"]) if isinstance(frame, pa.Table) else frame
    with pytest.raises(UsageError, match="differ by case at most"):
        validate(frame, contract(**RULES))


@pytest.mark.parametrize("form", ["file", "stream", "feather"])
def test_arrow_files_are_read(contract, tmp_path, form):
    file = tmp_path / {"file": "a.arrow", "stream": "a.ipc", "feather": "a.feather"}[form]
    if form == "feather":
        feather.write_feather(TABLE, file)
    else:
        with (
            pa.OSFile(str(file), "wb") as sink,
            (ipc.new_file if form == "file" else ipc.new_stream)(sink, TABLE.schema) as out,
        ):
            out.write_table(TABLE)
    assert rules(validate(file, contract(**RULES))) == FOUND


@pytest.mark.parametrize("content", [b"", b"ARROW1", b"ARROW1\0\0garbage", b"garbage that is long enough"])
def test_an_arrow_file_that_is_none_is_told(contract, tmp_path, content):
    file = tmp_path / "a.arrow"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="not a whole Arrow IPC file"):
        validate(file, contract(**RULES))


def test_a_column_alone_is_no_table(contract):
    with pytest.raises(UsageError, match="a Series is no table"):
        validate(pd.Series([1, 2]), contract(**RULES))
