"""Which results are shared with other machines, and when one that others made is not what its step would give."""

from __future__ import annotations

from mlci import contract
from mlci.config import Project
from mlci.contract import table
from mlci.evidence import shared
from mlci.steps import Build, Gate, Inputs, Step, Train, Validate
from mlci.steps.files import combined


def is_shared(project: Project, step: Step) -> bool:
    """What is a function of its key alone, and is for every machine.

    Whether data is fresh is not, nor a comparison that a person asked for, and an image may have a repository of its
    own.
    """
    if isinstance(step, Gate):
        return step.champion is None
    if isinstance(step, Validate):
        file = project.config.data[step.dataset].contract
        return file is not None and not table.has_freshness(contract.load(project.root / file))
    image = project.config.image
    return isinstance(step, Train) or (isinstance(step, Build) and not (image and image.repository))


def unlike(found: shared.Found, step: Step, inputs: Inputs, project: Project) -> str:
    """How a receipt contradicts the step that it is said to be of; empty where it does not."""
    receipt, outputs = found.receipt, set(found.outputs)
    if Inputs(receipt.config, receipt.materials).key(step.name) != receipt.key:
        return "what its receipt says was read does not give its key"
    if isinstance(step, Gate):
        model = {m.name: m.digest for m in inputs.materials}.get("model")
        same = receipt.subjects == {"model": model} and isinstance(receipt.facts.get("challenger"), str)
        return "" if same else "its receipt judges another model"
    if isinstance(step, Validate):
        data = [m for m in inputs.materials if m.via == f"data {step.dataset}"]
        return (
            ""
            if receipt.subjects == {step.name.replace("validate", "data"): combined(data)}
            else ("its receipt is about other data")
        )
    train = project.config.train
    names = {"image"} if isinstance(step, Build) else set(train.outputs if train else ())
    if set(receipt.subjects) != names or set(receipt.subjects.values()) != outputs or receipt.verdict != "pass":
        return "its outputs are not the ones of its receipt"
    return ""
