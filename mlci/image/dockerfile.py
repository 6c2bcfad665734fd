"""An image from a Dockerfile, by whatever builds them here, taken into the store as OCI.

Three builders are known: BuildKit by `docker buildx`, a Docker engine by its API, and `buildah`. What they give out (an
image layout, or the older archive of `docker save`) is read as something from outside: every file by its digest. Layers
are stored as they came, so what was built is what is pushed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mlci import process
from mlci.errors import WorldError
from mlci.store import CONFIG, LAYER_TAR, MANIFEST, Descriptor, FolderStore, Store, canonical, chunks_of, copy
from mlci.store.index import Tags

Builder = Literal["buildx", "engine", "buildah"]
_NAME = "mlci.local/build"
_MOST_JSON = 8 << 20
_ASKED_S = 30.0
"""Seconds that an engine has to say that it is there."""
_HELP = "start a Docker engine (`docker info` says whether there is one), or install buildah"


@dataclass(frozen=True)
class Recipe:
    """A Dockerfile, the folder with the files that it may copy and nothing else, and its build arguments."""

    file: str
    context: Path
    platform: str
    args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """Where a build may write, where its output goes, and how it is stopped."""

    folder: Path
    log: Path
    say: Callable[[str], None]
    stop: threading.Event
    timeout: float = 3600.0


def find_builder() -> Builder:
    """What builds Dockerfiles here; raises WorldError where nothing does."""
    if shutil.which("docker") and _works("docker", "buildx", "version") and _works("docker", "version"):
        return "buildx"
    if _engine_answers():
        return "engine"
    if shutil.which("buildah"):
        return "buildah"
    raise WorldError("nothing here builds Dockerfiles", help=_HELP)


def build_dockerfile(store: Store, recipe: Recipe, work: Work) -> tuple[Descriptor, Builder]:
    """Build it and take the image into the store; gives its manifest, and what built it.

    Raises WorldError with the builder's last lines when it fails, and Interrupted when it is stopped.
    """
    builder = find_builder()
    work.say(f"{recipe.file} is built by {builder}")
    out = work.folder / "image"
    {"buildx": _by_buildx, "engine": _by_engine, "buildah": _by_buildah}[builder](recipe, work, out)
    return take_in(store, out, work.folder), builder


def take_in(store: Store, out: Path, folder: Path) -> Descriptor:
    """Take an image layout, or an archive of `docker save`, into the store. Raises WorldError for anything else."""
    if out.is_file():
        unpacked = folder / "saved"
        unpacked.mkdir()
        _untar(out, unpacked)
        out = unpacked
    if (out / "index.json").is_file():
        entries = Tags.parse((out / "index.json").read_bytes()).entries
        if len(entries) != 1:
            raise WorldError(f"the builder gave {len(entries)} images instead of one", help="build for one platform")
        return copy(FolderStore(out), store, entries[0]["digest"], referrers=False)
    return _of_archive(store, out)


def _of_archive(store: Store, folder: Path) -> Descriptor:
    """The archive of older engines: `manifest.json` names the config and the layers, as plain tars."""
    try:
        (listed,) = json.loads(_small(folder / "manifest.json"))
        config = _small(_inside(folder, listed["Config"]))
        diff_ids = json.loads(config)["rootfs"]["diff_ids"]
        layers = [_inside(folder, layer) for layer in listed["Layers"]]
        pairs = list(zip(layers, diff_ids, strict=True))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorldError(f"what the builder gave cannot be read as an image: {error!r}") from error
    written = []
    for layer, diff_id in pairs:
        digest, size = store.put_blob(chunks_of(layer), expected=diff_id)
        written.append(Descriptor(LAYER_TAR, digest, size).to_json())
    digest, size = store.put_blob(iter([config]))
    pointer = Descriptor(CONFIG, digest, size).to_json()
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": pointer, "layers": written}
    return store.put_manifest(canonical(document), MANIFEST)


def _by_buildx(recipe: Recipe, work: Work, out: Path) -> None:
    driver = _said("docker", "buildx", "inspect")
    apart = re.search(r"^Driver:\s+docker$", driver, re.MULTILINE) is None
    ids = work.folder / "iid"
    target = ["--output", f"type=oci,dest={out}"] if apart else ["--load", "--iidfile", str(ids)]
    argv = ["docker", "buildx", "build", "--progress=plain", "--provenance=false", "--sbom=false", *target]
    argv += ["--platform", recipe.platform, *_arguments(recipe), "--file", recipe.file, "."]
    _run(argv, recipe, work)
    if not apart:
        _run(["docker", "save", "--output", str(out), ids.read_text().strip()], recipe, work)


def _by_buildah(recipe: Recipe, work: Work, out: Path) -> None:
    name = f"{_NAME}:{work.folder.name.lower()}"
    argv = ["buildah", "build", "--format", "oci", "--timestamp", "0", "--platform", recipe.platform]
    try:
        _run([*argv, *_arguments(recipe), "--tag", name, "--file", recipe.file, "."], recipe, work)
        _run(["buildah", "push", "--quiet", "--disable-compression", name, f"oci:{out}"], recipe, work)
    finally:
        subprocess.run(["buildah", "rmi", name], capture_output=True, check=False)


def _by_engine(recipe: Recipe, work: Work, out: Path) -> None:
    """The engine's own builder; the context is sent as one archive (Docker Engine API, `POST /build`)."""
    import docker.errors

    context = work.folder / "context.tar"
    with tarfile.open(context, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(recipe.context, arcname=".", filter=_plain)
    api, built = _engine(), ""
    try:
        with context.open("rb") as stream:
            said = api.build(
                fileobj=stream,
                custom_context=True,
                dockerfile=recipe.file,
                buildargs=dict(recipe.args),
                platform=recipe.platform,
                rm=True,
                forcerm=True,
                decode=True,
                timeout=int(work.timeout),
            )
            built = _follow(said, recipe, work)
        with out.open("wb") as target:
            for chunk in api.get_image(built):
                target.write(chunk)
    except docker.errors.DockerException as error:
        raise WorldError(f"the Docker engine cannot build {recipe.file}: {error}", help=_HELP) from error
    finally:
        api.close()


def _follow(said: Any, recipe: Recipe, work: Work) -> str:
    """Show what the engine says while it builds; gives the id of the image."""
    from mlci.errors import Interrupted

    built, tail = "", list[str]()
    with work.log.open("a", encoding="utf-8") as log:
        for entry in said:
            if work.stop.is_set():
                said.close()
                raise Interrupted(f"the build of {recipe.file} was stopped")
            for line in str(entry.get("stream") or entry.get("error") or "").rstrip("\n").splitlines():
                tail = [*tail[-11:], line]
                log.write(line + "\n")
                work.say(line)
            built = (entry.get("aux") or {}).get("ID", built)
            if "error" in entry:
                raise WorldError(f"{recipe.file} cannot be built:\n" + "\n".join(tail), help=f"its output: {work.log}")
    if not built:
        raise WorldError(f"the Docker engine gave no image for {recipe.file}", help=f"its whole output: {work.log}")
    return built


def _run(argv: Sequence[str], recipe: Recipe, work: Work) -> None:
    env = {**os.environ, "DOCKER_CLI_HINTS": "false", "SOURCE_DATE_EPOCH": "0"}
    command = process.Command(list(argv), recipe.context, env, work.timeout)
    process.run(command, log=work.log, say=work.say, stop=work.stop)


def _arguments(recipe: Recipe) -> list[str]:
    return [part for name, value in recipe.args.items() for part in ("--build-arg", f"{name}={value}")]


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nobody's, of no time: the engine's cache goes by what is in a file."""
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
    return info


def _untar(archive: Path, folder: Path) -> None:
    """The plain files of an archive, and nothing that is not one, into a folder."""
    try:
        with tarfile.open(archive, "r:") as files:
            for member in files:
                if member.isfile():
                    target = _inside(folder, member.name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    source = files.extractfile(member)
                    assert source is not None
                    with source, target.open("wb") as out:
                        shutil.copyfileobj(source, out, 1 << 20)
                elif member.issym():
                    _link(folder, member)
    except (tarfile.TarError, EOFError) as error:
        raise WorldError(f"what the builder gave is not a whole archive: {error}") from error


def _link(folder: Path, member: tarfile.TarInfo) -> None:
    """Older engines name a layer that is there twice by a link to the other."""
    target = _inside(folder, member.name)
    source = _inside(folder, os.path.normpath(str(Path(member.name).parent / member.linkname)))
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(source, target)


def _inside(folder: Path, name: str) -> Path:
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise WorldError(f"what the builder gave names {name!r}, which is outside of it")
    return folder / path


def _small(file: Path) -> bytes:
    with file.open("rb") as stream:
        raw = stream.read(_MOST_JSON + 1)
    if len(raw) > _MOST_JSON:
        raise ValueError(f"{file.name} is too large")
    return raw


def _engine() -> Any:
    try:
        import docker
    except ImportError:
        raise WorldError(
            "the Docker engine's API needs the package docker", help="pip install 'mlci[docker]', or docker buildx"
        ) from None
    return docker.from_env(version="auto").api


def _engine_answers() -> bool:
    try:
        import docker
        import docker.errors
    except ImportError:
        return False
    try:
        client = docker.from_env(version="auto", timeout=10)
    except docker.errors.DockerException:
        return False
    client.close()
    return True


def _works(*argv: str) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, check=False, timeout=_ASKED_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, check=False, text=True).stdout
