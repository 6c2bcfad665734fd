"""The model to compare with: which image it is, and what it predicts with the code and requirements of that image.

Whatever is wrong with it is an error that says so: a gate that cannot have its champion has not judged.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlci import image
from mlci.deploy.drivers.process import environment, interpreter
from mlci.errors import UsageError, WorldError
from mlci.evidence import looks, promotions, results
from mlci.evidence.receipt import Receipt
from mlci.steps.models import unpacked
from mlci.steps.protocol import Context
from mlci.steps.repository import source_of
from mlci.store import EMPTY, NotFound, is_digest

_WAY_OUT = (
    "put back one that can predict (`mlci rollback ENV`), name another (`mlci gate --champion REF`), "
    "or go on without one: --set gate.champion=null"
)


class Predict(Protocol):
    """Run a command so that it writes predictions of the holdout to a file."""

    def __call__(
        self, argv: tuple[str, ...], cwd: Path, env: dict[str, str], table: Path, *, source: str | None = None
    ) -> None:
        """In a folder, with variables; or in a container of the image that `source` names, with its own of both."""
        ...


@dataclass(frozen=True)
class Champion:
    """An image, or None where there is none, and how it comes to be that one."""

    digest: str | None
    said: str


class _CannotPredict(WorldError):
    """The image has no way to predict, and `help` says what to do about that."""


def find(ctx: Context, reference: str | None, challenger: str) -> Champion:
    """What `reference` names, else what serves in the environment `gate.champion`.

    A model is never compared with itself: one that serves already is judged against the champion of its own time.
    Raises UsageError when the reference names no image or the challenger's own, WorldError for a digest that the
    store does not have.
    """
    config = ctx.project.config.gate
    assert config is not None
    if reference is not None:
        digest = _named(ctx, reference)
        if _own(ctx, digest, challenger):
            help = "name the image of another model"
            raise UsageError(f"--champion {reference}: that is the challenger's own image, {digest[:19]}", help=help)
        return Champion(digest, f"--champion {reference}")
    if config.champion is None:
        return Champion(None, "no champion is configured")
    serving = _serving(ctx, config.champion)
    if serving is None:
        return Champion(None, f"nothing serves in {config.champion} yet")
    if own := _own(ctx, serving, challenger):
        before: str | None = own.facts.get("champion")
        what = f"the model itself serves in {config.champion}"
        return Champion(before, f"{what}; its champion when it came" if before else f"{what}, and came without one")
    return Champion(serving, f"serves in {config.champion}")


def came_through(ctx: Context, digest: str) -> str | None:
    """The digest of the rows that an image's model was judged on last; None when no gate has judged it."""
    judged = [receipt for receipt in results.on(ctx.having(digest), digest) if receipt.step == "gate"]
    return looks.judged_on(judged[-1]) if judged else None


def predictions(ctx: Context, digest: str, said: str, holdout: str, work: Path, predict: Predict) -> Path:
    """The champion's predictions of a holdout, those of before where they are kept; raises WorldError.

    `said` is how it comes to be the champion, `holdout` the digest under which `keep` kept them.
    """
    known = _kept(ctx, digest, holdout, work)
    if known is not None:
        return known
    ctx.say(f"the champion {digest[:19]} predicts")
    table = work / "champion.parquet"
    try:
        argv = command_of(ctx, digest)
        there = unpacked(ctx.having(digest), digest, ctx.home)
        if (there.root / "app").is_dir():
            if argv[0] in ("python", "python3"):
                argv[0] = str(interpreter(work, there.config))
            predict(tuple(argv), there.root / "app", environment(there.root, there.config, work), table)
        else:  # a Dockerfile brought the code, and what it stands on only a container has
            predict(tuple(argv), work, {}, table, source=source_of(ctx, ctx.having(digest), digest))
    except (WorldError, OSError) as error:
        what = f"the champion {digest[:19]} ({said}), with the code and requirements of its image"
        found = error.message if isinstance(error, WorldError) else str(error)
        help = error.help if isinstance(error, _CannotPredict) else _WAY_OUT
        raise WorldError(f"{what}: {found}", help=help) from error
    return table


def command_of(ctx: Context, digest: str) -> list[str]:
    """The command with which an image predicts; raises when it is no image, or was built without a gate."""
    document = json.loads(ctx.having(digest).get_manifest(digest).raw)
    of_platforms = "manifests" in document and "artifactType" not in document
    if not of_platforms and document.get("config", {}).get("mediaType", EMPTY) == EMPTY:
        raise WorldError("it is not an image")
    try:
        command = json.loads(document.get("annotations", {}).get("dev.mlci.predict", "[]"))
    except ValueError:
        command = None
    if not isinstance(command, list) or not command or not all(isinstance(part, str) for part in command):
        raise _CannotPredict(
            "it does not say how it predicts: it was built without a gate, so nothing can be compared with it",
            help="build it again with `gate` in mlci.yaml, name another (`mlci gate --champion REF`), or let the first "
            "judged model through by min and max alone: `mlci run --to ENV --set gate.champion=null`",
        )
    return command


def keep(ctx: Context, digest: str, holdout: str, table: Path) -> None:
    """Keep predictions that were fit to judge on, for the next challenger; a store that cannot is no reason to stop."""
    tag = _tag(digest, holdout)
    if ctx.store.resolve(tag) is None:
        try:
            tree = image.put_tree(ctx.store, table)
            ctx.store.put_manifest(ctx.store.get_manifest(tree.digest).raw, tree.media_type, tag=tag)
        except WorldError as error:
            ctx.say(f"the champion's predictions are not kept: {error.message}")


def _kept(ctx: Context, digest: str, holdout: str, work: Path) -> Path | None:
    """Predictions of before; what cannot be read of them is made again."""
    tag = _tag(digest, holdout)
    try:
        if ctx.store.resolve(tag) is None:
            return None
        return image.get_tree(ctx.store, ctx.store.get_manifest(tag).digest, work / "champion")
    except WorldError as error:
        ctx.say(f"the champion's predictions that were kept cannot be used: {error.message}")
        ctx.store.untag(tag)
        return None


def _named(ctx: Context, reference: str) -> str:
    """The image behind an environment's name, a run's id, a tag, a digest or its beginning."""
    try:
        if reference in ctx.project.config.environments:
            found = _serving(ctx, reference)
            if found is None:
                raise UsageError(
                    f"--champion {reference}: nothing serves there yet", help="`mlci status` says what does"
                )
            return found
        if reference in results.runs(ctx.store):
            return _built_by(ctx, reference)
        return results.digest_of(ctx.images, reference)
    except WorldError as error:
        known = is_digest(reference) or ctx.images.resolve(reference) is not None
        if known or not isinstance(error, NotFound):
            message = f"the champion {reference[:40]} (--champion) cannot be had: {error.message}"
            raise WorldError(message, help=error.help or _WAY_OUT) from error
        help = f"{error.help or '`mlci history` lists what there is'}; tables are compared with --challenger FILE too"
        raise UsageError(f"--champion {reference}: {error.message}", help=help) from error


def _built_by(ctx: Context, run_id: str) -> str:
    """The image that a run built, or found built."""
    steps = results.load_run(ctx.store, run_id).steps
    built = [step.receipt.subjects["image"] for step in steps if step.name == "build" and step.receipt]
    if not built:
        raise UsageError(f"--champion {run_id}: that run built no image", help="`mlci history` lists what there is")
    return built[-1]


def _serving(ctx: Context, name: str) -> str | None:
    deploys = ctx.project.config.environments[name].deploy is not None
    return promotions.serving(ctx.place(name), name, deploys=deploys)


def _own(ctx: Context, digest: str, challenger: str) -> Receipt | None:
    """The newest receipt of the gate that let this challenger into the image, if it is its image."""
    judged = (r for r in reversed(results.on(ctx.having(digest), digest)) if r.step == "gate")
    return next((r for r in judged if r.facts.get("challenger") == challenger), None)


def _tag(digest: str, holdout: str) -> str:
    return "predictions-" + hashlib.sha256(f"{digest} {holdout}".encode()).hexdigest()
