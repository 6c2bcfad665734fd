"""What one `mlci run` did: its steps in order, each with its receipt. The report draws it, `status` prints it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mlci.evidence.receipt import Receipt

Status = Literal["pass", "fail", "rolled-back", "error", "skipped"]


@dataclass(frozen=True)
class StepRecord:
    """One step of a run. `name` is unique (`validate:train`), `after` names the steps it waited for.

    `origin` is the shared store that a reused result was taken from in this run; empty for one that was known here.
    """

    name: str
    after: tuple[str, ...]
    status: Status
    reused: bool
    seconds: float
    summary: str
    receipt: Receipt | None = None
    help: str = ""
    origin: str = ""


@dataclass(frozen=True)
class Run:
    """One run. Times are UTC in RFC 3339; `exit_code` is the one that the process ended with."""

    id: str
    project: str
    command: str
    started: str
    finished: str
    exit_code: int
    steps: tuple[StepRecord, ...]

    def to_bytes(self) -> bytes:
        """The run as JSON, each receipt as its statement."""
        raw = asdict(self)
        for step, record in zip(raw["steps"], self.steps, strict=True):
            step["receipt"] = json.loads(record.receipt.to_bytes()) if record.receipt else None
        return json.dumps(raw, sort_keys=True, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Run:
        """Read what `to_bytes` wrote."""
        run: dict[str, Any] = json.loads(raw)
        run["steps"] = tuple(_step(step) for step in run["steps"])
        return cls(**run)


def _step(raw: dict[str, Any]) -> StepRecord:
    statement = raw["receipt"]
    receipt = Receipt.from_bytes(json.dumps(statement).encode()) if statement else None
    return StepRecord(**{**raw, "after": tuple(raw["after"]), "receipt": receipt})
