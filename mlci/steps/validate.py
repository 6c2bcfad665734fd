"""validate:NAME: do the rows of a dataset keep their contract?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci import contract
from mlci.contract.report import from_facts
from mlci.evidence import results
from mlci.evidence.receipt import Finding, Receipt
from mlci.steps.files import combined, expand, materials
from mlci.steps.protocol import Context, Inputs, Result
from mlci.steps.since import explain


@dataclass(frozen=True)
class Validate:
    """Judge one dataset."""

    dataset: str
    after: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"validate:{self.dataset}"

    def inputs(self, ctx: Context) -> Inputs:
        dataset = ctx.project.config.data[self.dataset]
        where = ("data", self.dataset)
        files = [(p, f"data {self.dataset}") for p in expand(ctx.project, dataset.path, (*where, "path"))]
        assert dataset.contract is not None
        files += [(p, "contract") for p in expand(ctx.project, dataset.contract, (*where, "contract"))]
        return Inputs({"path": dataset.path}, materials(ctx.project, ctx.home, files))

    def done(self, ctx: Context, inputs: Inputs) -> Receipt | None:
        """A failure that is kept says again what is wrong."""
        receipt = results.find(ctx.store, self.name, inputs.key(self.name))
        if receipt and receipt.verdict == "fail":
            _say(ctx, from_facts(receipt.facts, self._contract(ctx)), receipt.facts.get("since"))
        return receipt

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        dataset = ctx.project.config.data[self.dataset]
        rows = expand(ctx.project, dataset.path, ("data", self.dataset, "path"))
        report = contract.validate(rows, contract.load(self._contract(ctx)))
        since = explain(ctx, self.name, inputs.materials, report)
        told = since.facts() if since else None
        _say(ctx, report, told)
        data = [m for m in inputs.materials if m.via != "contract"]
        return Result(
            verdict="pass" if report.passed else "fail",
            summary=report.summary,
            subjects={f"data:{self.dataset}": combined(data)},
            facts={**report.facts(), "since": told},
            findings=tuple(
                Finding(
                    "error" if v.blocks else "warning",
                    f"{v.column}: {v.rule} {v.expected}".strip(),
                    v.found or f"{v.count:,} rows",
                )
                for v in report.violations
            ),
        )

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """Nothing more to do."""

    def _contract(self, ctx: Context) -> Path:
        file = ctx.project.config.data[self.dataset].contract
        assert file is not None
        return ctx.project.root / file


def _say(ctx: Context, report: contract.Report, since: Mapping[str, Any] | None) -> None:
    remarks = [rule["says"] for rule in since["rules"]] if since else []
    lines = contract.render(report, color=False, remarks=remarks).splitlines()
    for line in (*lines, *([since["says"]] if since else [])):
        ctx.say(line)
