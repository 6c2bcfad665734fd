"""An environment's records as rows: for `mlci history ENV` and `mlci audit ENV`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlci.errors import UsageError

if TYPE_CHECKING:
    from mlci.config import Project
    from mlci.evidence.log import Entry
    from mlci.evidence.signing import Trusted


def rows(environment: str, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """What was there from when to when, who moved it, why, on what evidence; oldest first."""
    ends = [*(entry.receipt.finished for entry in entries[1:]), None]
    return [_row(environment, entry, end) for entry, end in zip(entries, ends, strict=bool(entries))]


def _row(environment: str, entry: Entry, until: str | None) -> dict[str, Any]:
    from mlci.evidence.promotions import who

    facts = entry.facts
    return {
        "environment": environment,
        "number": entry.number,
        "kind": facts["kind"],
        "digest": entry.digest,
        "from": entry.receipt.finished,
        "until": until,
        "who": who(entry.receipt),
        "signer": entry.signer,
        "why": facts["why"],
        "commit": entry.receipt.source.get("commit"),
        "previous": facts.get("previous"),
        "restores": facts.get("restores"),
        "reasons": facts.get("reasons", []),
        "evidence": facts.get("evidence", {}),
        "statement": entry.statement,
        "before": facts.get("before"),
    }


def at(found: Sequence[dict[str, Any]], moment: str) -> list[dict[str, Any]]:
    """The rows of a moment (RFC 3339), or of a day (2026-03-01, in UTC): all that was there then."""
    from mlci.evidence.log import moment as read

    try:
        day = len(moment) == len("2026-03-01")
        since = read(f"{moment}T00:00:00Z" if day else moment)
    except ValueError as error:
        raise UsageError(f"{moment!r} is no time", help="2026-03-01, or 2026-03-01T14:30:00Z") from error
    until = since + timedelta(days=1) if day else since
    return [row for row in found if _overlaps(row, since, until)]


def _overlaps(row: dict[str, Any], since: datetime, until: datetime) -> bool:
    from mlci.evidence.log import moment

    begin = moment(row["from"])
    return (begin < until or begin == since) and (row["until"] is None or moment(row["until"]) > since)


def signers(project: Project) -> Trusted | None:
    """Whose signatures count, for showing who signed; None where no keys are known, or one cannot be read."""
    from mlci.errors import WorldError
    from mlci.evidence.signing import trusted

    try:
        known = trusted(project)
    except WorldError:
        return None
    return known if known.signers else None
