"""promote:ENV: the same digest, under the environment's tag, if its policy allows it. rollback:ENV: back again."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from mlci.config.model import Environment
from mlci.errors import UsageError
from mlci.evidence import policy, promotions, provenance, results
from mlci.evidence.receipt import Finding, Material, Receipt
from mlci.steps.protocol import Context, Inputs, Result


@dataclass(frozen=True)
class Promote:
    """Promote the built image, or what `source` names: a tag, an environment or a digest."""

    environment: str
    source: str | None = None
    after: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"promote:{self.environment}"

    def inputs(self, ctx: Context) -> Inputs:
        config = ctx.project.config.environments[self.environment]
        declared = {"requires": list(config.requires), "soak": config.soak}
        return Inputs(declared, (Material("image", self._digest(ctx), self.source or "build"),))

    def done(self, ctx: Context, inputs: Inputs) -> Receipt | None:
        """Already there: the environment's tag is on the digest, and the policy still holds."""
        digest = inputs.materials[0].digest
        if ctx.store.resolve(self.environment) != digest:
            return None
        held = [r for r in results.on(ctx.store, digest) if r.step == self.name and r.verdict == "pass"]
        if not held or not all(reason.ok for reason in _reasons(ctx, self.environment, digest)):
            return None
        return held[-1]

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        digest = inputs.materials[0].digest
        reasons = _reasons(ctx, self.environment, digest)
        denied = [reason for reason in reasons if not reason.ok]
        facts = {
            "environment": self.environment,
            "digest": digest,
            "previous": ctx.store.resolve(self.environment),
            "reasons": [asdict(reason) for reason in reasons],
        }
        if denied:
            return Result(
                verdict="fail",
                summary="; ".join(f"{reason.rule}: {reason.detail}" for reason in denied),
                subjects={"image": digest},
                facts=facts,
                findings=tuple(Finding("error", f"{r.rule} is required", r.detail) for r in denied),
            )
        number = promotions.next_number(ctx.store, self.environment)
        return Result(
            verdict="pass",
            summary=f"{promotions.numbered(self.environment, number)} is {digest[:19]}",
            subjects={"image": digest},
            facts={**facts, "number": number, "why": "promoted"},
        )

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """Move the tag, with the receipt on the digest."""
        if ctx.store.resolve(self.environment) != receipt.subjects["image"]:
            promotions.record(ctx.store, self.environment, receipt)

    def _digest(self, ctx: Context) -> str:
        if self.source is None:
            return ctx.upstream["build"].subjects["image"]
        digest = ctx.store.resolve(self.source) if not self.source.startswith("sha256:") else self.source
        if digest is None:
            raise UsageError(
                f"nothing to promote to {self.environment}: there is no {self.source!r} in the store",
                help="`mlci run` builds an image; `mlci history` lists what there is",
            )
        return ctx.store.get_manifest(digest).digest


@dataclass(frozen=True)
class Rollback:
    """Put the environment's tag back on a digest that was there before."""

    environment: str
    to: int | None = None
    after: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"rollback:{self.environment}"

    def inputs(self, ctx: Context) -> Inputs:
        target = self._target(ctx)
        return Inputs({"to": target.number}, (Material("image", target.digest, "history"),))

    def done(self, ctx: Context, inputs: Inputs) -> Receipt | None:
        """A rollback is asked for, never reused."""
        return None

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        target = self._target(ctx)
        number = promotions.next_number(ctx.store, self.environment)
        return Result(
            verdict="pass",
            summary=f"{promotions.numbered(self.environment, number)} is number {target.number} again",
            subjects={"image": target.digest},
            facts={
                "environment": self.environment,
                "digest": target.digest,
                "previous": ctx.store.resolve(self.environment),
                "reasons": [],
                "number": number,
                "restores": target.number,
                "why": f"rolled back to number {target.number}",
            },
        )

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """Move the tag, with the receipt on the digest."""
        promotions.record(ctx.store, self.environment, receipt)

    def _target(self, ctx: Context) -> promotions.Promotion:
        if self.to is None:
            target = promotions.before(ctx.store, self.environment)
        else:
            past = promotions.history(ctx.store, self.environment)
            target = next((p for p in past if p.number == self.to), None)
        if target is None:
            what = f"number {self.to}" if self.to else "an earlier digest that served well"
            raise UsageError(
                f"cannot roll back {self.environment}: its history has not {what}",
                help=f"`mlci history {self.environment}` lists what was there",
            )
        return target


def _reasons(ctx: Context, environment: str, digest: str) -> list[policy.Reason]:
    config: dict[str, Environment] = ctx.project.config.environments
    before = tuple(name for name in config if name != environment and name in config[environment].requires)
    rule = policy.Rule(
        requires=config[environment].requires,
        environments=before,
        deployed=frozenset(name for name in before if config[name].deploy),
        soak=config[environment].soak,
    )
    return policy.decide(rule, results.on(ctx.store, digest), provenance.now())
