"""What the page says of each kind of step. A new kind is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from mlci.evidence.record import StepRecord
from mlci.report.markup import Markup
from mlci.report.sections.build import build
from mlci.report.sections.deploy import deploy
from mlci.report.sections.gate import gate
from mlci.report.sections.promote import promote
from mlci.report.sections.train import train
from mlci.report.sections.validate import validate

BODIES: dict[str, Callable[[StepRecord], Markup]] = {
    "validate": validate,
    "train": train,
    "gate": gate,
    "build": build,
    "promote": promote,
    "rollback": promote,
    "deploy": deploy,
}
"""By kind of step: what was found, as HTML. Each takes any facts, also none."""
