"""Which local Python modules a script imports, found without running it.

A change in a helper that nobody declared must make the step run again. So the script of a command is parsed, and
each import that resolves to a file of the project (beside the script, on PYTHONPATH, in the project or its `src`) is
read too, and so on. Found: `import`, `from … import`
(absolute and relative, also inside functions), `importlib.import_module("literal")`, `python -m module`. Not found:
modules whose names are computed at run time; these belong into `inputs`.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mlci.config import Project
from mlci.steps.files import expand


def read_by(
    project: Project, argv: Sequence[str], inputs: Sequence[str], where: tuple[str, ...], env: Mapping[str, str]
) -> list[tuple[Path, str]]:
    """All files that a command reads, as far as it can be known: declared, named in the command, imported."""
    paths = [*env.get("PYTHONPATH", os.environ.get("PYTHONPATH", "")).split(os.pathsep), "", "src"]
    search = [project.root / path for path in dict.fromkeys(paths)]
    found: list[tuple[Path, str]] = []
    for i, pattern in enumerate(inputs):
        for path in expand(project, pattern, (*where, i)):
            found.append((path, ".".join(where)))
            if path.suffix == ".py":
                found += trace(path, [path.parent, *search], project.root)
    return found + command_files(argv, project.root, search)


def command_files(argv: Sequence[str], root: Path, search: Sequence[Path] = ()) -> list[tuple[Path, str]]:
    """The files of the project that a command names, and what its Python scripts import; each with how it was found.

    Modules are looked for beside the script, then in `search`.
    """
    found: list[tuple[Path, str]] = []
    for argument in argv:
        path = root / argument
        if path.is_file() and _inside(path, root):
            found.append((path, "the command names it"))
            if path.suffix == ".py":
                found += trace(path, [path.parent, *search], root)
    if "-m" in argv[:-1]:
        module = argv[argv.index("-m") + 1]
        for path in _module_files(module, [root, *search]):
            found += [(path, f"the command runs {module}"), *trace(path, [root, *search], root)]
    return found


def trace(script: Path, search: Sequence[Path], root: Path) -> list[tuple[Path, str]]:
    """The files inside `root` that `script` imports, directly or through others, looked for in `search`."""
    found: dict[Path, str] = {}
    waiting = [script]
    while waiting:
        importer = waiting.pop(0)
        for path in _imports(importer, search):
            if path not in found and path != script and _inside(path, root):
                found[path] = f"imported by {importer.relative_to(root).as_posix()}"
                waiting.append(path)
    return list(found.items())


def _inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


def _imports(file: Path, search: Sequence[Path]) -> Iterator[Path]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return  # the command itself will say what is wrong
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module_files(alias.name, search)
        elif isinstance(node, ast.ImportFrom):
            folders = [file.parents[node.level - 1]] if node.level else search
            base = node.module or ""
            for alias in node.names:
                yield from _module_files(f"{base}.{alias.name}".strip("."), folders)
        elif isinstance(node, ast.Call) and (name := _literal_import(node)):
            yield from _module_files(name, search)


def _literal_import(call: ast.Call) -> str | None:
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
    if called not in ("import_module", "__import__") or not call.args:
        return None
    name = call.args[0]
    return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None


def _module_files(name: str, search: Sequence[Path]) -> Iterator[Path]:
    """The files that importing `a.b.c` reads: each package's `__init__.py`, and the module as far as it exists.

    A last part that is no file is an attribute of the module before it.
    """
    parts = [part for part in name.split(".") if part and part != "*"]
    for folder in search:
        here, files = folder, []
        for part in parts:
            module, package = here / f"{part}.py", here / part / "__init__.py"
            if package.is_file():
                files.append(package)
            elif module.is_file():
                files.append(module)
                break
            elif not (here / part).is_dir():
                break
            here = here / part
        if not parts and (folder / "__init__.py").is_file():
            files.append(folder / "__init__.py")
        if files:
            yield from files
            return
