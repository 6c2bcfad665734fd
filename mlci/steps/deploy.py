"""deploy:ENV: the promoted digest takes the environment's traffic, and is taken back when it hurts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mlci import deploy as delivery
from mlci.config.model import Deploy as Config
from mlci.errors import UsageError, WorldError
from mlci.evidence import promotions, provenance, results, signing
from mlci.evidence.protected import protected
from mlci.evidence.receipt import Finding, Material, Receipt
from mlci.image import host_platform, run_config
from mlci.steps import policy, told
from mlci.steps.attached import move, sign
from mlci.steps.files import expand
from mlci.steps.models import unpacked
from mlci.steps.parcels import revocation
from mlci.steps.protocol import Context, Inputs, Result
from mlci.steps.repository import source_of
from mlci.steps.requests import rows

_SETTLED = ("driver", "port", "tls", "access_log", "replicas", "restart", "container")
"""What makes another deployment of the same image."""


@dataclass(frozen=True)
class Deploy:
    """Deploy what the environment's tag names, or what was promoted just before."""

    environment: str
    after: tuple[str, ...] = ()
    strategy: str | None = None
    resume: bool = False

    @property
    def name(self) -> str:
        return f"deploy:{self.environment}"

    def inputs(self, ctx: Context) -> Inputs:
        written = asdict(_written(ctx, self))
        return Inputs(
            {name: written[name] for name in _SETTLED},
            (Material("image", _digest(ctx, self), self.environment),),
        )

    def done(self, ctx: Context, inputs: Inputs) -> Receipt | None:
        """Already there: the digest serves, is healthy, and its deployment was a success."""
        digest = inputs.materials[0].digest
        serving = delivery.status(_folder(ctx, self))
        if serving is None or serving.digest != digest or not serving.healthy or not serving.whole or serving.canary:
            return None  # a canary that nobody watches is what a killed deployment left: it is settled by running
        receipt = next(
            (r for r in reversed(results.on(ctx.place(self.environment), digest)) if r.step == self.name), None
        )
        held = receipt is not None and receipt.verdict == "pass" and receipt.config == inputs.config
        return receipt if held and not _revoked(ctx, self, digest) else None

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        digest = inputs.materials[0].digest
        if revoked := _revoked(ctx, self, digest):
            help = f"{self.environment} serves what it served; `mlci rollback {self.environment}` goes back"
            return Result(
                verdict="fail",
                summary=f"{digest[:19]} was revoked {revoked}",
                subjects={"image": digest},
                findings=(Finding("error", "revoked", f"{revoked}; {help}"),),
            )
        config = _config(ctx, self)
        place = _where(ctx, self.environment, digest, config)
        request = delivery.Request(
            environment=self.environment,
            digest=digest,
            root=place.root,
            image_config=place.config,
            deploy=config,
            rows=_rows_of(ctx, config),
            source=place.source,
            resume=self.resume,
            project=ctx.project.root,
        )
        outcome = delivery.deploy(
            request, folder=_folder(ctx, self), report=lambda event: ctx.say(event.text), stop=ctx.stop
        )
        facts = outcome.facts()
        back = facts["outcome"] == "rolled-back"
        return Result(
            verdict="rolled-back" if back else "pass",
            summary=_summary(facts),
            subjects={"image": digest},
            facts=facts,
            findings=(Finding("error", "taken back", facts["reason"]),) if back else (),
        )

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """The deployment's record goes on the digest; a version taken back also loses the environment's tag."""
        digest, place = receipt.subjects["image"], ctx.place(self.environment)
        with told.following(ctx, self.environment, receipt):
            results.attach(place, receipt, place.get_manifest(digest).descriptor)
            if receipt.verdict == "rolled-back" and promotions.current(place, self.environment) == digest:
                self._take_back(ctx, receipt)
        with policy.known(ctx.project, ctx.say) as trusted:
            promotions.mended(place, self.environment, trusted)
        sign(ctx, receipt, digest, place)

    def _take_back(self, ctx: Context, receipt: Receipt) -> None:
        digest, place = receipt.subjects["image"], ctx.place(self.environment)
        with policy.known(ctx.project, ctx.say) as trusted:
            refused = partial(revocation, ctx, self.environment, trusted=trusted)
            earlier = promotions.before(place, self.environment, deploys=True, trusted=trusted, refused=refused)
        previous = receipt.facts["previous"] or (earlier.digest if earlier else None)
        move(ctx, self.environment, _taken_back(ctx, self, receipt, previous), back=True)
        if previous is None and place.resolve(self.environment) == digest:
            ctx.say(f"the tag {self.environment} stays on what was taken back: the registry cannot take it away")


def _taken_back(ctx: Context, step: Deploy, deployment: Receipt, previous: str | None) -> Receipt:
    """The record that puts the environment back on the digest that serves, or on nothing.

    Who reads the records on an image must not take the second for a promotion: its verdict is no pass.
    """
    store = ctx.place(step.environment)
    place = promotions.place(store, step.environment)
    bad = deployment.subjects["image"]
    tag = promotions.numbered(step.environment, place["number"])
    return replace(
        deployment,
        step=f"promote:{step.environment}",
        verdict="pass" if previous else "rolled-back",
        summary=f"{tag} is {previous[:19]} again" if previous else f"nothing is in {step.environment}",
        subjects={"image": previous or bad},
        materials=(Material("image", previous or bad, "history"),),
        findings=(),
        facts={
            **place,
            "digest": previous,
            "reasons": [],
            "evidence": {},
            "kind": "taken back" if previous else "withdrawn",
            "restores": promotions.place_of(store, step.environment, previous) if previous else 0,
            "why": f"{bad[:19]} was taken back: {deployment.facts['reason']}",
        },
        finished=provenance.now(),
    )


def _written(ctx: Context, step: Deploy) -> Config:
    config = ctx.project.config.environments[step.environment].deploy
    if config is None:
        raise UsageError(
            f"environment {step.environment} has no `deploy`",
            help=f"add environments.{step.environment}.deploy to mlci.yaml",
        )
    return config


def _config(ctx: Context, step: Deploy) -> Config:
    config = _written(ctx, step)
    if config.tls:
        root = ctx.project.root
        files = replace(config.tls, certificate=str(root / config.tls.certificate), key=str(root / config.tls.key))
        config = replace(config, tls=files)
    return replace(config, strategy=step.strategy) if step.strategy else config  # type: ignore[arg-type]


def _digest(ctx: Context, step: Deploy) -> str:
    for before in (f"promote:{step.environment}", f"rollback:{step.environment}"):
        if before in ctx.upstream:
            return ctx.upstream[before].subjects["image"]
    digest = promotions.current(ctx.place(step.environment), step.environment)
    if digest is None:
        raise UsageError(
            f"nothing was promoted to {step.environment} yet", help=f"`mlci run --to {step.environment}` does it all"
        )
    return digest


def _revoked(ctx: Context, step: Deploy, digest: str) -> str:
    """By whom and why the digest was revoked, empty where it was not; raises WorldError unless the log has put it here.

    What a tag alone says is not enough to take traffic: the newest record has to name the digest and, where
    `signed_by` asks for signatures, somebody trusted must have signed it. A numbered tag above it says that the log
    was cut off.
    """
    environment, place = step.environment, ctx.place(step.environment)
    with protected(ctx.project) as from_:
        trusted = signing.trusted(from_.project)
        asked = from_.project.config.environments.get(environment)
        newest = promotions.head(place, environment, trusted)
        after = promotions.numbered(environment, newest.number + 1 if newest else 1)
        wrong = ""
        if newest is None or newest.digest != digest:
            has = newest.digest[:19] if newest and newest.digest else "nothing"
            wrong = f"{digest[:19]} is to be deployed, and the log of {environment} says that {has} is there"
        elif asked and asked.signed_by and newest.signer is None:
            wrong = f"nobody who is trusted has signed that {digest[:19]} is in {environment} (number {newest.number})"
        elif place.resolve(after):
            wrong = f"the log of {environment} ends with number {newest.number}, and there is a tag {after}"
        if wrong:
            help = f"`mlci audit {environment}` says what is wrong; `mlci promote {environment}` makes a new record"
            raise WorldError(wrong, help=help)
        return revocation(ctx, environment, digest, trusted)


@dataclass(frozen=True)
class _Place:
    """Where a driver finds an image: its own files unpacked, or the store that has it whole; and its OCI config."""

    root: Path | None
    source: str
    config: dict[str, Any]


def _where(ctx: Context, environment: str, digest: str, config: Config) -> _Place:
    store = ctx.place(environment)
    if config.driver == "process":
        image = unpacked(store, digest, ctx.home)
        return _Place(image.root, "", image.config)
    _, architecture = host_platform().split("/")
    return _Place(None, source_of(ctx, store, digest), run_config(store, digest, f"linux/{architecture}"))


def _folder(ctx: Context, step: Deploy) -> Path:
    return ctx.home / "deploy" / step.environment


def _summary(facts: dict[str, Any]) -> str:
    if facts["outcome"] == "rolled-back":
        still = f"; {facts['previous'][:19]} serves at {facts['endpoint']}" if facts["previous"] else ""
        return f"taken back: {facts['reason']}{still}"
    return f"{facts['digest'][:19]} serves at {facts['endpoint']}"


def _rows_of(ctx: Context, config: Config) -> Any:
    """A factory of the rows to replay, as JSON-ready objects, or None."""
    if config.replay is None:
        return None
    where = ("data", config.replay.data, "path")
    files = expand(ctx.project, ctx.project.config.data[config.replay.data].path, where)
    return lambda: rows(files)
