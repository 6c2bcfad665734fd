"""What `mlci history` and `mlci report` say of one digest: its whole lineage, from the records alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mlci.errors import UsageError

if TYPE_CHECKING:
    from mlci.config import Project
    from mlci.evidence.receipt import Receipt
    from mlci.evidence.record import Run
    from mlci.store import Store

_FILES = 8


def records(project: Project, place: Callable[[str | None], Store], reference: str) -> tuple[str, list[Receipt]]:
    """The digest behind an environment, a tag or a digest, and the receipts on it in every place, oldest first.

    Raises UsageError when no place has it.
    """
    from mlci.evidence import results
    from mlci.store import NotFound

    environments = project.config.environments
    first = [place(reference)] if reference in environments else []
    places = list({id(one): one for one in [*first, place(None), *map(place, environments)]}.values())
    digest = None
    for one in places:
        try:
            digest = results.digest_of(one, reference)
            break
        except NotFound:
            continue
    if digest is None:
        raise UsageError(
            f"there is no {reference!r} in the store",
            help="an environment, a tag such as production-000001, or a digest",
        )
    found = {receipt.to_bytes(): receipt for one in places for receipt in results.on(one, digest)}
    return digest, sorted(found.values(), key=lambda receipt: receipt.finished)


def run_of(project: Project, digest: str, receipts: list[Receipt]) -> Run:
    """The newest receipt of each step as if one run had made them all, for the report.

    What made the image is in stages, each after the one before; what moved it happened one after the other.
    """
    from mlci.evidence.record import Run, StepRecord

    newest = {receipt.step: receipt for receipt in receipts}.values()
    stages = [
        [r for r in newest if r.step.partition(":")[0] == kind] for kind in ("validate", "train", "gate", "build")
    ]
    moved = [[r] for r in newest if r.step.startswith(("promote:", "rollback:", "deploy:"))]
    steps: list[StepRecord] = []
    before: tuple[str, ...] = ()
    for stage in filter(None, (*stages, *sorted(moved, key=lambda one: one[0].finished))):
        steps += [StepRecord(r.step, before, r.verdict, True, 0.0, r.summary, r) for r in stage]
        before = tuple(r.step for r in stage)
    times = [receipt.finished for receipt in receipts] or [""]
    return Run(digest, project.config.project, f"mlci report {digest}", times[0], times[-1], 0, tuple(steps))


def text(story: dict[str, Any]) -> str:
    """The lineage for people."""
    return "\n".join(_lines(story))


def _lines(story: dict[str, Any]) -> Iterator[str]:
    yield story["digest"]
    for data in story["data"]:
        contract = {"pass": "keeps its contract", "fail": "breaks its contract"}.get(data["contract"], "")
        yield _line(
            "data",
            data["name"],
            f"{len(data['files'])} files",
            contract,
            f"read by {', '.join(data['read_by'])}" if data["read_by"] else "",
        )
        yield from _files(data["files"])
    if code := story["code"]:
        commits = {str(commit or "no commit")[:12] for commit in code["commits"].values()}
        named = [f"{step} of {str(commit or 'no commit')[:12]}" for step, commit in code["commits"].items()]
        said = ", ".join(commits if len(commits) == 1 else named)
        yield _line("code", said, "with changes that were not committed" if code["dirty"] else "")
        yield from _files(code["files"])
    if train := story["training"]:
        yield _line("params", _pairs(train["params"]) or "none")
        yield _line("metrics", _pairs(train["metrics"]) or "none")
        yield _line("training", train["when"][:19], train["who"])
    if gate := story["gate"]:
        champion = f"champion {str(gate['champion'])[:19]}" if gate["champion"] else "without a champion"
        yield _line("gate", gate["verdict"], gate["when"][:19], champion, gate["summary"])
    if image := story["image"]:
        yield _line("image", image["when"][:19], image["who"], image["summary"])
    for one in story["environments"]:
        yield _line(one["environment"], f"number {one['number']}", one["when"][:19], one["who"], one["why"] or "")
    for one in story["deployments"]:
        yield _line("deployed", one["environment"], one["when"][:19], one["verdict"], one["summary"])
    for one in story["other"]:
        yield _line(one["step"], one["verdict"], one["when"][:19], one["who"], one["summary"])


def _line(what: object, *said: object) -> str:
    return f"{what!s:<11} {'  '.join(str(part) for part in said if part)}"


def _files(files: dict[str, str]) -> Iterator[str]:
    for name in sorted(files)[:_FILES]:
        yield f"{'':<11}   {files[name][:19]}  {name}"
    if len(files) > _FILES:
        yield f"{'':<11}   and {len(files) - _FILES} more"


def _pairs(values: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(values.items())) if isinstance(values, dict) else ""
