"""fastjsonschema, row by row. `python with_fastjsonschema.py FILE SCHEMA`; prints how many rows break which rule."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastjsonschema
from parquet_rows import named, report


def main(file: str, schema: str) -> None:
    validate = fastjsonschema.compile(json.loads(Path(schema).read_text()))

    def broken(row: dict[str, Any]) -> Iterator[str]:
        try:
            validate(row)
        except fastjsonschema.JsonSchemaValueException as error:
            yield named(error.path[1], error.rule, error.value)

    report(file, broken)


if __name__ == "__main__":
    main(*sys.argv[1:])
