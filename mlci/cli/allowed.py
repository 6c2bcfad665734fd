"""`mlci verify REF --env ENV`: may it be there? For a person, as JSON, and as the answer to Kubernetes' admission.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/ ("Webhook request and
response", admission.k8s.io/v1).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mlci.errors import OK, VERDICT, UsageError

if TYPE_CHECKING:
    from mlci.config import Project
    from mlci.steps.policy import Judged
    from mlci.store import Store

    Place = Callable[[str | None], Store]
    """What gives the store of an environment, or of the images (None)."""

_MOST_BYTES = 16 << 20
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_REVIEW = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}


def say(project: Project, image: str, environment: str, *, place: Place, as_json: bool) -> int:
    """Every reason; returns the exit code."""
    judged = _judged(project, image, environment, place)
    if as_json:
        found = {"image": judged.digest, "environment": environment, "allowed": judged.allowed}
        found |= {"policy": judged.policy, "reasons": [asdict(reason) for reason in judged.reasons]}
        click.echo(json.dumps(found, indent=2))
        return OK if judged.allowed else VERDICT
    from mlci.cli.output import table

    click.echo(judged.digest)
    rows = [["yes" if reason.ok else "no", reason.rule, reason.detail] for reason in judged.reasons]
    lines = table([["", "rule", ""], *rows]).splitlines()[1:] if rows else []
    for reason, line in zip(judged.reasons, lines, strict=True):
        click.secho(line, fg="green" if reason.ok else "red")
    word = "allowed in" if judged.allowed else "not allowed in"
    click.echo(f"{word} {environment}, by {judged.policy['from']}")
    return OK if judged.allowed else VERDICT


def admit(project: Project, image: str | None, environment: str, *, place: Place) -> int:
    """Answer the review on stdin: each image of the project in it, or only the one that is named here."""
    from mlci.store import is_digest

    asked = _request()
    ours = _repositories(project)
    named = [image] if image else list(dict.fromkeys(_images(asked.get("object"))))
    denied, warnings = [], []
    for one in named:
        is_ours, digest = _ours(one, ours) if image is None else (True, one)
        if not is_ours:
            warnings.append(f"{one} is not judged: it is of another repository than {' or '.join(ours)}")
        elif image is None and not is_digest(digest):
            denied.append(f"{one}: a tag may be another digest when it is pulled; name it by its digest")
        else:
            denied += [f"{one}: {why}" for why in _against(project, digest, environment, place)]
    if not named:
        denied.append("there is no image in it")
    answer: dict[str, Any] = {"uid": str(asked.get("uid", "")), "allowed": not denied}
    answer |= {"status": {"code": 403, "message": "; ".join(denied)}} if denied else {}
    answer |= {"warnings": warnings} if warnings else {}
    click.echo(json.dumps({**_REVIEW, "response": answer}))
    return VERDICT if denied else OK


def _against(project: Project, image: str, environment: str, place: Place) -> list[str]:
    """What stands against an image; also that nobody has it, for whoever asks for an answer gets one."""
    try:
        reasons = _judged(project, image, environment, place).reasons
    except UsageError as error:
        return [error.message]
    return [f"{reason.rule}: {reason.detail}" for reason in reasons if not reason.ok]


def _judged(project: Project, image: str, environment: str, place: Place) -> Judged:
    """The image is a tag or a digest, or a store and what is in it: `oci:FOLDER:TAG`, `HOST/REPOSITORY@DIGEST`."""
    from mlci.evidence import results
    from mlci.steps.policy import judge
    from mlci.store import NotFound, locate

    if image.startswith("oci:") or "/" in image:
        location = locate(image)
        stores, image = [location.store], location.reference or "latest"
        place = lambda _environment: location.store  # noqa: E731
    else:
        near = map(place, (image, None, environment, *project.config.environments))
        stores = list({id(store): store for store in near}.values())
    for store in stores:
        with suppress(NotFound):
            return judge(project, stores, environment, results.digest_of(store, image), place=place)
    raise UsageError(f"there is no {image!r}", help="a tag, a digest, or oci:FOLDER:TAG")


def _request() -> Mapping[str, Any]:
    """The review's request; nothing on stdin is one without a name."""
    raw = "" if sys.stdin.isatty() else sys.stdin.read(_MOST_BYTES)
    try:
        found = json.loads(raw)["request"] if raw.strip() else {}
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UsageError("what is on stdin is no AdmissionReview with a request", help="admission.k8s.io/v1, as JSON")
    return found


def _images(document: Any) -> Iterator[str]:
    """Every image of a pod, or of the pods that it is a template for."""
    if isinstance(document, list):
        for inner in document:
            yield from _images(inner)
    elif isinstance(document, dict):
        for name, inner in document.items():
            if name in _CONTAINERS and isinstance(inner, list):
                yield from (str(one.get("image")) for one in inner if isinstance(one, dict))
            elif name != "metadata":
                yield from _images(inner)


def _repositories(project: Project) -> list[str]:
    """Where the project's images are: `image.repository`, and each environment's own."""
    from mlci.steps.repository import reference_of

    found = (reference_of(project, one) for one in (None, *project.config.environments))
    return list(dict.fromkeys(reference.name for reference in found if reference))


def _ours(image: str, repositories: Collection[str]) -> tuple[bool, str]:
    """Whether an image is the project's, and what is said to be its digest; without a repository every one is."""
    from mlci.store.registry.reference import parse_reference

    name, _, digest = image.partition("@")
    head, colon, tail = name.rpartition(":")
    name = head if colon and "/" not in tail else name
    with suppress(UsageError):
        name = parse_reference(name).name
    return not repositories or name in repositories, digest
