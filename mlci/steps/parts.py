"""What is known of each file of a dataset, kept in the store by the file's digest, so that only what is new is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from mlci.config import Project
from mlci.contract.query.part import Part
from mlci.errors import WorldError
from mlci.evidence.receipt import Material
from mlci.steps.files import relative
from mlci.store import Descriptor, Store, put_artifact, read_layers

KIND = "application/vnd.mlci.parts.v1+json"


@dataclass(frozen=True)
class Memory:
    """The parts of one dataset under one contract. `digests` are those of the files there are now."""

    store: Store
    tag: str
    digests: Mapping[str, str]
    project: Project

    @classmethod
    def of(
        cls, store: Store, step: str, materials: Sequence[Material], project: Project, rules: Sequence[Path]
    ) -> Memory:
        """The memory of a step with these inputs; another contract, mlci or DuckDB has another one.

        `rules` are the other files that the contract names, which may be among those of the dataset.
        """
        named = {relative(project, file) for file in rules}
        asked = sorted((m.name, m.digest) for m in materials if m.name in named or not m.via.startswith("data "))
        key = hashlib.sha256(json.dumps([version("mlci"), version("duckdb"), asked]).encode()).hexdigest()
        digests = {m.name: m.digest for m in materials}
        return cls(store, f"parts-{step.replace(':', '.')}-{key}", digests, project)

    def known(self, files: Sequence[Path]) -> dict[Path, Part]:
        """The parts of the files that have been read before."""
        try:
            (layer,) = read_layers(self.store.get_manifest(self.tag))
            with self.store.open_blob(layer.digest) as stream:
                kept = json.loads(stream.read())
        except WorldError:  # it is not there, broken, or in a registry that does not answer: all is read
            return {}
        first = {self._key(file): file for file in reversed(files)}  # a copy of a file repeats its keys: it is new
        return {file: Part.from_json(kept[key]) for key, file in first.items() if key in kept}

    def keep(self, parts: Mapping[Path, Part]) -> Descriptor:
        """Remember the parts of the files that can be read, and forget those of others."""
        kept = {self._key(file): part.to_json() for file, part in parts.items() if part.problem is None}
        raw = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        digest, size = self.store.put_blob(iter([raw]))
        return put_artifact(self.store, KIND, [Descriptor(KIND, digest, size)], tag=self.tag)

    def _key(self, file: Path) -> str:
        """The bytes of a file, and its ending: that says how they are read."""
        return self.digests[relative(self.project, file)] + "".join(file.suffixes[-2:])
