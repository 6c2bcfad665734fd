"""Registries: a tag, a copy inside one registry and a copy to another one, beside skopeo; and many who attach at once.

The registries are Debian's docker-registry on loopback with their files on one disk. skopeo remembers where it has
seen a blob, by the registry's address; each of its runs gets a registry on a new port, as a fresh runner would see it.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import MLCI, ROOT, Command, Options, Usage, median, run, say, table
from mlci.errors import MlciError
from mlci.store import CONFIG, LAYER_TAR, MANIFEST, Descriptor, canonical, copy, put_artifact
from mlci.store.registry import RegistryStore
from tests.registrykit import Proxy, RunningRegistry, proxy_before, running_registry

NOTE = "application/vnd.bench.note.v1"
ATTACHERS = 16
SKOPEO = ("skopeo", "copy", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false")


@dataclass(frozen=True)
class Plan:
    """How large and how often."""

    model: int
    runs: int
    rounds: int


def measure(options: Options) -> str:
    """The section of docs/benchmarks.md."""
    plan = Plan(16 << 20, 2, 3) if options.quick else Plan(1 << 30, 5, 100)
    return section(plan, options.data)


def section(plan: Plan, folder: Path) -> str:
    """All of it for a model layer of so many bytes."""
    with TemporaryDirectory(dir=folder) as work:
        source = Path(work) / "source"
        say(f"an image with a model layer of {plan.model >> 20} MiB")
        with running_registry(source) as registry:
            _image(RegistryStore(f"{registry.host}/bench/model"), plan.model)
        rows = [*_retag(source, plan), *_other_repository(source, plan), *_other_registry(source, Path(work), plan)]
        lost = _attach(Path(work) / "attach", plan)
    head = ["", "mlci, as a library", "`mlci copy`", "`skopeo copy`", "library : skopeo", "requests", "blob bytes sent"]
    return f"{table(head, rows)}\n\n{_TEXT.format(size=plan.model >> 20)}\n\n{lost}\n"


_TEXT = """Medians. The image has a config, 10 KiB of code and a model layer of {size} MiB; its digest stays in every
row. As a library is how the steps use it, connections included; the command starts Python first. skopeo runs with
`--preserve-digests`."""
_LAUNCHER = """
import os, resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def _image(store: RegistryStore, size: int) -> None:
    chance = random.Random(size)
    layers = []
    for count in (10 << 10, size):
        blocks = (chance.randbytes(min(1 << 20, count - start)) for start in range(0, count, 1 << 20))
        digest, written = store.put_blob(blocks)
        layers.append(Descriptor(LAYER_TAR, digest, written).to_json())
    digest, written = store.put_blob(iter([b'{"architecture":"amd64","os":"linux"}']))
    config = Descriptor(CONFIG, digest, written).to_json()
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}
    store.put_manifest(canonical(document), MANIFEST, tag="v1")


@contextmanager
def _registry(root: Path) -> Iterator[RunningRegistry]:
    """On a port of its own each time."""
    with running_registry(root) as running:
        yield running


Way = Callable[[str, str], Usage]
"""One copy from one reference to another, in some way."""


def _in_process(source: str, target: str) -> Usage:
    """In this process, with connections of its own; what the memory is, only the command tells."""
    there, here = RegistryStore(source), RegistryStore(target)
    began = time.perf_counter()
    copy(there, here, there.reference.tag or "", tag=here.reference.tag)
    return Usage(time.perf_counter() - began, 0.0, 0)


def _command(source: str, target: str) -> Usage:
    return _launched([*MLCI, "copy", source, target])


def _skopeo(source: str, target: str) -> Usage:
    return _launched([*SKOPEO, f"docker://{source}", f"docker://{target}"])


def _launched(line: Sequence[str]) -> Usage:
    """Started by a process so small that its memory does not count for the command's."""
    usage = run(Command([sys.executable, "-I", "-S", "-c", _LAUNCHER, *line]))
    return replace(usage, rss=int(usage.out) << 10)


WAYS: tuple[Way, ...] = (_in_process, _command, _skopeo)


def _in_turn(plan: Plan, once: Callable[[Way, int], Usage]) -> list[Usage]:
    """Each way `runs` times, one after the other, after a warm-up."""
    found: list[list[Usage]] = [[] for _ in WAYS]
    for number in range(plan.runs + 1):
        for usages, way in zip(found, WAYS, strict=True):
            usage = once(way, number)
            if number:
                usages.append(usage)
    return [median(usages) for usages in found]


def _row(name: str, found: list[Usage], wire: Proxy) -> list[str]:
    library, command, skopeo = (usage.wall for usage in found)
    writes = len(wire.requests("^(PUT|POST|PATCH)"))
    requests = f"{len(wire.seen)}, {writes} of them {'a write' if writes == 1 else 'writes'}"
    sent = f"{wire.uploaded():,}"
    return [name, _time(library), _time(command), _time(skopeo), f"{library / skopeo:.3f}", requests, sent]


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _retag(source: Path, plan: Plan) -> list[list[str]]:
    say("a tag")

    def once(way: Way, number: int) -> Usage:
        return way(f"{registry.host}/bench/model:v1", f"{registry.host}/bench/model:v1-{way.__name__}-{number}")

    with _registry(source) as registry:
        found = _in_turn(Plan(plan.model, plan.runs * 3, 0), once)
        with proxy_before(registry.host) as wire:
            _in_process(f"{wire.host}/bench/model:v1", f"{wire.host}/bench/model:counted")
    return [_row("a tag in the same repository", found, wire)]


def _other_repository(source: Path, plan: Plan) -> list[list[str]]:
    say("to another repository")

    def once(way: Way, number: int) -> Usage:
        with _registry(source) as registry:
            target = f"{registry.host}/bench/{way.__name__.strip('_')}-{number}:v1"
            return way(f"{registry.host}/bench/model:v1", target)

    found = _in_turn(plan, once)
    with _registry(source) as registry, proxy_before(registry.host) as wire:
        _in_process(f"{wire.host}/bench/model:v1", f"{wire.host}/bench/counted:v1")
    return [_row("to another repository of the registry", found, wire)]


def _other_registry(source: Path, work: Path, plan: Plan) -> list[list[str]]:
    say("to another registry")

    def once(way: Way, _: int) -> Usage:
        with TemporaryDirectory(dir=work) as target, _registry(source) as one, _registry(Path(target)) as other:
            return way(f"{one.host}/bench/model:v1", f"{other.host}/bench/model:v1")

    found = _in_turn(plan, once)
    with (
        TemporaryDirectory(dir=work) as target,
        _registry(source) as one,
        _registry(Path(target)) as other,
        proxy_before(other.host) as wire,
    ):
        _in_process(f"{one.host}/bench/model:v1", f"{wire.host}/bench/model:v1")
    row = _row("to another registry", found, wire)
    memory = [f"{usage.rss >> 20} MiB" if usage.rss else "" for usage in found]
    return [row, ["&nbsp;&nbsp;its memory", *memory, "", "", ""]]


def _attach(folder: Path, plan: Plan) -> str:
    """16 processes attach a referrer each to one image at once, in rounds; what is missing afterwards was lost."""
    say(f"{ATTACHERS} at once, {plan.rounds} rounds")
    with running_registry(folder) as registry:
        name = f"{registry.host}/bench/attach"
        line = [sys.executable, "-m", "bench.registry", name]
        workers = [
            subprocess.Popen([*line, str(who)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for who in range(ATTACHERS)
        ]
        store, lost, seconds = RegistryStore(name), 0, []
        for number in range(plan.rounds):
            subject = put_artifact(store, NOTE, [], annotations={"round": str(number)})
            began = time.perf_counter()
            for worker in workers:
                print(json.dumps(subject.to_json()), file=worker.stdin, flush=True)
            failed = [worker.stdout.readline() for worker in workers].count("failed\n")
            seconds.append(time.perf_counter() - began)
            missing = ATTACHERS - len(store.referrers(subject.digest))
            say(f"round {number}: {seconds[-1]:.1f} s, {missing} missing, {failed} failed")
            lost += missing
        for worker in workers:
            worker.communicate(timeout=60)
    middle, most = statistics.median(seconds), max(seconds)
    return (
        f"{ATTACHERS} processes attach to one image at once, on this registry without the referrers API, {plan.rounds}"
        f" times: {lost} of {ATTACHERS * plan.rounds:,} lost; all are listed after {middle:.1f} s (median; at most"
        f" {most:.1f} s)."
    )


def _attacher(name: str, who: str) -> None:
    """Attach to each subject that comes on standard input."""
    store = RegistryStore(name)
    for line in sys.stdin:
        try:
            put_artifact(store, NOTE, [], subject=Descriptor.from_json(json.loads(line)), annotations={"who": who})
            print("done", flush=True)
        except MlciError as error:
            print(error, file=sys.stderr)
            print("failed", flush=True)


if __name__ == "__main__":
    _attacher(*sys.argv[1:])
