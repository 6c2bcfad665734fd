"""How often these rows were looked at before: the best of many models looks better than it is.

A bound at 95 % is wrong for one model in twenty. Who tries models on the same rows until one passes finds that one:
each interval is honest, the choice among them is not. That cannot be computed away afterwards, so it is counted and
said. The reach of luck is the expected largest of as many standard normals (Blom 1958, Statistical Estimates and
Transformed Beta-Variables); models that are alike are luckier together, so it is the most that choosing explains.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any


@dataclass(frozen=True)
class Holdout:
    """The rows by digest, how many different models they have judged, and those that the champion came through.

    `champion_judged_on` is None where there is no champion, or it came without a gate.
    """

    digest: str
    models: int
    champion_judged_on: str | None = None

    def facts(self) -> dict[str, Any]:
        """As it stands in the receipt."""
        before = self.champion_judged_on
        same = None if before is None else before == self.digest
        return {"digest": self.digest, "champion_judged_on": before, "same": same, "models": self.models}

    @property
    def changed(self) -> str:
        """That the champion came through other rows, in a sentence; empty where it did not."""
        if self.champion_judged_on in (None, self.digest):
            return ""
        then = (self.champion_judged_on or "")[:19]
        return (
            f"the champion came through another holdout ({then}, now {self.digest[:19]}): it is judged again on this "
            "one, beside the challenger, so its numbers are not those of its own receipt"
        )

    @property
    def looks(self) -> str:
        """How many models were judged on these rows, and what that does to the best of them."""
        if self.models < 2:
            return "this is the first model that is judged on this holdout"
        return (
            f"{self.models:,} different models were judged on this holdout: "
            f"the best of so many looks better than it is, by up to {reach(self.models):.1f} standard errors"
        )

    def worn(self, confidence: float) -> str:
        """The same with what to do, from where luck reaches as far as the bound at `confidence`; before that empty."""
        if reach(self.models) < NormalDist().inv_cdf(confidence):
            return ""
        bound = f"{100 * confidence:.10g} %"
        return (
            f"{self.looks}, which is as far as a bound at {bound} reaches; rows that no model was chosen by would tell"
        )


def reach(models: int) -> float:
    """How far above the truth, in standard errors, the luckiest of so many equal models is expected to look."""
    return NormalDist().inv_cdf((models - 0.375) / (models + 0.25)) if models > 1 else 0.0
