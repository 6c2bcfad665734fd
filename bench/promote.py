"""Promotions: a retag under a policy with many signed records on the image, and a copy with its evidence beside skopeo.

The registry is Debian's docker-registry on loopback, once as it is and once behind a proxy that holds every request
back for as long as a registry far away would. skopeo remembers where it has seen a blob, by the registry's address;
each of its runs goes through a proxy on a new port, as a fresh runner would see it. It does not copy what refers to
the image.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import MLCI, Command, Options, Usage, median, run, say, table
from mlci.config import load
from mlci.evidence import results, signing
from mlci.evidence.receipt import Receipt
from mlci.evidence.signing import keys
from mlci.store.registry import RegistryStore
from tests.promotekit import image, note
from tests.registrykit import Exchange, Proxy, RunningRegistry, proxy_before, running_registry

ROUND_TRIP_S = 0.04
SKOPEO = ("skopeo", "copy", "--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false")


@dataclass(frozen=True)
class Plan:
    """How many signed records, layers of each of two platforms and things that refer to the image; and how often."""

    records: int
    layers: int
    referrers: int
    runs: int


def measure(options: Options) -> str:
    """The section of docs/benchmarks.md."""
    return section(Plan(10, 4, 2, 1) if options.quick else Plan(100, 20, 6, 5), options.data)


def section(plan: Plan, folder: Path) -> str:
    """All of it."""
    with TemporaryDirectory(dir=folder) as work, running_registry(Path(work) / "registry") as registry:
        rows = [*_retag(registry, Path(work), plan), *_copied(registry, Path(work), plan)]
    head = ["", "median", "most", "requests", "blob bytes sent"]
    text = _TEXT.format(records=plan.records, layers=plan.layers, referrers=plan.referrers, runs=plan.runs)
    return f"{table(head, rows)}\n\n{text}\n"


_TEXT = """Whole processes, Python's start included. The tag is given to an image with {records} signed receipts, under
a policy that asks for two of their steps; each of the {runs} runs has a project's folder that has never seen the image,
and a key that signs the record. What is copied is an index of two platforms with {layers} layers each and {referrers}
artifacts that refer to it, between two repositories of one registry; the bytes that a promotion sends are its own
record. skopeo has no policy and no record, and leaves behind what refers to the image."""
_WHEN = "2026-01-01T00:00:00.000000Z"


@contextmanager
def _far(registry: RunningRegistry, seconds: float) -> Iterator[Proxy]:
    """The registry as far away as that."""
    with proxy_before(registry.host) as proxy:
        if seconds:

            def late(exchange: Exchange) -> None:
                time.sleep(seconds)
                exchange.forward()

            proxy.misbehave("", late)
        yield proxy


def _retag(registry: RunningRegistry, work: Path, plan: Plan) -> Iterator[list[str]]:
    """Promote, and promote again, near and far."""
    say(f"an image with {plan.records} signed records")
    store = RegistryStore(f"{registry.host}/bench/signed")
    subject = image(store)
    names = ["gate", "train", *(f"validate:{number}" for number in range(plan.records - 2))]
    made = [Receipt(one, "k", "pass", "", {"image": subject.digest}, finished=_WHEN) for one in names]
    for one in made:
        results.attach(store, one, subject)
    signer = signing.signer(load(_project(work / "signs", "localhost/signs", {}) / "mlci.yaml"), say)
    assert signer
    signing.attach(store, [results.signable(one, subject.digest) for one in made], subject, signer)
    for where, seconds in (("here", 0.0), (f"{ROUND_TRIP_S * 1000:.0f} ms away", ROUND_TRIP_S)):
        first, again, asked = [], [], [0, 0]
        for number in range(plan.runs):
            name = f"{'far' if seconds else 'near'}{number}"
            with _far(registry, seconds) as proxy:
                project = _project(work / name, f"{proxy.host}/bench/signed", {name: "requires: [gate, train]"})
                command = Command([*MLCI, "promote", name, "--from", subject.digest], cwd=project)
                first.append(run(command))
                asked[0] = len(proxy.seen)
                again.append(run(command))
                asked[1] = len(proxy.seen) - asked[0]
        yield _row(f"a tag, {where}", first, asked[0])
        yield _row(f"already promoted, {where}", again, asked[1])


def _copied(registry: RunningRegistry, work: Path, plan: Plan) -> Iterator[list[str]]:
    """To another repository, beside skopeo, far away."""
    say(f"2 platforms of {plan.layers} layers, {plan.referrers} artifacts that refer to them")
    store = RegistryStore(f"{registry.host}/bench/platforms")
    subject = image(store, kind="OCI index", layers=plan.layers)
    for number in range(plan.referrers):
        note(store, subject, f"artifact {number}")
    promoted, copied, skopeo = [], [], []
    for number in range(plan.runs):
        with _far(registry, ROUND_TRIP_S) as proxy:
            name = f"{proxy.host}/bench/platforms"
            to = f"repository: {proxy.host}/bench/promoted{number}"
            project = _project(work / f"copy{number}", name, {"production": to}, signs=False)
            promoted.append(run(Command([*MLCI, "promote", "production"], cwd=project)))
            asked, sent = len(proxy.seen), proxy.uploaded()
        with _far(registry, ROUND_TRIP_S) as proxy:
            line = [*MLCI, "copy", f"{proxy.host}/bench/platforms:latest", f"{proxy.host}/bench/copied{number}:v1"]
            copied.append(run(Command(line)))
            asked_copy, sent_copy = len(proxy.seen), proxy.uploaded()
        with _far(registry, ROUND_TRIP_S) as proxy:
            places = (f"docker://{proxy.host}/bench/{one}" for one in ("platforms:latest", f"skopeo{number}:v1"))
            skopeo.append(run(Command([*SKOPEO, *places])))
            asked_skopeo, sent_skopeo = len(proxy.seen), proxy.uploaded()
    away = f"to another repository, {ROUND_TRIP_S * 1000:.0f} ms away"
    yield _row(f"promoted {away}", promoted, asked, sent)
    yield _row(f"the same, `mlci copy` alone, without policy and record {away}", copied, asked_copy, sent_copy)
    yield _row(f"`skopeo copy --all` {away}", skopeo, asked_skopeo, sent_skopeo)


def _project(folder: Path, repository: str, environments: dict[str, str], *, signs: bool = True) -> Path:
    folder.mkdir()
    signing_keys = ""
    if signs:
        keys.generate(folder / "key")
        signing_keys = "signing: {key: key, signers: {ci: {public_key: key.pub}}}\n"
    lines = "".join(f"  {name}: {{{rules}}}\n" for name, rules in environments.items())
    text = f"version: 1\nproject: bench\nimage: {{repository: {repository}}}\n{signing_keys}"
    (folder / "mlci.yaml").write_text(text + (f"environments:\n{lines}" if lines else ""))
    return folder


def _row(name: str, usages: list[Usage], requests: int, sent: int = 0) -> list[str]:
    walls = [usage.wall for usage in usages]
    return [name, f"{median(usages).wall:.2f} s", f"{max(walls):.2f} s", f"{requests:,}", f"{sent:,}"]
