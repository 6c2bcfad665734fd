"""A Postgres of its own and a Spark in this process: `nox -s engines` installs what they need."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlci.contract import Contract, Report, load
from mlci.contract.elsewhere import connect, table_of, validate_table

_NUMBERS = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    """Spark's client leaves its sockets to the garbage collector."""
    config.addinivalue_line("filterwarnings", "ignore:unclosed:ResourceWarning")


def _program(name: str) -> str:
    """A program of Postgres, which many systems do not put on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name) or pytest.fail(f"there is no {name}: install postgresql")


def _as_someone() -> list[str]:
    """Postgres refuses to run as root."""
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a server that only listens on a socket in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="mlci-pg-", dir="/tmp") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        data = f"{folder}/data"
        options = ["--auth=trust", "--username=mlci", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [*_as_someone(), _program("initdb"), "-D", data, *options], check=True, stdout=subprocess.DEVNULL
        )
        settings = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off", "max_connections=20")
        command = [*_as_someone(), _program("postgres"), "-D", data, *(word for s in settings for word in ("-c", s))]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder) as server:
            try:
                socket = Path(folder, ".s.PGSQL.5432")
                ready = [*_as_someone(), _program("pg_isready"), "-q", "-h", folder, "-U", "mlci", "-d", "postgres"]
                deadline = time.monotonic() + 60
                while not socket.exists() or subprocess.run(ready, check=False).returncode:
                    assert server.poll() is None and time.monotonic() < deadline, "Postgres did not start"
                    time.sleep(0.05)
                yield f"postgres://mlci@/postgres?host={folder}"
            finally:
                server.terminate()
                server.wait(30)


@pytest.fixture(scope="session")
def postgres(postgres_url: str) -> Iterator[Any]:
    """A connection to it."""
    backend = connect(postgres_url)
    yield backend
    backend.disconnect()


@pytest.fixture(scope="session")
def pyspark() -> Iterator[Any]:
    """A local Spark."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.memory": "1g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.log.level": "ERROR",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield connect("pyspark://")
    session.stop()


@pytest.fixture
def contract(tmp_path: Path) -> Callable[..., Contract]:
    """A contract from the text of a YAML file."""

    def make(text: str) -> Contract:
        file = tmp_path / "contract.yaml"
        file.write_text(text, encoding="utf-8")
        return load(file)

    return make


@pytest.fixture
def counted(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, Path, Contract], Report]:
    """Validate a Parquet file's rows on an engine: Spark reads the file, Postgres is given a table of its own."""

    def count(engine: str, file: Path, by: Contract) -> Report:
        backend = request.getfixturevalue(engine)
        if engine == "pyspark":
            return validate_table(table_of(backend, [str(file)]), by)
        import pyarrow.parquet

        name = f"t{next(_NUMBERS)}"
        kinds = _kinds(pyarrow.parquet.read_schema(file))
        columns = ", ".join(f'"{column}" {kind}' for column, kind in kinds.items())
        with duckdb.connect() as db, backend.con.cursor() as cursor:
            db.execute(f"COPY (FROM '{file}') TO '{tmp_path}/{name}.csv' (FORMAT csv, NULL 'NULL')")
            cursor.execute(f"CREATE TABLE {name} ({columns})")
            with cursor.copy(f"COPY {name} FROM STDIN (FORMAT csv, HEADER, NULL 'NULL')") as copy:
                copy.write((tmp_path / f"{name}.csv").read_bytes())
        return validate_table(table_of(backend, [name]), by)

    return count


def _kinds(schema: Any) -> dict[str, str]:
    """The types of Postgres for those of Parquet."""
    words = {"int8": "smallint", "int16": "smallint", "int32": "integer", "int64": "bigint", "float": "real"}
    words |= {"double": "double precision", "bool": "boolean", "string": "text", "date32[day]": "date"}
    found = {field.name: str(field.type) for field in schema}
    return {
        name: "timestamp"
        if kind.startswith("timestamp")
        else kind.replace("decimal128", "numeric")
        if kind.startswith("decimal")
        else words[kind]
        for name, kind in found.items()
    }
