"""The official suite by another validator. `python suite.py TOOL FOLDER PART…`; prints its scores of each part.

TOOL is `jsonschema-rs`, `jsonschema`, `fastjsonschema` or `pointblank`; nothing is fetched. Pointblank checks tables,
so the tests whose instance is a scalar, and not null, are its: the one optional column of a frame of one row.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

Judge = Callable[[Any, bool], Callable[[Any], bool]]
"""From a schema, and whether formats are asserted, to what says whether an instance is valid."""


def with_jsonschema_rs(schema: Any, formats: bool) -> Callable[[Any], bool]:
    import jsonschema_rs

    options = {"validate_formats": formats, "ignore_unknown_formats": True, "retriever": _refuse}
    return jsonschema_rs.Draft202012Validator(schema, **options).is_valid


def with_jsonschema(schema: Any, formats: bool) -> Callable[[Any], bool]:
    from jsonschema import Draft202012Validator

    checker = Draft202012Validator.FORMAT_CHECKER if formats else None
    return Draft202012Validator(schema, format_checker=checker).is_valid


def with_fastjsonschema(schema: Any, formats: bool) -> Callable[[Any], bool]:
    import fastjsonschema

    validate = fastjsonschema.compile(schema, {"http": _refuse, "https": _refuse}, use_formats=formats)

    def judge(instance: Any) -> bool:
        try:
            validate(instance)
        except fastjsonschema.JsonSchemaValueException:
            return False
        return True

    return judge


def with_pointblank(schema: Any, formats: bool) -> Callable[[Any], bool]:
    import pointblank as pb
    import polars as pl

    if not formats and isinstance(schema, dict):
        schema = {name: value for name, value in schema.items() if name != "format"}
    imported = pb.import_contract({"type": "object", "properties": {"x": schema}}, format="json_schema")

    def judge(instance: Any) -> bool:
        found = imported.to_validate(pl.DataFrame({"x": [instance]})).interrogate()
        if any(step.eval_error for step in found.validation_info):
            raise ValueError("a step that could not be run")
        return found.all_passed()

    return judge


TOOLS: dict[str, Judge] = {
    "jsonschema-rs": with_jsonschema_rs,
    "jsonschema": with_jsonschema,
    "fastjsonschema": with_fastjsonschema,
    "pointblank": with_pointblank,
}


def main(tool: str, folder: str, *parts: str) -> None:
    print(json.dumps({part: _scores(tool, Path(folder, part), part == "optional/format") for part in parts}))


def _scores(tool: str, folder: Path, formats: bool) -> Counter[str]:
    found = Counter[str]()
    for file in sorted(folder.glob("*.json")):
        for group in json.loads(file.read_text(encoding="utf-8")):
            tests = [test for test in group["tests"] if tool != "pointblank" or _flat(test["data"])]
            found.update(_said(TOOLS[tool], group["schema"], formats, test) for test in tests)
    return found


def _flat(instance: Any) -> bool:
    return not isinstance(instance, (list, dict)) and instance is not None


def _said(tool: Judge, schema: Any, formats: bool, test: dict[str, Any]) -> str:
    try:
        valid = tool(schema, formats)(test["data"])
    except BaseException:  # a panic of Rust's is no Exception
        return "error"
    if valid == test["valid"]:
        return "right"
    return "accepted" if valid else "rejected"


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is not fetched")


if __name__ == "__main__":
    main(*sys.argv[1:])
