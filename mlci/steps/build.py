"""build: one image from requirements, code and model; the same digest on every machine and every run."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlci import image, process
from mlci.config.model import Image as Config
from mlci.evidence import results
from mlci.evidence.receipt import Material, Receipt
from mlci.steps.files import expand, materials, relative
from mlci.steps.imports import command_files, read_by
from mlci.steps.protocol import Context, Inputs, Result
from mlci.store import NotFound

LATEST = "latest"
"""The tag of the newest image."""


@dataclass(frozen=True)
class Build:
    """Build once what will be promoted."""

    after: tuple[str, ...] = ()
    name: str = "build"

    def inputs(self, ctx: Context) -> Inputs:
        config = _config(ctx)
        files = [*_code(ctx, config), *_requirements(ctx, config)]
        read = list(materials(ctx.project, ctx.home, files))
        if "train" in ctx.upstream:
            read += [Material(name, digest, "train") for name, digest in ctx.upstream["train"].subjects.items()]
        declared = {
            **ctx.project.raw.get("image", {}),
            "serve": _serve(config),
            "predict": _predict(ctx),
            "platform": f"{platform.system()}/{platform.machine()} python {ctx.python}".lower(),
            "executable": sorted(relative(ctx.project, path) for path, _ in files if os.access(path, os.X_OK)),
        }
        return Inputs(declared, tuple(read))

    def done(self, ctx: Context, inputs: Inputs) -> Receipt | None:
        return results.find(ctx.store, self.name, inputs.key(self.name))

    def run(self, ctx: Context, inputs: Inputs) -> Result:
        config = _config(ctx)
        trained = ctx.upstream["train"].subjects if "train" in ctx.upstream else {}
        requirements = [ctx.project.root / config.requirements] if config.requirements else [None]
        spec = image.ImageSpec(
            base=config.base,
            requirements=requirements[0],
            copy={relative(ctx.project, path): path for path, _ in _code(ctx, config)},
            model=trained.get("model"),
            command=config.serve.command if config.serve else (),
            port=config.serve.port if config.serve else 8080,
            ready=config.serve.ready if config.serve else "/",
            env=config.serve.env if config.serve else {},
            annotations={
                "org.opencontainers.image.title": ctx.project.config.project,
                "dev.mlci.predict": json.dumps(_predict(ctx)),
                **{f"dev.mlci.{name}": digest for name, digest in trained.items()},
            },
        )
        built = image.build(ctx.store, spec, tag=LATEST, log=ctx.say, stop=ctx.stop)
        layers = [vars(layer) for layer in built.layers]
        return Result(
            verdict="pass",
            summary=f"{built.descriptor.digest[:19]}, {len(layers)} layers, {built.size / 1e6:,.1f} MB",
            subjects={"image": built.descriptor.digest},
            facts={"digest": built.descriptor.digest, "size": built.size, "layers": layers},
            outputs=(built.descriptor,),
        )

    def settle(self, ctx: Context, receipt: Receipt) -> None:
        """The evidence of the steps before, and of the build itself, travels with the image."""
        manifest = ctx.store.get_manifest(receipt.subjects["image"])
        for evidence in (*ctx.upstream.values(), receipt):
            results.attach(ctx.store, evidence, manifest.descriptor)
        try:
            current = ctx.store.resolve(LATEST)
        except NotFound:
            current = None
        if current != manifest.digest:
            ctx.store.put_manifest(manifest.raw, manifest.media_type, tag=LATEST)


def _config(ctx: Context) -> Config:
    config = ctx.project.config.image
    assert config is not None
    return config


def _code(ctx: Context, config: Config) -> Iterator[tuple[Path, str]]:
    """What `copy` names, and what serving and predicting import."""
    serve = config.serve.command if config.serve else ()
    yield from read_by(ctx.project, serve, config.copy, ("image", "copy"), {})
    yield from command_files(_predict(ctx), ctx.project.root)


def _requirements(ctx: Context, config: Config) -> list[tuple[Path, str]]:
    if config.requirements is None:
        return []
    found = expand(ctx.project, config.requirements, ("image", "requirements"))
    return [(path, "image.requirements") for path in found]


def _predict(ctx: Context) -> list[str]:
    """The command with which a later gate lets this image predict, as champion."""
    gate = ctx.project.config.gate
    return list(gate.predict) if gate else []


def _serve(config: Config) -> dict[str, Any] | None:
    """How it is served, for the key and the receipt; a secret's value only as a digest."""
    if config.serve is None:
        return None
    hidden = {n: hashlib.sha256(v.encode()).hexdigest() for n, v in config.serve.env.items() if process.is_secret(n)}
    return {**asdict(config.serve), "command": list(config.serve.command), "env": {**config.serve.env, **hidden}}
