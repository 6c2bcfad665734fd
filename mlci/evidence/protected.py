"""Where the policy comes from: not from the change that it judges.

In a git checkout it is the mlci.yaml of the default branch, as it was fetched last, with the key files that it names,
all read from the commit and none from the working tree. `Project.policy` (`--policy`, MLCI_POLICY) names another ref,
or a file. Where there is no git, or no remote, nothing is more protected than the file itself. What cannot be found out
is an error: a policy is never the weaker one because git did not answer.
"""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlci.config import Project, load
from mlci.errors import ConfigError, UsageError, WorldError
from mlci.evidence.scope import default_branch
from mlci.store import canonical, sha256

_BRANCH = re.compile(r"[\w][\w./+@-]{0,200}")
_PIN = "or name another policy: `--policy REF`, `--policy FILE`"
_OURS = ("environments", "signing", "gate", "data")
"""What of mlci.yaml the policy is made of."""


@dataclass(frozen=True)
class Policy:
    """A project whose environments, signers, gate and contracts decide, and what it was read from."""

    project: Project
    source: dict[str, str]

    @property
    def said(self) -> str:
        """The source in short."""
        commit = self.source.get("commit")
        return f"{self.source['from']} ({commit[:12]})" if commit else self.source["from"]

    def is_like(self, project: Project) -> bool:
        """Whether the working tree's mlci.yaml says the same."""
        return all(self.project.raw.get(part) == project.raw.get(part) for part in _OURS)


@contextmanager
def protected(project: Project, env: Mapping[str, str] = os.environ) -> Iterator[Policy]:
    """The policy for a project, for the time of a `with`: the files that it names are there as long.

    Raises WorldError and UsageError where it cannot be told, and ConfigError for mistakes in it.
    """
    root = project.root
    prefix = _prefix(root) if any((folder / ".git").exists() for folder in (root, *root.parents)) else None
    ref, commit = None, None
    if project.policy is not None:
        ref, commit = project.policy, None if prefix is None else _commit(root, project.policy)
        if commit is None:
            yield _of_file(root, project.policy)
            return
    elif prefix is not None and _git(root, "config", "--get", "remote.origin.url").returncode == 0:
        ref, commit = _default(root, env)
    if ref is None or commit is None or prefix is None:
        used = canonical({part: project.raw.get(part) for part in _OURS})
        yield Policy(project, {"from": f"{project.file.name} of the working tree", "digest": sha256(used)})
        return
    with tempfile.TemporaryDirectory(prefix="mlci-policy-") as folder:
        found = _written(project, prefix, (ref, commit), Path(folder))
        yield Policy(found, {"from": ref, "commit": commit, "file": project.file.name})


def _of_file(root: Path, named: str) -> Policy:
    file = root / named
    if not file.is_file():
        raise UsageError(f"there is no policy {named!r}", help="it is a git ref, such as origin/main, or a file")
    return Policy(load(file), {"from": named, "digest": sha256(file.read_bytes())})


def _prefix(root: Path) -> str:
    """The folder inside of its checkout; raises WorldError for one that git does not open, such as somebody else's."""
    done = _git(root, "rev-parse", "--show-prefix")
    if done.returncode != 0:
        raise WorldError(f"the policy is read with git, which says: {_first(done)}", help=f"mend that, {_PIN}")
    return done.stdout.decode().rstrip("\n")


def _default(root: Path, env: Mapping[str, str]) -> tuple[str, str]:
    """The default branch as it was fetched: what CI calls so, else what the clone does."""
    name = default_branch(env)
    if name is not None and not _BRANCH.fullmatch(name):
        raise WorldError(f"the default branch has the name {name[:100]!r}", help=_PIN)
    ref = f"refs/remotes/origin/{name or 'HEAD'}"
    commit = _commit(root, ref)
    if commit is None:
        shallow = _git(root, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
        fetch = "git fetch --depth=1 origin" if shallow else "git fetch origin"
        wanted = (
            f" +refs/heads/{name}:refs/remotes/origin/{name}`" if name else "` and `git remote set-head origin --auto`"
        )
        raise WorldError(
            f"the policy is that of the default branch, and this checkout has no {ref.removeprefix('refs/remotes/')}",
            help=f"`{fetch}{wanted}, {_PIN}",
        )
    return ref.removeprefix("refs/remotes/"), commit


def _commit(root: Path, ref: str) -> str | None:
    """The commit of a ref; None when git knows none of that name."""
    if ref.startswith("-"):
        return None
    done = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if done.returncode not in (0, 1):
        raise WorldError(f"git cannot say what {ref} is: {_first(done)}", help=f"mend that, {_PIN}")
    return done.stdout.decode().strip() or None


def _written(project: Project, prefix: str, at: tuple[str, str], folder: Path) -> Project:
    """The config of a commit, in a folder with the key files of the same commit; no override applies to it."""
    ref, commit = at
    name = posixpath.join(prefix, project.file.name)
    raw = _blob(project.root, commit, name)
    if raw is None:
        help = f"merge it there first, {_PIN}"
        raise WorldError(f"the policy is that of {ref} ({commit[:12]}), which has no {name}", help=help)
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(raw)
    try:
        found = load(file)
    except ConfigError as error:
        place = Path(f"{ref}:{name}")
        raise ConfigError([replace(problem, file=place) for problem in error.problems]) from None
    signing = found.config.signing
    named = [signer.public_key for signer in signing.signers.values() if signer.public_key]
    for one in [*named, *([signing.trusted_root] if signing.trusted_root else [])]:
        path = posixpath.normpath(posixpath.join(prefix, one))
        content = None if path.startswith(("/", "..")) else _blob(project.root, commit, path)
        if content is None:
            help = "a file of the repository, relative to mlci.yaml; merge it there first"
            raise WorldError(
                f"the policy is that of {ref} ({commit[:12]}), which names {one} and does not have it", help=help
            )
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return found


def _blob(root: Path, commit: str, path: str) -> bytes | None:
    done = _git(root, "cat-file", "blob", f"{commit}:{path}")
    return done.stdout if done.returncode == 0 else None


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorldError(
            f"the policy is read with git, and it cannot be run: {error}", help=f"install it, {_PIN}"
        ) from None


def _first(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[0] if lines else f"it ended with {done.returncode}"
