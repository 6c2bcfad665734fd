"""validate:NAME: do the rows of a dataset keep their contract, and are they apart from those of other datasets?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mlci import contract
from mlci.contract import table
from mlci.contract.report import from_facts
from mlci.errors import ConfigError
from mlci.evidence import results
from mlci.evidence.receipt import Finding, Receipt
from mlci.steps import apart, parts
from mlci.steps.files import combined, expand, materials, relative
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
        files += [(p, "contract") for p in apart.contracts(ctx.project, self.dataset)]
        files += [(p, "a rule of the contract") for p in table.files(contract.load(self._contract(ctx)))]
        if not dataset.splits:
            return Inputs({"path": dataset.path}, materials(ctx.project, ctx.home, files))
        if wrong := list(apart.lacking(ctx.project, self.dataset)):
            raise ConfigError(wrong)
        others = apart.others(ctx.project, self.dataset)
        for name, paths in others.items():
            files += [(p, f"data {name}") for p in paths]
            files += [(p, "contract") for p in apart.contracts(ctx.project, name)]
        config = {
            "path": dataset.path,
            "splits": [asdict(split) for split in dataset.splits],
            # a file of both is one material: which dataset has which files is a part of the key
            "others": {name: [relative(ctx.project, p) for p in paths] for name, paths in others.items()},
        }
        return Inputs(config, materials(ctx.project, ctx.home, files))

    def done(self, ctx: Context, inputs: Inputs) -> Receipt | None:
        """A failure that is kept says again what is wrong. Whether data is fresh is asked anew each time."""
        if table.has_freshness(contract.load(self._contract(ctx))):
            return None
        receipt = results.find(ctx.store, self.name, inputs.key(self.name))
        if receipt and receipt.verdict == "fail":
            _say(ctx, from_facts(receipt.facts, self._contract(ctx)), receipt.facts.get("since"))
        return receipt

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        dataset = ctx.project.config.data[self.dataset]
        rows = expand(ctx.project, dataset.path, ("data", self.dataset, "path"))
        rules = contract.load(self._contract(ctx))
        memory = parts.Memory.of(ctx.store, self.name, inputs.materials, ctx.project, table.files(rules))
        report = contract.validate(rows, rules, known={} if ctx.force else memory.known(rows))
        kept = memory.keep(report.parts)
        if dataset.splits:
            others = apart.others(ctx.project, self.dataset)
            masked = apart.sensitive(ctx.project, self.dataset, *others)
            lines = apart.lines(ctx.project, self.dataset)
            found = contract.splits(rows, others, dataset.splits, sensitive=masked, lines=lines)
            placed = (replace(v, where=ctx.project.file.name) for v in found)
            report = replace(report, violations=(*report.violations, *placed))
        since = explain(ctx, self.name, inputs.materials, report)
        told = since.facts() if since else None
        _say(ctx, report, told)
        data = [m for m in inputs.materials if m.via == f"data {self.dataset}"]
        return Result(
            outputs=(kept,),
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
