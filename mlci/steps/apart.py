"""Which files and columns the splits of a dataset are about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlci import contract
from mlci.config import Project
from mlci.config.source import Path_
from mlci.config.words import quote, suggest
from mlci.errors import Problem
from mlci.steps.files import expand


def others(project: Project, dataset: str) -> dict[str, list[Path]]:
    """The files of the datasets that this one is to be apart from."""
    names = dict.fromkeys(name for split in project.config.data[dataset].splits for name in split.apart_from)
    return {name: expand(project, project.config.data[name].path, ("data", name, "path")) for name in names}


def contracts(project: Project, dataset: str) -> list[Path]:
    """The contract of a dataset, if it has one."""
    file = project.config.data[dataset].contract
    return expand(project, file, ("data", dataset, "contract")) if file else []


def lines(project: Project, dataset: str) -> list[int]:
    """The lines of a dataset's splits in the config."""
    splits = project.config.data[dataset].splits
    return [project.problem(("data", dataset, "splits", i), "").line for i in range(len(splits))]


def sensitive(project: Project, *datasets: str) -> frozenset[str]:
    """The columns that one of the contracts says not to show."""
    loaded = (contract.load(file) for name in datasets for file in contracts(project, name))
    return frozenset(p.name for found in loaded for p in found.properties if p.sensitive)


def lacking(project: Project, dataset: str) -> Iterator[Problem]:
    """Columns of splits that a closed contract, of this dataset or of another one, does not name; each once."""
    told: set[Path_] = set()
    for i, split in enumerate(project.config.data[dataset].splits):
        path: Path_ = ("data", dataset, "splits", i)
        named: list[tuple[Path_, str]] = [((*path, "keys", at), name) for at, name in enumerate(split.keys)]
        named += [((*path, "after", at), name) for at, name in enumerate(split.after)]
        named += [((*path, "balance", "column"), split.balance.column)] if split.balance else []
        for other in (dataset, *split.apart_from):
            for file in contracts(project, other):
                rules = contract.load(file)
                columns = [p.name for p in rules.properties]
                for where, name in named if rules.closed else ():
                    if name not in columns and where not in told:
                        told.add(where)
                        message = f"{quote(other)} has no column {quote(name)}, by its contract"
                        yield project.problem(where, message, suggest(name, columns, "columns"))
