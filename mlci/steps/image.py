"""The image of a project: what goes into it, for the step that builds it and for the gate that measures it before.

Both make the same bytes of the same inputs, so what the gate has measured is the digest that is shipped.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlci import image, process
from mlci.config.model import Image as Config
from mlci.steps.bases import base_of, python_of, shown_args
from mlci.steps.files import expand, relative
from mlci.steps.imports import command_files, read_by
from mlci.steps.protocol import Context


def files(ctx: Context) -> list[tuple[Path, str]]:
    """The files of the project that go into the image, each with how it came to."""
    config = _config(ctx)
    return [*_code(ctx, config), *_requirements(ctx, config)]


def declared(ctx: Context) -> dict[str, Any]:
    """What decides on the image beside files and model."""
    config = _config(ctx)
    return {
        **ctx.project.raw.get("image", {}),
        "title": ctx.project.config.project,
        "serve": _serve(config),
        "predict": _predict(ctx),
        "platforms": platforms(config),
        "python": python_of(ctx, config),
        "args": shown_args(config),
        "executable": sorted(relative(ctx.project, path) for path, _ in files(ctx) if _executable(path)),
    }


def spec(ctx: Context) -> image.ImageSpec:
    """The image of the model that was trained."""
    config = _config(ctx)
    trained = ctx.upstream["train"].subjects if "train" in ctx.upstream else {}
    return image.ImageSpec(
        base=base_of(ctx, platforms(config)[0]),
        requirements=ctx.project.root / config.requirements if config.requirements else None,
        copy={relative(ctx.project, path): path for path, _ in _code(ctx, config)},
        model=trained.get("model"),
        command=config.serve.command if config.serve else (),
        port=config.serve.port if config.serve else 8080,
        ready=config.serve.ready if config.serve else "/",
        env=config.serve.env if config.serve else {},
        python=python_of(ctx, config),
        platforms=tuple(platforms(config)),
        compression=config.compression,
        annotations={
            "org.opencontainers.image.title": ctx.project.config.project,
            "dev.mlci.predict": json.dumps(_predict(ctx)),
            **{f"dev.mlci.{name}": digest for name, digest in trained.items()},
        },
    )


def platforms(config: Config) -> list[str]:
    """What the image is for."""
    return list(config.platforms) or [image.host_platform()]


def _config(ctx: Context) -> Config:
    config = ctx.project.config.image
    assert config is not None
    return config


def _code(ctx: Context, config: Config) -> Iterator[tuple[Path, str]]:
    """What `copy` names, and what serving and predicting import; a Dockerfile copies it by itself."""
    if config.dockerfile:
        return
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


def _executable(path: Path) -> bool:
    """As the layer has it: by the file's mode, whatever this user and this mount may do with it."""
    return bool(path.stat().st_mode & stat.S_IXUSR)


def _serve(config: Config) -> dict[str, Any] | None:
    """How it is served, for the key and the receipt; a secret's value only as a digest."""
    if config.serve is None:
        return None
    hidden = {n: hashlib.sha256(v.encode()).hexdigest() for n, v in config.serve.env.items() if process.is_secret(n)}
    return {**asdict(config.serve), "command": list(config.serve.command), "env": {**config.serve.env, **hidden}}
