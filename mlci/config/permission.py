"""The keys of an environment that ask for people and for the right moment."""

from __future__ import annotations

from dataclasses import dataclass

from mlci.config.keys import Moment, Names, Weekly, Zone, key


@dataclass(frozen=True, kw_only=True)
class Approvals:
    """People who must say yes, each with a signature of their own (`mlci approve`)."""

    count: int = key("How many of them.", 1, minimum=0)
    by: Names = key("Names of `signing.signers`; left out: all but those of `signed_by`.", ())


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """A time in which nothing new comes."""

    weekly: Weekly | None = key("Each week, such as `fri 16:00 - mon 08:00` or `sat - sun`.", None)
    zone: Zone = key("The time zone of `weekly`, such as `Europe/Berlin`.", "UTC")
    start: Moment | None = key("From this moment on: `2026-12-20T18:00Z`, or a date (its beginning in UTC).", None)
    end: Moment | None = key("Until this moment.", None)
    why: str | None = key("What is said to whom it stops.", None)
