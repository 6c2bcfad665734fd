"""Delta and Iceberg tables: the rows of the newest version, not those of all files."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog.sql import SqlCatalog

from mlci.cli import run
from mlci.contract import validate
from mlci.errors import WorldError

RULES = {
    "required": ["id", "day"],
    "properties": {"id": {"type": "integer", "minimum": 2}, "day": {"type": "string", "enum": ["mon", "tue"]}},
    "x-table": {"unique": ["id"]},
}
TOO_SMALL = [("id", "minimum", 1)]
ROWS = pa.table({"id": pa.array([1, 2, 3, 4], pa.int64()), "day": ["mon", "mon", "tue", "tue"]})


@pytest.fixture
def delta(tmp_path: Path) -> Path:
    folder = tmp_path / "orders"
    write_deltalake(str(folder), ROWS, partition_by=["day"])
    return folder


def test_deleted_rows_of_delta_are_gone_and_values_of_partitions_are_there(delta, contract):
    assert [(v.column, v.rule, v.count) for v in validate(delta, contract(**RULES)).violations] == [
        ("id", "minimum", 1)
    ]
    DeltaTable(str(delta)).delete("id = 1")
    report = validate(delta, contract(**RULES))
    assert (report.rows, report.passed) == (3, True)
    write_deltalake(str(delta), ROWS.slice(1), mode="overwrite")
    assert validate(str(delta), contract(**RULES)).rows == 3


_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def deletion_vector(row: int) -> dict[str, object]:
    """One deleted row, inline, as the Delta protocol has it: a 64-bit Roaring bitmap in Z85."""
    roaring = struct.pack("<IIHHI", 12346, 1, 0, 0, 16) + struct.pack("<H", row)
    raw = struct.pack("<iqi", 1681511377, 1, 0) + roaring
    padded = raw + b"\0" * (-len(raw) % 4)
    words = [int.from_bytes(padded[i : i + 4], "big") for i in range(0, len(padded), 4)]
    text = "".join(_Z85[word // 85**power % 85] for word in words for power in (4, 3, 2, 1, 0))
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(raw), "cardinality": 1}


def test_a_row_that_a_deletion_vector_takes_out_is_not_read(tmp_path, contract):
    folder = tmp_path / "orders"
    write_deltalake(str(folder), ROWS, configuration={"delta.enableDeletionVectors": "true"})
    first = [json.loads(line) for line in (folder / "_delta_log" / f"{0:020}.json").read_text().splitlines()]
    (added,) = [line["add"] for line in first if "add" in line]
    removed = {"path": added["path"], "dataChange": True, "deletionTimestamp": 1}
    again = {**added, "deletionVector": deletion_vector(0)}
    lines = "\n".join(json.dumps(line) for line in ({"remove": removed}, {"add": again}))
    (folder / "_delta_log" / f"{1:020}.json").write_text(lines + "\n")
    report = validate(folder, contract(**RULES))
    assert (report.rows, report.passed) == (3, True)


def test_a_broken_delta_log_is_told(delta, contract):
    (delta / "_delta_log" / f"{0:020}.json").write_text("{")
    with pytest.raises(WorldError, match="the Delta table"):
        validate(delta, contract(**RULES))


def test_deleted_rows_of_iceberg_are_gone(tmp_path, contract, capsys):
    catalog = SqlCatalog("test", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse")
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.orders", schema=ROWS.schema)
    table.append(ROWS)
    folder = Path(table.location().removeprefix("file://"))
    assert [(v.column, v.rule, v.count) for v in validate(folder, contract(**RULES)).violations] == [
        ("id", "minimum", 1)
    ]
    table.delete("id = 1")
    assert validate(folder, contract(**RULES)).passed
    table.append(ROWS.slice(3))
    assert run(["validate", str(folder), "--contract", str(tmp_path / "contract.yaml")]) == 1
    assert "id  unique" in capsys.readouterr().out
    catalog.destroy_tables()
    catalog.engine.dispose()


def test_broken_metadata_of_iceberg_is_told(tmp_path, contract):
    (tmp_path / "t" / "metadata").mkdir(parents=True)
    (tmp_path / "t" / "metadata" / "v1.metadata.json").write_text("{}")
    with pytest.raises(WorldError, match="the Iceberg table"):
        validate(tmp_path / "t", contract(**RULES))
