"""From data and code to the model, the image and the environments: what the receipts of a run say came of what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from mlci.evidence.receipt import Receipt
from mlci.evidence.record import Run, StepRecord
from mlci.report import facts, words
from mlci.report.graph import Edge, Node

_KINDS = {"model": "Model", "image": "Image"}


@dataclass(frozen=True)
class Artefact:
    """A thing with an identity: data, code, a model, an image, an environment."""

    id: str
    kind: str
    name: str
    digest: str = ""
    note: str = ""
    step: str = ""
    look: str = ""


@dataclass
class Lineage:
    """The artefacts of a run by id, and the arrows between them."""

    artefacts: dict[str, Artefact] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def nodes(self) -> list[Node]:
        """The artefacts as boxes."""
        return [
            Node(
                a.id,
                a.kind,
                words.short(a.digest) if a.digest and not a.name else a.name,
                _under(a),
                a.look,
                title=_full(a),
            )
            for a in self.artefacts.values()
        ]

    def know(self, artefact: Artefact) -> None:
        """Take an artefact in; what is known of it already stays where the new one says nothing."""
        old = self.artefacts.get(artefact.id)
        if old:
            artefact = replace(
                artefact,
                digest=artefact.digest or old.digest,
                note=artefact.note or old.note,
                step=old.step or artefact.step,
                look=artefact.look or old.look,
            )
        self.artefacts[artefact.id] = artefact

    def link(self, start: str, end: str, *, dashed: bool = False) -> None:
        """Draw an arrow."""
        if start != end:
            self.edges.append(Edge(start, end, dashed))


def lineage(run: Run) -> Lineage:
    """Read the receipts in the order of the run."""
    found = Lineage()
    for step in run.steps:
        reader = _READERS.get(words.kind(step.name))
        if step.receipt and reader:
            reader(found, step, step.receipt)
    return found


def _validated(found: Lineage, step: StepRecord, receipt: Receipt) -> None:
    for name, digest in sorted(receipt.subjects.items()):
        note = "keeps its contract" if step.status == "pass" else "breaks its contract"
        found.know(Artefact(name, "Data", name.removeprefix("data:"), digest, note, step.name, step.status))


def _trained(found: Lineage, step: StepRecord, receipt: Receipt) -> None:
    sources = [*_data(found, receipt), *_code(found, step, receipt)]
    for name, digest in sorted(receipt.subjects.items()):
        kind = _KINDS.get(name, "Output")
        found.know(Artefact(digest, kind, "" if kind != "Output" else name, digest, step=step.name))
        for source in sources:
            found.link(source, digest)


def _judged(found: Lineage, step: StepRecord, receipt: Receipt) -> None:
    sources = _data(found, receipt)
    for digest in sorted(receipt.subjects.values()):
        note = "passed the gate" if step.status == "pass" else "did not pass the gate"
        found.know(Artefact(digest, "Model", "", digest, note, step.name, step.status))
        for source in sources:
            found.link(source, digest, dashed=True)


def _built(found: Lineage, step: StepRecord, receipt: Receipt) -> None:
    sources = _code(found, step, receipt)
    for material in receipt.materials:
        if material.via == "train":
            kind = _KINDS.get(material.name, "Output")
            found.know(Artefact(material.digest, kind, "" if kind != "Output" else material.name, material.digest))
            sources.append(material.digest)
    for digest in sorted(receipt.subjects.values()):
        found.know(
            Artefact(digest, "Image", "", digest, words.size(facts.number(facts.of(step).get("size"))), step.name)
        )
        for source in sources:
            found.link(source, digest)


def _released(found: Lineage, step: StepRecord, receipt: Receipt) -> None:
    known = facts.of(step)
    name = facts.text(known.get("environment")) or step.name.partition(":")[2]
    place, back = f"environment:{name}", step.status == "rolled-back"
    number, previous = facts.number(known.get("number")), facts.text(known.get("previous"))
    said = f"promoted, number {words.number(number)}" if number is not None else ""
    if words.kind(step.name) == "deploy":
        said = "taken back" if back else "serves"
    refused = step.status == "fail"
    found.know(
        Artefact(place, "Environment", name, note="refused" if refused else said, step=step.name, look=step.status)
    )
    for digest in sorted(receipt.subjects.values()):
        found.know(Artefact(digest, "Image", "", digest))
        found.link(digest, place, dashed=back or refused)
        if back:
            found.edges = [e for e in found.edges if e != Edge(digest, place)]
    if back and previous:
        found.know(Artefact(previous, "Image, before", "", previous, "serves again"))
        found.link(previous, place)


def _data(found: Lineage, receipt: Receipt) -> list[str]:
    """The datasets that a step read, by the reason its files were read for."""
    read = Counter(m.via.removeprefix("data ") for m in receipt.materials if m.via.startswith("data "))
    for name, files in read.items():
        old = found.artefacts.get(f"data:{name}")
        found.know(Artefact(f"data:{name}", "Data", name, note=old.note if old else words.count(files, "file")))
    return [f"data:{name}" for name in read]


def _code(found: Lineage, step: StepRecord, receipt: Receipt) -> list[str]:
    """Every other file that a step read, as one."""
    files = [m for m in receipt.materials if not m.via.startswith("data ") and m.via != "train"]
    if not files:
        return []
    one = f"code:{step.name}"
    commit = facts.text(receipt.source.get("commit"))[:12] if isinstance(receipt.source, dict) else ""
    note = f"commit {commit}" if commit else ""
    found.know(Artefact(one, "Code", f"{words.count(len(files), 'file')} for {step.name}", note=note, step=step.name))
    return [one]


def _under(artefact: Artefact) -> str:
    if artefact.note:
        return artefact.note
    return words.short(artefact.digest) if artefact.digest and artefact.name else ""


def _full(artefact: Artefact) -> str:
    return ", ".join(filter(None, (artefact.kind, artefact.name, artefact.digest, artefact.note)))


_READERS = {
    "validate": _validated,
    "train": _trained,
    "gate": _judged,
    "build": _built,
    "promote": _released,
    "rollback": _released,
    "deploy": _released,
}
