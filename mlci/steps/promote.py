"""promote:ENV: the same digest, under the environment's tag, if its policy allows it. rollback:ENV: back again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial

from mlci.errors import UsageError, WorldError
from mlci.evidence import promotions, results, signing
from mlci.evidence.log import Entry
from mlci.evidence.receipt import Finding, Material, Receipt
from mlci.steps import parcels, planned, policy, told
from mlci.steps.attached import move
from mlci.steps.parcels import revocation
from mlci.steps.protocol import Context, Inputs, Result
from mlci.steps.rules import judged_by
from mlci.store.closure import absent


@dataclass(frozen=True)
class Promote:
    """Promote the built image, or what `source` names: a tag, an environment or a digest.

    `again` allows what a person has rolled back. With a `plan`, just that is carried out, or nothing.
    """

    environment: str
    source: str | None = None
    again: bool = False
    after: tuple[str, ...] = ()
    plan: planned.Plan | None = None

    @property
    def name(self) -> str:
        return f"promote:{self.environment}"

    def inputs(self, ctx: Context) -> Inputs:
        declared = json.loads(json.dumps(asdict(ctx.project.config.environments[self.environment])))  # as it is kept
        del declared["deploy"]
        declared["repository"] = parcels.name_of(ctx.place(self.environment))
        declared["gate"] = judged_by(ctx.project) if ctx.project.config.gate else None
        return Inputs(declared, (Material("image", self._digest(ctx), self.source or "build"),))

    def done(self, ctx: Context, inputs: Inputs) -> Receipt | None:
        """Already there: this machine put it there under the same rules; or the log says so, and the policy holds.

        What a kill left undone of the newest record is done then (`settle`). With `signed_by`, a record that nobody
        trusted has signed puts nothing there: another is made.
        """
        digest, place = inputs.materials[0].digest, ctx.place(self.environment)
        there = place.resolve(self.environment) == digest
        settled, signed = results.settled(ctx.store, self.name), bool(inputs.config["signed_by"])
        ours = there and settled and settled.subjects.get("image") == digest and settled.config == inputs.config
        if ours and not signed:
            return settled
        with policy.known(ctx.project) as trusted:
            head = promotions.head(place, self.environment, trusted)
        if head is None or head.digest != digest or (signed and not promotions.counts(head, trusted)):
            return None
        return settled if ours else head.receipt if self._judged(ctx, digest).allowed else None

    def look(self, ctx: Context) -> parcels.Found:
        """What a promotion would do now; nothing is written."""
        digest = self._digest(ctx)
        return parcels.look(ctx, self.environment, digest, partial(self._judged, ctx, digest), again=self.again)

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        found = self.look(ctx)
        plan, denied = found.plan, [reason for reason in found.plan.reasons if not reason.ok]
        if self.plan:
            planned.hold(self.plan, plan)
        facts = {**found.place, "digest": plan.digest, **found.judged.facts}
        if denied:
            return Result(
                verdict="fail",
                summary="; ".join(f"{reason.rule}: {reason.detail}" for reason in denied),
                subjects={"image": plan.digest},
                facts=facts,
                findings=tuple(Finding("error", f"{r.rule} is required", r.detail) for r in denied),
            )
        facts |= parcels.carry(ctx, found, self.plan or plan)
        return Result(
            verdict="pass",
            summary=f"{promotions.numbered(self.environment, plan.number)} is {plan.digest[:19]}",
            subjects={"image": plan.digest},
            facts={**facts, "kind": "promotion", "why": "promoted"},
        )

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """Into the environment's log; the tags follow, and the record on the image. Done when MLflow knows it too."""
        digest = receipt.subjects["image"]
        there = ctx.place(self.environment).resolve(self.environment) == digest
        if receipt.verdict != "pass" or (there and results.settled(ctx.store, self.name) == receipt):
            return
        with told.following(ctx, self.environment, receipt):
            move(ctx, self.environment, receipt)
        if told.behind(ctx, self.environment, digest):
            told.follow(ctx, self.environment, receipt)
        if not told.behind(ctx, self.environment, digest):
            results.settle(ctx.store, receipt)

    def _judged(self, ctx: Context, digest: str) -> policy.Judged:
        origins = parcels.origins(ctx, self.environment)
        return policy.judge(
            ctx.project, origins, self.environment, digest, place=ctx.place, again=self.again, say=ctx.say
        )

    def _digest(self, ctx: Context) -> str:
        if self.plan is not None:
            return self.plan.digest
        if self.source is None:
            return ctx.upstream["build"].subjects["image"]
        return parcels.digest_of(ctx, self.environment, self.source)


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
        head = promotions.head(ctx.place(self.environment), self.environment)
        return head.receipt if head and head.number == inputs.config["to"] else None

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        target = self._target(ctx)
        digest, store = str(target.digest), ctx.place(self.environment)
        gone = absent(store, digest)
        if gone:
            raise WorldError(
                f"cannot roll back {self.environment} to number {target.number}: of {digest} the store has not"
                f" {', '.join(gone[:3])} any more",
                help=f"nothing was changed; `mlci rollback {self.environment} --to N` takes another one of its history",
            )
        place = promotions.place(store, self.environment)
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
        with told.following(ctx, self.environment, receipt):
            move(ctx, self.environment, receipt, back=True)

    def _target(self, ctx: Context) -> Entry:
        """What to go back to; the newest record itself where that is a rollback that did not get through.

        Where signers are trusted, the way back leads to what one of them put there, unless a number is asked for.
        """
        with policy.known(ctx.project, ctx.say) as trusted:
            target = self._found(ctx, trusted)
            revoked = target and target.digest and revocation(ctx, self.environment, target.digest, trusted)
        if target is not None and revoked:
            raise UsageError(
                f"cannot roll back {self.environment} to number {target.number}: it was revoked {revoked}",
                help=f"`mlci history {self.environment}` lists what was there; --to takes a number of it",
            )
        if target is None or target.digest is None:
            what = f"number {self.to}" if self.to else "an earlier digest that served well"
            raise UsageError(
                f"cannot roll back {self.environment}: its history has not {what}",
                help=f"`mlci history {self.environment}` lists what was there; --to takes a number of it",
            )
        return target

    def _found(self, ctx: Context, trusted: signing.Trusted | None) -> Entry | None:
        store = ctx.place(self.environment)
        past = {entry.number: entry for entry in promotions.history(store, self.environment)}
        newest = past.get(max(past, default=0))
        refused = partial(revocation, ctx, self.environment, trusted=trusted)
        if self.to is not None:
            target = past.get(self.to)
            return newest if target and newest and newest.digest == target.digest else target
        unfinished = newest and newest.facts["kind"] == "rollback" and not self._through(ctx, newest)
        if newest and unfinished and not refused(str(newest.digest)):
            return newest
        deploys = self._deploys(ctx)
        return promotions.before(store, self.environment, deploys=deploys, trusted=trusted, refused=refused)

    def _through(self, ctx: Context, newest: Entry) -> bool:
        there = promotions.carried_out(ctx.place(self.environment), self.environment, newest)
        return there and self._serves(ctx, str(newest.digest))

    def _deploys(self, ctx: Context) -> bool:
        return ctx.project.config.environments[self.environment].deploy is not None

    def _serves(self, ctx: Context, digest: str) -> bool:
        from mlci import deploy as delivery

        now = delivery.status(ctx.home / "deploy" / self.environment) if self._deploys(ctx) else None
        return now.digest == digest if now else not self._deploys(ctx)
