"""`mlci audit ENV`: whether an environment's history holds, and the records themselves for those who keep them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from mlci.cli.common import State, policy_option, project_options
from mlci.cli.environments import check
from mlci.errors import OK, VERDICT

if TYPE_CHECKING:
    from mlci.evidence.audit import Audit
    from mlci.evidence.signing import Trusted

_COLUMNS = "environment number kind digest from until who signer why commit previous restores statement before problems"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("environment", metavar="ENV")
    @click.option("--all", "every", is_flag=True, help="Ask for every tag and image, not only for the newest.")
    @click.option(
        "--rebuild", is_flag=True, help="Put a log that is gone together again, from the records on the images."
    )
    @click.option("--csv", "form", flag_value="csv", help="Print the records as CSV.")
    @click.option("--jsonl", "form", flag_value="jsonl", help="Print the records as JSON, one in a line.")
    @policy_option
    @project_options
    @click.pass_obj
    def audit(
        state: State,
        environment: str,
        every: bool,
        rebuild: bool,
        form: str | None,
        overrides: tuple[str, ...],
        as_json: bool,
    ) -> int:
        from mlci.cli.verify import place_of
        from mlci.evidence.audit import audit
        from mlci.evidence.protected import protected
        from mlci.evidence.signing import trusted

        project = state.project(overrides)
        check(project, environment)
        with protected(project) as from_:
            signers = trusted(from_.project)
            if rebuild:
                from mlci.evidence import rebuild as again

                count = again.rebuild(place_of(project)(environment), environment, signers)
                click.echo(f"{environment}: a log of {count:,} records is there again", err=True)
            found = audit(place_of(project)(environment), environment, signers, all=every)
        if form:
            click.echo(_csv(found) if form == "csv" else _lines(found), nl=False)
        elif as_json:
            click.echo(json.dumps(_document(found), indent=2))
        else:
            _print(found, signers)
        for flaw in found.flaws if form else ():
            click.echo(f"{flaw.where}: {flaw.what}", err=True)
        return OK if found.holds else VERDICT

    return audit


def _records(found: Audit) -> list[dict[str, Any]]:
    from mlci.cli.moves import rows

    wrong: dict[str, list[str]] = {}
    for flaw in found.flaws:
        wrong.setdefault(flaw.where, []).append(flaw.what)
    return [
        {**row, "problems": wrong.get(f"record {row['number']}", [])} for row in rows(found.environment, found.entries)
    ]


def _document(found: Audit) -> dict[str, Any]:
    return {
        "environment": found.environment,
        "ok": found.holds,
        "problems": [{"where": flaw.where, "what": flaw.what} for flaw in found.flaws],
        "looked": {"records": len(found.entries), "tags": found.tags, "images": found.images},
        "records": _records(found),
    }


def _lines(found: Audit) -> str:
    return "".join(json.dumps(row, sort_keys=True, separators=(",", ":")) + "\n" for row in _records(found))


def _csv(found: Audit) -> str:
    import csv
    import io

    out, columns = io.StringIO(), _COLUMNS.split()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in _records(found):
        row["problems"] = "; ".join(row["problems"])
        writer.writerow([_cell(row[column]) for column in columns])
    return out.getvalue()


def _cell(value: Any) -> str:
    """A text that a spreadsheet takes for a text, whoever wrote it."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _print(found: Audit, trusted: Trusted) -> None:
    signed = sum(entry.signer is not None for entry in found.entries)
    who = f"{signed:,} signed by {' or '.join(trusted.signers)}" if trusted.signers else "no signers are known to check"
    click.echo(f"{found.environment}: {len(found.entries):,} records, {who}")
    click.echo(f"asked what {found.tags:,} numbered tags are, and for the records on {found.images:,} images")
    for flaw in found.flaws:
        click.secho(f"{flaw.where}: {flaw.what}", fg="red")
    click.echo(f"{len(found.flaws):,} things do not hold" if found.flaws else "everything holds")
