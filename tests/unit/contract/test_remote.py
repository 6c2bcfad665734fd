"""Files in a store that speaks S3: a real server, a real client."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of packages that moto brings
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

from mlci.contract import validate
from mlci.errors import WorldError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
RULES = {"required": ["id"], "properties": {"id": {"type": "integer", "minimum": 1}}}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A bucket, and the environment in which s3fs finds it."""
    server = ThreadedMotoServer(port=0)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    client = boto3.client("s3")
    client.create_bucket(Bucket="data")
    yield client
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_files_in_a_bucket_are_read_one_or_by_a_pattern(bucket, contract, parquet):
    for day in range(3):
        bucket.upload_file(str(parquet(f"SELECT {day} AS id")), "data", f"days/{day}.parquet")
    one = validate("s3://data/days/1.parquet", contract(**RULES))
    assert (one.rows, one.passed) == (1, True)
    report = validate(["s3://data/days/*.parquet"], contract(**RULES))
    assert (report.rows, report.files) == (3, 3)
    (violation,) = report.violations
    assert violation.samples == ({"(file)": "0.parquet", "(row)": 1, "id": 0},)


def test_what_is_not_there_and_what_may_not_be_read_is_told(bucket, contract):
    with pytest.raises(WorldError, match="there is no file s3://data/gone"):
        validate("s3://data/gone.parquet", contract(**RULES))
    with pytest.raises(WorldError, match="matches no file"):
        validate("s3://data/*.parquet", contract(**RULES))
    with pytest.raises(WorldError) as raised:
        validate("s3://KEY:SECRET@another/gone.parquet?sig=SECRET", contract(**RULES))
    assert "SECRET" not in f"{raised.value} {raised.value.help}"
