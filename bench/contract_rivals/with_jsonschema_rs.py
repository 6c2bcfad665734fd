"""jsonschema-rs, row by row. `python with_jsonschema_rs.py FILE SCHEMA`; prints how many rows break which rule."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
from parquet_rows import named, report


def main(file: str, schema: str) -> None:
    validator = jsonschema_rs.Draft202012Validator(json.loads(Path(schema).read_text()), validate_formats=True)

    def broken(row: dict[str, Any]) -> Iterator[str]:
        if not validator.is_valid(row):
            for error in validator.iter_errors(row):
                yield named(error.instance_path[0], error.schema_path[-1], error.instance)

    report(file, broken)


if __name__ == "__main__":
    main(*sys.argv[1:])
