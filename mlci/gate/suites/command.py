"""`command: PROGRAM …`: any program that reads tables and writes what it found as JSON.

It is told by environment variables where everything is (the table is in docs/suites.md), and writes to MLCI_FINDINGS
`{"checks": 12, "findings": [{"title": …, "severity": "error" | "warn" | "note", "detail": …, "checked": …}]}`, and a
page to MLCI_HTML if it likes. The findings decide; a program that ends with another code than 0 has crashed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlci import process
from mlci.config.judging import Suite as Options
from mlci.config.units import command as split
from mlci.errors import WorldError
from mlci.gate.suites.protocol import Found, Job, Outcome, Wants

_TEXT = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["checks", "findings"],
    "additionalProperties": False,
    "properties": {
        "checks": {"type": "integer", "minimum": 0},
        "findings": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["title", "severity"],
                "additionalProperties": False,
                "properties": {
                    "title": {"type": "string", "minLength": 1},
                    "severity": {"enum": ["error", "warn", "note"]},
                    "detail": _TEXT,
                    "checked": _TEXT,
                },
            },
        },
    },
}
"""What a program writes to MLCI_FINDINGS."""
_LARGEST = 32 << 20
_HELP = 'it is {"checks": NUMBER, "findings": [{"title": …, "severity": "error", "warn" or "note"}]}'


def mistake(argument: str, options: Options, task: str) -> tuple[str, str] | None:  # noqa: ARG001
    """No program, an open quote, or checks to skip, of which mlci knows nothing."""
    try:
        split(argument)
    except ValueError as error:
        return f"not a usable command: {error}", "Write `command: PROGRAM ARGUMENTS`."
    if options.skip:
        return "`skip` is for suites whose checks have names", "Tell the program by an argument what to leave out."
    return None


def identity(argument: str) -> str:  # noqa: ARG001
    """The command is in the config; the files that it names are inputs of the step."""
    return "command"


def wants(argument: str) -> Wants:  # noqa: ARG001
    """The training data where it is named, with predictions."""
    return Wants("named", predictions=True)


def run(job: Job) -> Outcome:
    """Run the program in the project's folder and read its findings."""
    findings, page = job.folder / "findings.json", job.folder / "page.html"
    env = {**job.env, **_told(job), "MLCI_FINDINGS": str(findings), "MLCI_HTML": str(page)}
    command = process.Command(split(job.argument), job.root, env, job.options.timeout, job.lock)
    process.run(command, log=job.log, say=job.say, stop=job.stop)
    mask = process.masker(env)
    if page.is_file():
        page.write_text(mask(page.read_text(encoding="utf-8", errors="replace")), encoding="utf-8")
    return read(findings, mask, page if page.is_file() else None)


def read(file: Path, mask: Any = str, page: Path | None = None) -> Outcome:
    """The findings in a file. Raises WorldError that names the place when they are not as they should be."""
    import jsonschema_rs

    try:
        if file.stat().st_size > _LARGEST:
            raise WorldError(f"its findings have more than {_LARGEST >> 20} MiB", help=_HELP)
        raw = json.loads(mask(file.read_bytes().decode("utf-8")))
    except FileNotFoundError:
        raise WorldError("it ended well but wrote no findings to $MLCI_FINDINGS", help=_HELP) from None
    except UnicodeDecodeError as error:
        raise WorldError(f"its findings are not UTF-8, at byte {error.start}", help=_HELP) from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise WorldError(f"its findings are not JSON, {where}: {error.msg}", help=_HELP) from error
    except (RecursionError, OSError) as error:
        raise WorldError(f"its findings cannot be read: {error}", help=_HELP) from error
    for wrong in jsonschema_rs.Draft202012Validator(SCHEMA).iter_errors(raw):
        where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in wrong.instance_path).lstrip(".")
        raise WorldError(f"its findings are wrong at {where or 'the top'}: {wrong.message}", help=_HELP)
    return Outcome(tuple(Found(**one) for one in raw["findings"]), raw["checks"], page)


def _told(job: Job) -> dict[str, str]:
    columns = {name: getattr(job.columns, name) for name in ("id", "label", "score", "prediction")}
    told = {
        "MLCI_HOLDOUT": str(job.holdout.table),
        "MLCI_PREDICTIONS": str(job.holdout.predictions),
        "MLCI_COLUMNS": json.dumps(columns),
        "MLCI_TASK": job.task,
    }
    if job.train is not None:
        told["MLCI_TRAIN"] = str(job.train.table)
        told["MLCI_TRAIN_PREDICTIONS"] = str(job.train.predictions)
    return told
