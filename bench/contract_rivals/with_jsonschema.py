"""jsonschema, row by row. `python with_jsonschema.py FILE SCHEMA`; prints how many rows break which rule."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from parquet_rows import named, report


def main(file: str, schema: str) -> None:
    formats = Draft202012Validator.FORMAT_CHECKER
    validator = Draft202012Validator(json.loads(Path(schema).read_text()), format_checker=formats)

    def broken(row: dict[str, Any]) -> Iterator[str]:
        for error in validator.iter_errors(row):
            yield named(error.absolute_path[0], error.validator, error.instance)

    report(file, broken)


if __name__ == "__main__":
    main(*sys.argv[1:])
