"""An environment's history: reading and checking ten thousand records, and two who promote at once, a hundred times.

The records are written as segments of the log, not by ten thousand promotions. Each has a signature and an image of its
own; only the images of the newest, which `audit` asks for, are there.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import MLCI, Command, Options, in_turn, say, table
from mlci.evidence import audit, log, promotions, signing
from mlci.evidence.log import COUNT, LOG, SEGMENT, Entry
from mlci.evidence.promotions import mend
from mlci.evidence.signing.signers import key_signer
from mlci.store import MANIFEST, Descriptor, FolderStore, put_artifact, sha256
from mlci.store.index import Tags
from tests.logkit import image, opened, race, receipt
from tests.registrykit import running_registry

LIMIT_S = 3.0
CONFIG = """\
version: 1
project: bench
environments: {prod: {}}
signing: {signers: {ci: {public_key: ci.pub}}}
"""
REASONS = [
    {"rule": rule, "ok": True, "detail": f"{rule} passed at 2026-01-01T00:00:00.000000Z, signed by ci"}
    for rule in ("validate", "gate", "staging", "soak", "approvals")
]
VERSIONS = {"mlci": "0.1.0", "platform": "linux x86_64", "python": "3.12.8"}
RUN = "https://github.com/acme/flights/actions/runs/12345678901"


def measure(options: Options) -> str:
    """The section of docs/benchmarks.md."""
    count, runs, rounds = (600, 1, 5) if options.quick else (10_000, 5, 100)
    with TemporaryDirectory(dir=options.data) as work:
        project = Path(work) / "project"
        say(f"a log of {count:,} records")
        _project(project, count)
        rows = _timed(project, runs, "a folder")
        with running_registry(Path(work) / "registry") as registry:
            _planted(FolderStore(project / ".mlci" / "store"), Path(work) / "registry" / "data", "bench/prod")
            text = f"{CONFIG}image: {{repository: {registry.host}/bench/prod}}\n"
            (project / "mlci.yaml").write_text(text)
            rows += _timed(project, runs, "a registry")
            say(f"two at once, {rounds} times")
            races = [_raced("a folder", str(Path(work) / "raced"), rounds)]
            races.append(_raced("a registry", f"{registry.host}/bench/raced", rounds))
    shown = table(["", "where", "time", "limit", "memory"], rows)
    at_once = table(["two at once, in", "rounds", "exactly one won", "the chain is whole", "a round takes"], races)
    return f"{count:,} records, each signed. Medians of {runs} runs of the whole command.\n\n{shown}\n\n{at_once}\n"


def _timed(project: Path, runs: int, where: str) -> list[list[str]]:
    lines = [("history", "prod"), ("history", "prod", "--at", "2026-01-01T00:10:00Z"), ("audit", "prod")]
    found = in_turn([Command([*MLCI, *line], project) for line in lines], runs)
    return [
        [f"`mlci {' '.join(line)}`", where, f"{used.wall:.2f} s", f"{LIMIT_S:.0f} s", f"{used.rss >> 20} MiB"]
        for line, used in zip(lines, found, strict=True)
    ]


def _raced(kind: str, where: str, rounds: int) -> list[str]:
    began = time.perf_counter()
    found = race(where, rounds)  # raises when not exactly one won
    seconds = (time.perf_counter() - began) / rounds
    looked = audit.audit(opened(where), "prod", signing.Trusted({}), all=True)
    whole = looked.holds and [entry.digest for entry in looked.entries] == found.winners
    return [kind, f"{rounds}", f"{len(found.winners)} times", "yes" if whole else "NO", f"{seconds:.2f} s"]


def _project(root: Path, count: int) -> None:
    """A project whose only environment has a history."""
    root.mkdir()
    (root / "mlci.yaml").write_text(CONFIG)
    signing.generate(root / "ci")
    signer = key_signer(signing.load_private(root / "ci"))
    store = FolderStore(root / ".mlci" / "store")
    lines, entries = _lines(store, signer, count)
    segments = []
    for start in range(0, count, 256):
        part = lines[start : start + 256]
        digest, size = store.put_blob(iter([b"".join(line + b"\n" for line in part)]))
        segments.append(Descriptor(SEGMENT, digest, size, annotations={COUNT: str(len(part))}))
    for entry in entries[-audit.NEWEST :]:
        mend(store, "prod", entry)
    put_artifact(store, LOG, segments, tag=log.tag("prod"))
    tags = Tags.parse((store.root / "index.json").read_bytes())
    older = [
        Descriptor(MANIFEST, str(e.digest), 1, annotations={"org.opencontainers.image.ref.name": _tag(e)}).to_json()
        for e in entries[: -audit.NEWEST]
    ]
    (store.root / "index.json").write_bytes(Tags((*tags.entries, *older)).to_bytes())


def _tag(entry: Entry) -> str:
    return promotions.numbered("prod", entry.number)


def _lines(store: FolderStore, signer: signing.Signer, count: int) -> tuple[list[bytes], list[Entry]]:
    lines: list[bytes] = []
    entries: list[Entry] = []
    first = receipt(store, sha256(b"0"))
    builder = {"ci": RUN, "user": "ann", "host": "runner", "repository": RUN[:31], "versions": VERSIONS}
    for number in range(1, count + 1):
        kept = number > count - audit.NEWEST
        digest = image(store, f"v{number}") if kept else sha256(f"{number}".encode())
        last = entries[-1] if entries else None
        facts = {**first.facts, "number": number, "digest": digest, "reasons": REASONS}
        facts |= {"before": last.statement if last else None, "previous": last.digest if last else None}
        facts["evidence"] = {reason["rule"]: [sha256(f"{number} {reason['rule']}".encode())] for reason in REASONS}
        at = f"2026-01-{1 + number // 1440 % 28:02}T{number // 60 % 24:02}:{number % 60:02}:00.000000Z"
        one = replace(first, subjects={"image": digest}, facts=facts, builder=builder, finished=at, started=at)
        lines.append(log.line(one, signer))
        entries.append(log.parse(lines[-1], "prod")[0])
    return lines, entries


def _planted(store: FolderStore, data: Path, name: str) -> None:
    """The files of a docker-registry that has all of a folder's content in one repository."""
    root = data / "docker" / "registry" / "v2"
    repository = root / "repositories" / name
    for blob in (store.root / "blobs" / "sha256").iterdir():
        _written(root / "blobs" / "sha256" / blob.name[:2] / blob.name / "data", blob.read_bytes())
        link = f"sha256:{blob.name}".encode()
        _written(repository / "_layers" / "sha256" / blob.name / "link", link)
        _written(repository / "_manifests" / "revisions" / "sha256" / blob.name / "link", link)
    for tag, entry in Tags.parse((store.root / "index.json").read_bytes()).named.items():
        folder = repository / "_manifests" / "tags" / tag
        _written(folder / "current" / "link", entry["digest"].encode())
        _written(folder / "index" / "sha256" / entry["digest"][7:] / "link", entry["digest"].encode())


def _written(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
