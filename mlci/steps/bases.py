"""What an image is built on: nothing, an image that `mlci.lock` pins, or what a Dockerfile makes."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mlci import image, process
from mlci.config import Project
from mlci.config.lock import NAME, read_lock, write_lock
from mlci.config.model import Container
from mlci.config.model import Image as Config
from mlci.errors import WorldError
from mlci.evidence.receipt import Material
from mlci.image import dockerfile
from mlci.steps import repository
from mlci.steps.attached import keep_out
from mlci.steps.files import combined, expand, materials, relative
from mlci.steps.protocol import Context
from mlci.store import NotFound, base_location

SCRATCH, BASE = "scratch", "base image"
LATEST = "latest"
"""The tag of the newest image."""
FILES = "image.dockerfile"
"""How a material came to be read when it is of the files that a Dockerfile may copy."""
_NEVER = [".git", ".mlci", "**/__pycache__", "**/*.pyc"]


def mistakes(project: Project) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """What is wrong or contradicts itself under `image`: where, what is wrong, the way out."""
    config, environments = project.config.image, project.config.environments
    if config is None:
        return
    yield from repository.mistakes(project)
    for name, environment in environments.items():
        deploy = environment.deploy
        if deploy and deploy.driver == "process" and deploy.container != Container():
            wrong = "the driver `process` runs no container, and limits nothing"
            yield ("environments", name, "deploy", "container"), wrong, "Take it out, or write `driver: docker`."
    if config.args and not config.dockerfile:
        yield ("image", "args"), "build arguments are for a Dockerfile", "Name it under `image.dockerfile`."
    if not config.dockerfile:
        if config.base == SCRATCH:
            yield from _without_python(project)
        return
    if config.base != SCRATCH:
        yield ("image", "base"), "a Dockerfile names its own base", "Remove `base`, and pin the one after FROM."
    if config.requirements:
        help = "Remove `requirements`, and install them there."
        yield ("image", "requirements"), "a Dockerfile installs its own requirements", help
    if len(config.platforms) > 1:
        yield ("image", "platforms"), "a Dockerfile is built for one platform", "Keep one of them."
    for name, environment in environments.items():
        if environment.deploy and environment.deploy.driver == "process":
            wrong = "the driver `process` cannot run what a Dockerfile makes: it needs a container"
            yield ("environments", name, "deploy"), wrong, "Leave out `deploy`, or build without a Dockerfile."


def _without_python(project: Project) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """What only the driver `process` can run: it brings the Python that an image from scratch has not."""
    config = project.config.image
    served = config.serve.command[0] if config and config.serve else ""
    for name, environment in project.config.environments.items():
        deploy = environment.deploy
        if deploy and deploy.driver == "docker" and served in ("python", "python3"):
            wrong = "the image is built from scratch, so a container of it has no Python"
            yield ("environments", name, "deploy", "driver"), wrong, "Name a base: `image.base: python:3.12-slim`."


def newest_base(project: Project) -> tuple[str, str] | None:
    """The base that `image.base` names, with the digest that it has in its registry now; None without one."""
    name = project.config.image.base if project.config.image else SCRATCH
    if name == SCRATCH:
        return None
    place = base_location(name, project.root)
    return name, place.store.get_manifest(place.reference or LATEST).digest


def python_of(ctx: Context, config: Config) -> str | None:
    """The Python that requirements are installed for; None: the base knows it."""
    return config.python or (ctx.python if config.base == SCRATCH else None)


def base_materials(ctx: Context) -> list[Material]:
    """What decides on the base: its digest, as `mlci.lock` pins it or as it is now, or a Dockerfile's files."""
    config = _config(ctx)
    if config.dockerfile:
        return list(materials(ctx.project, ctx.home, ((path, FILES) for path in _context(ctx, config))))
    if config.base == SCRATCH:
        return []
    pinned = read_lock(ctx.project.root).base.get(config.base)
    found = (config.base, pinned) if pinned else newest_base(ctx.project)
    return [Material(BASE, found[1], f"image.base {found[0]}")] if found else []


def base_of(ctx: Context, platform: str) -> image.Base | None:
    """The base to build on; pinned from now on if it was not, or built from the Dockerfile unless that was done."""
    config, read = _config(ctx), base_materials(ctx)
    if config.dockerfile:
        return _built(ctx, config, [one for one in read if one.via == FILES], platform)
    digest = next((one.digest for one in read if one.name == BASE), None)
    if digest is None:
        return None
    found = image.find_base(base_location(config.base, ctx.project.root).store, config.base, digest)
    lock = read_lock(ctx.project.root)
    if config.base not in lock.base:
        write_lock(ctx.project.root, replace(lock, base={config.base: digest}))
        ctx.say(f"{config.base} is {digest} from now on, by {NAME}")
    return found


def shown_args(config: Config) -> dict[str, str]:
    """The build arguments for keys and receipts; a secret's value only as a digest."""
    return {
        name: hashlib.sha256(value.encode()).hexdigest() if process.is_secret(name) else value
        for name, value in config.args.items()
    }


def _built(ctx: Context, config: Config, files: list[Material], platform: str) -> image.Base:
    """The image of the Dockerfile; kept by what it was made from, so that a new model builds nothing."""
    file = config.dockerfile or ""
    keep_out(ctx.project, [ctx.project.root / one.name for one in files])
    key = json.dumps([combined(files), file, shown_args(config), platform], sort_keys=True)
    tag = "dockerfile-" + hashlib.sha256(key.encode()).hexdigest()
    try:
        return image.find_base(ctx.store, file, tag)
    except NotFound:
        pass  # the first time
    with tempfile.TemporaryDirectory(prefix="mlci-dockerfile-", ignore_cleanup_errors=True) as folder:
        context = Path(folder) / "context"
        for path in _context(ctx, config):
            target = context / path.relative_to(ctx.project.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
        recipe = dockerfile.Recipe(file, context, platform, config.args)
        work = dockerfile.Work(Path(folder), ctx.log("build"), ctx.say, ctx.stop)
        made, _ = dockerfile.build_dockerfile(ctx.store, recipe, work)
    manifest = ctx.store.get_manifest(made.digest)
    ctx.store.put_manifest(manifest.raw, manifest.media_type, tag=tag)
    return image.find_base(ctx.store, file, tag)


def _config(ctx: Context) -> Config:
    config = ctx.project.config.image
    assert config is not None
    return config


def _context(ctx: Context, config: Config) -> Iterator[Path]:
    """The files that a Dockerfile may copy: those that `copy` names, or all that `.dockerignore` leaves."""
    root, file = ctx.project.root, config.dockerfile or ""
    (found,) = expand(ctx.project, file, ("image", "dockerfile"))
    if config.copy:
        named = (path for pattern in config.copy for path in expand(ctx.project, pattern, ("image", "copy")))
        yield from dict.fromkeys([found, *named])
        return
    try:
        from docker.utils.build import exclude_paths
    except ImportError:
        raise WorldError(
            "reading .dockerignore needs the package docker",
            help="pip install 'mlci[docker]', or name the files that the Dockerfile copies under `image.copy`",
        ) from None
    ignore = root / ".dockerignore"
    patterns = [line.strip() for line in ignore.read_text().splitlines()] if ignore.is_file() else []
    outputs = ctx.project.config.train.outputs.values() if ctx.project.config.train else ()
    patterns = [one for one in patterns if one and not one.startswith("#")] + _NEVER
    patterns += [relative(ctx.project, root / output) for output in outputs]
    listed = exclude_paths(str(root), patterns, dockerfile=file)
    yield from sorted(root / name for name in listed if (root / name).is_file())
