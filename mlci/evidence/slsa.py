"""SLSA provenance v1 of an image: what it was built from, how, by whom. A retelling of receipts, so of equal bytes.

https://slsa.dev/spec/v1.0/provenance. The parameters are the config that the build declared to read; the dependencies
are what the build and the training before it read, by digest, and the commit. `runDetails.builder.id` is the workflow
of a GitHub run, or `LOCAL`, which promises nothing: whoever signs the statement vouches for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mlci.evidence.receipt import Receipt
from mlci.evidence.statement import statement
from mlci.store import sha256

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://mlci.dev/buildtypes/image/v1"
LOCAL = "https://mlci.dev/builders/local"


def provenance(build: Receipt, before: Sequence[Receipt] = ()) -> bytes:
    """The statement for the image of a build's receipt; `before` are the receipts of what made its parts."""
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"image": build.config, **_source(build)},
            "resolvedDependencies": list(_dependencies(build, before)),
        },
        "runDetails": {
            "builder": {
                "id": build.builder.get("workflow", LOCAL),
                "version": dict(build.builder.get("versions", {})),
            },
            "metadata": {
                "invocationId": build.builder.get("ci", f"urn:mlci:receipt:{sha256(build.to_bytes())}"),
                "startedOn": build.started,
                "finishedOn": build.finished,
            },
        },
    }
    return statement(PREDICATE_TYPE, predicate, {"image": build.subjects["image"]})


def _source(build: Receipt) -> dict[str, Any]:
    """Where the project came from, as far as the builder knows."""
    known = {name: build.builder[name] for name in ("repository", "ref") if build.builder.get(name)}
    return {"source": known} if known else {}


def _dependencies(build: Receipt, before: Sequence[Receipt]) -> Iterator[dict[str, Any]]:
    """Resource descriptors: the commit first, then every material once, sorted by name."""
    commit = build.source.get("commit")
    if commit:
        repository, ref = build.builder.get("repository"), build.builder.get("ref")
        yield {
            "name": "source",
            **({"uri": f"git+{repository}@{ref}"} if repository and ref else {}),
            "digest": {"gitCommit": commit},
            "annotations": {"dirty": bool(build.source.get("dirty"))},
        }
    read = {(m.name, m.digest) for receipt in (*before, build) for m in receipt.materials}
    for name, digest in sorted(read):
        algorithm, _, value = digest.partition(":")
        yield {"name": name, "digest": {algorithm: value}}
