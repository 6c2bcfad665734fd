"""What the benchmarks of the contract measure is the same work: all find what is planted."""

import json
from pathlib import Path

import pytest

from bench.contract_data import COLUMNS, PLANTED, Data, days, make
from bench.contract_peers import CONTRACT, by_hand
from bench.measure import run
from mlci import contract


@pytest.mark.parametrize("faulty", [True, False], ids=["planted faults", "no faults"])
def test_the_contract_and_the_query_by_hand_find_what_is_planted(tmp_path: Path, faulty: bool):
    data = Data(tmp_path / "orders.parquet", 2_000, faulty)
    make([data])

    report = contract.validate([data.file], contract.load(CONTRACT))
    query = json.loads(run(by_hand(data.file)).out)["found"]

    assert report.rows == 2_000
    assert [name for name, _ in report.columns] == list(COLUMNS)
    assert {f"{v.column}.{v.rule}": v.count for v in report.violations} == query == (PLANTED if faulty else {})


def test_daily_files_are_one_clean_table(tmp_path: Path):
    files = days(tmp_path, 3, 50)
    make(files)

    report = contract.validate([day.file for day in files], contract.load(CONTRACT))

    assert (report.rows, report.passed) == (150, True)
