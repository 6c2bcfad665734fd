"""promote:ENV: the same digest, under the environment's tag, if its policy allows it. rollback:ENV: back again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from mlci import deploy as delivery
from mlci.errors import UsageError
from mlci.evidence import promotions, results
from mlci.evidence.receipt import Finding, Material, Receipt
from mlci.steps import policy, told
from mlci.steps.attached import sign
from mlci.steps.protocol import Context, Inputs, Result
from mlci.store import NotFound, Store


@dataclass(frozen=True)
class Promote:
    """Promote the built image, or what `source` names: a tag, an environment or a digest.

    `again` allows what a person has rolled back.
    """

    environment: str
    source: str | None = None
    again: bool = False
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
        if ctx.images.resolve(self.environment) != digest:
            return None
        held = [r for r in results.on(ctx.images, digest) if r.step == self.name and r.verdict == "pass"]
        if not held or not self._judged(ctx, digest).allowed:
            return None
        return held[-1]

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        digest = inputs.materials[0].digest
        judged = self._judged(ctx, digest)
        denied = [reason for reason in judged.reasons if not reason.ok]
        facts = {
            "environment": self.environment,
            "digest": digest,
            "previous": ctx.images.resolve(self.environment),
            **judged.facts,
        }
        if denied:
            return Result(
                verdict="fail",
                summary="; ".join(f"{reason.rule}: {reason.detail}" for reason in denied),
                subjects={"image": digest},
                facts=facts,
                findings=tuple(Finding("error", f"{r.rule} is required", r.detail) for r in denied),
            )
        number = promotions.number_for(ctx.images, self.environment, digest)
        return Result(
            verdict="pass",
            summary=f"{promotions.numbered(self.environment, number)} is {digest[:19]}",
            subjects={"image": digest},
            facts={**facts, "number": number, "kind": "promotion", "why": "promoted"},
        )

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """Move the tag, with the receipt on the digest."""
        if receipt.verdict == "pass" and ctx.images.resolve(self.environment) != receipt.subjects["image"]:
            with told.following(ctx, self.environment):
                promotions.record(ctx.images, self.environment, receipt)
        if receipt.verdict == "pass":
            sign(ctx, receipt, receipt.subjects["image"])

    def _judged(self, ctx: Context, digest: str) -> policy.Judged:
        place = partial(_place, ctx)
        return policy.judge(
            ctx.project, ctx.images, self.environment, digest, place=place, again=self.again, say=ctx.say
        )

    def _digest(self, ctx: Context) -> str:
        if self.source is None:
            return ctx.upstream["build"].subjects["image"]
        try:
            return results.digest_of(ctx.images, self.source)
        except NotFound as error:
            raise UsageError(
                f"nothing to promote to {self.environment}: "
                + (
                    "no image was built yet" if self.source == "latest" else f"there is no {self.source!r} in the store"
                ),
                help="`mlci run` builds an image; `mlci history` lists what there is",
            ) from error


def _place(ctx: Context, _environment: str) -> Store:
    return ctx.images


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
        number = promotions.number_for(ctx.images, self.environment, target.digest)
        return Result(
            verdict="pass",
            summary=f"{promotions.numbered(self.environment, number)} is number {target.number} again",
            subjects={"image": target.digest},
            facts={
                "environment": self.environment,
                "digest": target.digest,
                "previous": ctx.images.resolve(self.environment),
                "reasons": [],
                "number": number,
                "kind": "rollback",
                "restores": target.facts.get("restores", target.number),
                "why": f"rolled back to number {target.number}",
            },
        )

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """Move the tag, with the receipt on the digest."""
        with told.following(ctx, self.environment):
            promotions.record(ctx.images, self.environment, receipt)
        sign(ctx, receipt, receipt.subjects["image"])

    def _target(self, ctx: Context) -> promotions.Promotion:
        past = promotions.history(ctx.images, self.environment)
        if self.to is not None:
            target = next((p for p in past if p.number == self.to), None)
        elif past and past[-1].facts.get("kind") == "rollback" and not self._serves(ctx, past[-1].digest):
            target = past[-1]  # the rollback before this one did not get through: it is finished, not repeated
        else:
            target = promotions.before(ctx.images, self.environment, deploys=self._deploys(ctx))
        if target is None:
            what = f"number {self.to}" if self.to else "an earlier digest that served well"
            raise UsageError(
                f"cannot roll back {self.environment}: its history has not {what}",
                help=f"`mlci history {self.environment}` lists what was there",
            )
        return target

    def _deploys(self, ctx: Context) -> bool:
        return ctx.project.config.environments[self.environment].deploy is not None

    def _serves(self, ctx: Context, digest: str) -> bool:
        now = delivery.status(ctx.home / "deploy" / self.environment) if self._deploys(ctx) else None
        return now.digest == digest if now else not self._deploys(ctx)
