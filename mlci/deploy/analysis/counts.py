"""What was counted in one poll: both versions over the same short time, at the same load."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """A 2×2 table of one poll: requests and failures of the canary and of the stable version."""

    canary: int
    canary_failed: int
    stable: int
    stable_failed: int

    def __add__(self, other: Table) -> Table:
        return Table(
            self.canary + other.canary,
            self.canary_failed + other.canary_failed,
            self.stable + other.stable,
            self.stable_failed + other.stable_failed,
        )


@dataclass(frozen=True)
class Tally:
    """What one version did in one poll.

    `latency` counts its answers by bucket (see `Counts`) and `predictions` by bin or class, in whole answers;
    `failed_users` counts the users whose first error of the whole deployment this poll saw, `users` those whose first
    request it saw, and `greeted_badly` those of them whose first request failed.
    """

    requests: int = 0
    errors: int = 0
    latency: tuple[int, ...] = ()
    predictions: tuple[int, ...] = ()
    failed_users: int = 0
    users: int = 0
    greeted_badly: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.requests + other.requests,
            self.errors + other.errors,
            _sum(self.latency, other.latency),
            _sum(self.predictions, other.predictions),
            self.failed_users + other.failed_users,
            self.users + other.users,
            self.greeted_badly + other.greeted_badly,
        )


@dataclass(frozen=True)
class Counts:
    """One poll of `seconds`: both versions over the same time, or None where nothing could be read.

    `bounds` are the upper bounds of the latency buckets in seconds, as many as a tally has. `pairs` are requests that
    both versions answered, and those of them that they answered differently. `values` are the numbers of a metric
    that `analysis.metrics` names, of the canary and of stable: single ones, or one mean of the poll. `share` is the
    canary's share of the users, for sticky routing. `silent` are the metrics that cannot be read now, and why.
    """

    seconds: float
    stable: Tally | None
    canary: Tally | None
    bounds: tuple[float, ...] = ()
    pairs: tuple[int, int] = (0, 0)
    values: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = field(default_factory=dict)
    share: float | None = None
    silent: dict[str, str] = field(default_factory=dict)

    def __add__(self, other: Counts) -> Counts:
        """Both polls as one; only for polls at the same share, of which neither is missing."""
        if self.stable is None or self.canary is None or other.stable is None or other.canary is None:
            raise ValueError("a poll without counts cannot be added")
        nothing: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
        values = {}
        for name in {**self.values, **other.values}:
            (a, b), (c, d) = self.values.get(name, nothing), other.values.get(name, nothing)
            values[name] = (a + c, b + d)
        return Counts(
            self.seconds + other.seconds,
            self.stable + other.stable,
            self.canary + other.canary,
            other.bounds or self.bounds,
            (self.pairs[0] + other.pairs[0], self.pairs[1] + other.pairs[1]),
            values,
            other.share if self.share is None else self.share,
            other.silent,
        )

    @property
    def table(self) -> Table:
        """Requests and errors."""
        stable, canary = self.stable or Tally(), self.canary or Tally()
        return Table(canary.requests, canary.errors, stable.requests, stable.errors)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Counts:
        """What `dataclasses.asdict` gave, after JSON made lists of its tuples."""

        def tally(found: dict[str, Any] | None) -> Tally | None:
            plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in (found or {}).items()}
            return Tally(**plain) if found else None

        values = {name: (tuple(one), tuple(other)) for name, (one, other) in raw["values"].items()}
        pairs = (raw["pairs"][0], raw["pairs"][1])
        tallies = tally(raw["stable"]), tally(raw["canary"])
        return cls(raw["seconds"], *tallies, tuple(raw["bounds"]), pairs, values, raw["share"], raw["silent"])


def _sum(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """Bin by bin; a poll in which nothing of the kind was read counts nothing."""
    return tuple(map(sum, zip(one, other, strict=True))) if one and other else one or other
