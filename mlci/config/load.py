"""From a file to a project: found, read, overridden, checked, converted; all mistakes together or none.

The libraries that this needs are imported on the way, so that importing this module costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlci.config.judging import Gate
from mlci.config.model import Config
from mlci.config.source import OVERRIDE, Entry, Node, Path_, Source, place_of
from mlci.errors import ConfigError, Problem, UsageError

NAMES = ("mlci.yaml", "mlci.yml")
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Project:
    """A loaded `mlci.yaml`: the typed config, the folder and the file, and the tree as written (after overrides).

    `policy` is from where its policy is read instead (a git ref or a file); None: from the default branch, if any.
    """

    config: Config
    root: Path
    file: Path
    raw: dict[str, Any]
    tree: Node = field(repr=False, compare=False)
    policy: str | None = None

    def problem(self, path: Path_, message: str, help: str = "") -> Problem:
        """A mistake that was found later, at a path of the config or at the nearest value above it that exists."""
        return place_of(self.tree, path).problem(message, help, path)


def find(start: Path) -> Path:
    """The mlci.yaml of a folder or of the nearest one above; raises UsageError when there is none."""
    for folder in (start.resolve(), *start.resolve().parents):
        for name in NAMES:
            if (folder / name).is_file():
                return folder / name
    raise UsageError(f"no {NAMES[0]} here: looked in {start} and its parents", help="name the file with -c")


def load(file: Path, overrides: Sequence[str] = ()) -> Project:
    """Read and check a config file. Raises ConfigError with every mistake, and UsageError when there is no file."""
    file = file.parent.resolve() / file.name
    return _checked(file, *_tree(file), overrides)


def load_gate(file: Path, overrides: Sequence[str] = ()) -> Gate:
    """The rules of a gate that needs no project: what stands under `gate` in mlci.yaml, in a file of its own.

    An mlci.yaml does as well: its `gate` is taken. What names the project (`predict`, `data`, `champion`, `inputs`) may
    be left out, and says nothing here. Raises like `load`; paths of `overrides` begin with `gate.`.
    """
    file = file.parent.resolve() / file.name
    root, problems = _tree(file)
    assert isinstance(root.value, dict)
    rules = root.value["gate"].node if "gate" in root.value else root
    if not isinstance(rules.value, dict):
        raise ConfigError(_in_order([*problems, rules.place.problem("expected the rules of a gate, a mapping")]))

    def made(value: Any) -> Entry:
        if isinstance(value, dict):
            value = {name: made(inner) for name, inner in value.items()}
        return Entry(rules.place, Node(value, rules.place))

    own = {name: entry for name, entry in rules.value.items() if name not in ("champion", "inputs")}
    gate = Node({**own, "predict": made("-"), "data": made("holdout")}, rules.place)
    whole = {"version": made(1), "project": made("gate"), "data": made({"holdout": {"path": "-"}})}
    tree = Node({**whole, "gate": Entry(rules.place, gate)}, rules.place)
    found = _checked(file, tree, problems, overrides).config.gate
    assert found is not None
    return found


def _tree(file: Path) -> tuple[Node, list[Problem]]:
    """The file as a tree, a mapping at its top, and the mistakes of its writing."""
    from mlci.config.reader import read_yaml

    source = _read(file)
    root, problems = read_yaml(source)
    if root is None or root.value is None:
        help = "begin with `version: 1` and `project: NAME`"
        raise ConfigError(_in_order([*problems, source.problem(0, 0, "the file is empty", help)]))
    if not isinstance(root.value, dict):
        from mlci.config.words import describe

        found = describe(root.plain())
        wrong = root.place.problem(f"expected a mapping at the top of the file, found {found}")
        raise ConfigError(_in_order([*problems, wrong]))
    return root, problems


def _checked(file: Path, root: Node, problems: list[Problem], overrides: Sequence[str]) -> Project:
    from mlci.config.overrides import apply

    root, mistakes = apply(root, overrides)
    problems += mistakes
    problems += _mistakes(root, {(p.file, p.line, p.column) for p in problems})
    if problems:
        raise ConfigError(_in_order(problems))

    from mlci.config.convert import convert

    raw = root.plain()
    return Project(convert(Config, raw), file.parent, file, raw, root)


def _mistakes(root: Node, told: set[tuple[Path, int, int]]) -> list[Problem]:
    """The mistakes of shape and of meaning, but for those at places where something has been told already."""
    from mlci.config.fits import fits
    from mlci.config.references import references
    from mlci.config.schema import schema

    plain, of_shape, misspelt = root.plain(), list[Problem](), set[Path_]()
    if not fits(plain, schema(), schema()["$defs"]):
        from mlci.config.check import check

        of_shape, misspelt = check(root)
    of_meaning = [
        place_of(root, path).problem(message, help, path) for path, message, help in references(plain, misspelt)
    ]
    return [p for p in of_shape + of_meaning if (p.file, p.line, p.column) not in told]


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Each once, by position; those of the command line last."""
    once = {(p.file, p.line, p.column, p.message): p for p in reversed(problems)}
    return sorted(once.values(), key=lambda p: (p.file == OVERRIDE, p.line, p.column, p.message))


def _read(file: Path) -> Source:
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(
            f"there is no {file}", help=f"mlci looks for {NAMES[0]} in this folder and its parents; -c names another"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}", help="-c names another file") from error
    if len(raw) > _MAX_BYTES:
        raise ConfigError([Problem(file, 1, 1, f"the file is larger than {_MAX_BYTES} bytes")])
    try:
        return Source(file, raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        text = raw.decode("utf-8-sig", "backslashreplace")
        at = len(error.object[: error.start].decode())
        message = f"not UTF-8: the byte 0x{error.object[error.start]:02x} {error.reason}"
        raise ConfigError([Source(file, text).problem(at, at + 4, message, "save the file as UTF-8")]) from None
