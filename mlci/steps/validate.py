"""validate:NAME: do the rows of a dataset keep their contract?"""

from __future__ import annotations

from dataclasses import dataclass

from mlci import contract
from mlci.evidence import results
from mlci.evidence.receipt import Finding, Receipt
from mlci.steps.files import combined, expand, materials
from mlci.steps.protocol import Context, Inputs, Result


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
        return results.find(ctx.store, self.name, inputs.key(self.name))

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        dataset = ctx.project.config.data[self.dataset]
        assert dataset.contract is not None
        rows = expand(ctx.project, dataset.path, ("data", self.dataset, "path"))
        report = contract.validate(rows, contract.load(ctx.project.root / dataset.contract))
        for line in contract.render(report, color=False).splitlines():
            ctx.say(line)
        data = [m for m in inputs.materials if m.via != "contract"]
        return Result(
            verdict="pass" if report.passed else "fail",
            summary=report.summary,
            subjects={f"data:{self.dataset}": combined(data)},
            facts=report.facts(),
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
