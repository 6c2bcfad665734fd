"""Data that is no file: rows in a list, streams, URLs; and what is said where a package is not there."""

from __future__ import annotations

import functools
import http.server
import json
import math
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from mlci.cli import run
from mlci.contract import validate
from mlci.errors import UsageError, WorldError

RULES = {"required": ["id"], "properties": {"id": {"type": "integer", "minimum": 1}, "x": {"type": ["string", "null"]}}}


def rules(report) -> list[tuple[str, str, int]]:
    return [(v.column, v.rule, v.count) for v in report.violations]


def test_rows_in_a_list_are_judged_as_json_lines(contract):
    report = validate([{"id": 1}, {"id": 0, "x": None}, {"x": 5}], contract(**RULES))
    assert report.rows == 3
    assert rules(report) == [("id", "required", 1), ("id", "minimum", 1), ("x", "type", 1)]
    assert report.violations[1].samples[0]["(file)"] == "data.jsonl"


def test_a_row_with_what_json_does_not_know_is_told(contract):
    with pytest.raises(UsageError, match="row 2 is not JSON"):
        validate([{"id": 1}, {"id": {1, 2}}], contract(**RULES))
    assert not validate([{"id": 1}, {"id": math.nan}], contract(**RULES)).passed


def test_a_relation_of_duckdb_is_a_stream(contract):
    with duckdb.connect() as connection:
        relation = connection.sql("SELECT range AS id, 'a' AS x FROM range(3000)")
        report = validate(relation, contract(**RULES))
    assert (report.rows, rules(report)) == (3000, [("id", "minimum", 1)])
    assert report.violations[0].samples == ({"(file)": "data.parquet", "(row)": 1, "id": 0, "x": "a"},)


def test_what_is_no_data_is_refused_and_nothing_is_left_behind(contract, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(UsageError, match="cannot be validated"):
        validate(5, contract(**RULES))
    validate([{"id": 1}], contract(**RULES))
    assert [path.name for path in tmp_path.iterdir()] == ["contract.yaml"]


def test_paths_may_be_text_and_several_forms_are_one_table(contract, parquet):
    file = parquet("SELECT 0 AS id")
    report = validate([str(file), [{"id": -1}]], contract(**RULES))
    assert (report.rows, rules(report)) == (2, [("id", "minimum", 2)])


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if "private" in self.path and self.headers["Authorization"] != "Basic YWRhOnNlIGNyZXQ=":
            self.send_error(401)
            return
        if "short" in self.path:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"id\n1\n")
            return
        super().do_GET()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served").mkdir()
    handler = functools.partial(Quiet, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_files_behind_http_are_read(address, contract, parquet, text):
    parquet("SELECT range AS id FROM range(10)", "served/a b.parquet")
    text("id,x\n0,\n", "served/more.csv")
    report = validate([f"{address}/a%20b.parquet?token=SECRET", f"{address}/more.csv"], contract(**RULES))
    assert (report.rows, rules(report)) == (11, [("id", "minimum", 2)])
    assert [row["(file)"] for row in report.violations[0].samples] == ["a b.parquet", "more.csv"]


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [("gone.parquet", WorldError, "404"), ("short.csv", WorldError, "broke off")],
)
def test_what_a_server_refuses_is_told_without_the_signature_of_the_url(address, contract, path, error, words):
    url = f"{address.replace('//', '//user:SECRET@')}/{path}?X-Amz-Signature=SECRET"
    with pytest.raises(error, match=words) as raised:
        validate(url.replace("user:SECRET@", ""), contract(**RULES))
    assert "SECRET" not in f"{raised.value} {raised.value.help}"
    with pytest.raises((UsageError, WorldError)) as raised:
        validate(url.replace("127.0.0.1", "127.0.0.1:1/"), contract(**RULES))
    assert "SECRET" not in f"{raised.value} {raised.value.help}"


def test_a_name_that_is_no_file_name_here_is_told(address, contract, text):
    text("id\n1\n", "served/0")
    for path in ("0", "%2e%2e", "a%00b.csv", "x" * 300 + ".csv", ""):
        with pytest.raises((UsageError, WorldError)):
            validate(f"{address}/{path}", contract(**RULES))


def test_a_scheme_that_is_not_known_is_refused(contract):
    with pytest.raises(UsageError, match="nothing here reads hdfs://"):
        validate("hdfs://user:pw@name/a.parquet", contract(**RULES))


def test_the_command_line_takes_urls(address, tmp_path, parquet, capsys):
    parquet("SELECT range AS id FROM range(10)", "served/a.parquet")
    (tmp_path / "c.yaml").write_text(json.dumps(RULES))
    assert run(["-C", str(tmp_path), "validate", f"{address}/a.parquet?sig=SECRET", "--contract", "c.yaml"]) == 1
    out = capsys.readouterr()
    assert "id  minimum" in out.out and "SECRET" not in out.out + out.err
    assert run(["contract", "infer", f"{address}/a.parquet"]) == 0
    assert "id:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("'s3://bucket/a.parquet?sig=SECRET'", "pip install 'mlci[s3]'"),
        ("'gs://bucket/a.parquet'", "pip install 'mlci[gs]'"),
        ("'az://bucket/a.parquet'", "pip install 'mlci[az]'"),
        ("pathlib.Path('a.arrow')", "pip install pyarrow"),
        ("pathlib.Path('delta')", "pip install 'mlci[delta]'"),
        ("pathlib.Path('iceberg')", "pip install 'mlci[iceberg]'"),
    ],
)
def test_a_package_that_is_not_there_is_named_with_the_way_to_it(tmp_path, data, words):
    (tmp_path / "a.arrow").write_bytes(b"ARROW1")
    (tmp_path / "delta" / "_delta_log").mkdir(parents=True)
    (tmp_path / "iceberg" / "metadata").mkdir(parents=True)
    (tmp_path / "iceberg" / "metadata" / "v1.metadata.json").write_text("{}")
    (tmp_path / "c.yaml").write_text("type: object")
    program = f"""
import pathlib, sys
for name in ("fsspec", "pyarrow", "deltalake", "pyiceberg"):
    sys.modules[name] = None
from mlci import contract, errors
try:
    contract.validate({data}, contract.load(pathlib.Path("c.yaml")))
except errors.UsageError as error:
    print(error, error.help)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert words in done.stdout, done.stderr
    assert "SECRET" not in done.stdout


def test_a_pattern_of_paths_is_followed(contract, text, tmp_path):
    made = contract(**RULES)
    text("id\n1\n", "d1.csv"), text("id\n2\n", "d2.csv")
    assert validate(str(tmp_path / "d*.csv"), made).rows == 2
    with pytest.raises(WorldError, match="matches no file"):
        validate(str(tmp_path / "e*.csv"), made)


def test_what_is_no_contract_is_told():
    with pytest.raises(UsageError, match="is no contract"):
        validate([{"id": 1}], "contract.yaml")


def test_a_user_in_the_address_is_sent_and_never_shown(address, contract, tmp_path):
    (tmp_path / "served" / "private.csv").write_text("id\n1\n")
    made, host = contract(**RULES), address.removeprefix("http://")
    assert validate(f"http://ada:se%20cret@{host}/private.csv", made).rows == 1
    with pytest.raises(WorldError, match="401") as refused:
        validate(f"http://ada:wrong@{host}/private.csv", made)
    assert "wrong" not in str(refused.value)


def test_an_address_of_no_known_kind_is_told_by_its_name(address, contract):
    with pytest.raises(UsageError, match=rf"^{address}/: what `data` holds is not known"):
        validate(f"{address}/", contract(**RULES))
