"""promote:ENV: the same digest, under the environment's tag, if its policy allows it. rollback:ENV: back again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from mlci import deploy as delivery
from mlci.errors import UsageError, WorldError
from mlci.evidence import promotions, results, signing
from mlci.evidence.log import Entry
from mlci.evidence.receipt import Finding, Material, Receipt
from mlci.steps import policy, told
from mlci.steps.attached import move, sign
from mlci.steps.protocol import Context, Inputs, Result
from mlci.store import NotFound, Store
from mlci.store.closure import absent


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
        head = promotions.head(ctx.images, self.environment)
        if head is None or head.digest != digest:
            return None
        return head.receipt if self._judged(ctx, digest).allowed else None

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        digest = inputs.materials[0].digest
        judged = self._judged(ctx, digest)
        denied = [reason for reason in judged.reasons if not reason.ok]
        facts = {**promotions.place(ctx.images, self.environment), "digest": digest, **judged.facts}
        if denied:
            return Result(
                verdict="fail",
                summary="; ".join(f"{reason.rule}: {reason.detail}" for reason in denied),
                subjects={"image": digest},
                facts=facts,
                findings=tuple(Finding("error", f"{r.rule} is required", r.detail) for r in denied),
            )
        return Result(
            verdict="pass",
            summary=f"{promotions.numbered(self.environment, facts['number'])} is {digest[:19]}",
            subjects={"image": digest},
            facts={**facts, "kind": "promotion", "why": "promoted"},
        )

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """Into the environment's log; the tags follow, and the record on the image."""
        if receipt.verdict == "pass":
            with told.following(ctx, self.environment):
                move(ctx, self.environment, receipt)
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
        return Inputs({"to": target.number}, (Material("image", str(target.digest), "history"),))

    def done(self, ctx: Context, inputs: Inputs) -> Receipt | None:
        """A rollback is asked for, never reused; one that a kill has stopped, or that is there already, is finished."""
        head = promotions.head(ctx.images, self.environment)
        return head.receipt if head and head.number == inputs.config["to"] else None

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        target = self._target(ctx)
        digest = str(target.digest)
        gone = absent(ctx.images, digest)
        if gone:
            raise WorldError(
                f"cannot roll back {self.environment} to number {target.number}: of {digest} the store has not"
                f" {', '.join(gone[:3])} any more",
                help=f"nothing was changed; `mlci rollback {self.environment} --to N` takes another one of its history",
            )
        place = promotions.place(ctx.images, self.environment)
        return Result(
            verdict="pass",
            summary=f"{promotions.numbered(self.environment, place['number'])} is number {target.number} again",
            subjects={"image": digest},
            facts={
                **place,
                "digest": digest,
                "reasons": [],
                "evidence": {},
                "kind": "rollback",
                "restores": target.facts.get("restores") or target.number,
                "why": f"rolled back to number {target.number}",
            },
        )

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """Into the environment's log, whatever the key says; the tags follow, and the record on the image."""
        with told.following(ctx, self.environment):
            move(ctx, self.environment, receipt, back=True)

    def _target(self, ctx: Context) -> Entry:
        """What to go back to; the newest record itself where that is a rollback that did not get through.

        Where signers are trusted, the way back leads to what one of them put there, unless a number is asked for.
        """
        past = {entry.number: entry for entry in promotions.history(ctx.images, self.environment)}
        newest = past.get(max(past, default=0))
        if self.to is not None:
            target = past.get(self.to)
            target = newest if target and newest and newest.digest == target.digest else target
        elif newest and newest.facts["kind"] == "rollback" and not self._through(ctx, newest):
            target = newest
        else:
            trusted = _trusted(ctx)
            target = promotions.before(ctx.images, self.environment, deploys=self._deploys(ctx), trusted=trusted)
        if target is None or target.digest is None:
            what = f"number {self.to}" if self.to else "an earlier digest that served well"
            raise UsageError(
                f"cannot roll back {self.environment}: its history has not {what}",
                help=f"`mlci history {self.environment}` lists what was there; --to takes a number of it",
            )
        return target

    def _through(self, ctx: Context, newest: Entry) -> bool:
        there = promotions.carried_out(ctx.images, self.environment, newest)
        return there and self._serves(ctx, str(newest.digest))

    def _deploys(self, ctx: Context) -> bool:
        return ctx.project.config.environments[self.environment].deploy is not None

    def _serves(self, ctx: Context, digest: str) -> bool:
        now = delivery.status(ctx.home / "deploy" / self.environment) if self._deploys(ctx) else None
        return now.digest == digest if now else not self._deploys(ctx)


def _trusted(ctx: Context) -> signing.Trusted | None:
    """Whose records count; a key that cannot be read must not keep anybody from a way back."""
    try:
        return signing.trusted(ctx.project)
    except WorldError as error:
        ctx.say(f"nobody can tell who signed the records: {error.message}")
        return None
