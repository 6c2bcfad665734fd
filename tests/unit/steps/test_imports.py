"""Local imports are found without running a script."""

from __future__ import annotations

from pathlib import Path

from mlci import config
from mlci.steps.imports import command_files, read_by


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def found(root: Path, *argv: str) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): via for path, via in command_files(argv, root)}


def test_a_helper_of_a_helper_is_found_and_says_who_imports_it(tmp_path: Path) -> None:
    write(
        tmp_path, {"train.py": "import features", "features.py": "from dates import day", "dates.py": "def day(): ..."}
    )
    assert found(tmp_path, "python", "train.py") == {
        "train.py": "the command names it",
        "features.py": "imported by train.py",
        "dates.py": "imported by features.py",
    }


def test_packages_relative_imports_and_submodules_are_followed(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "train.py": "from lib.models import tree",
            "lib/__init__.py": "",
            "lib/models/__init__.py": "from . import base",
            "lib/models/tree.py": "from ..shared import scale\nfrom .base import Base",
            "lib/models/base.py": "",
            "lib/shared.py": "",
        },
    )
    assert set(found(tmp_path, "python", "train.py")) == {
        "train.py",
        "lib/__init__.py",
        "lib/models/__init__.py",
        "lib/models/tree.py",
        "lib/models/base.py",
        "lib/shared.py",
    }


def test_imports_inside_functions_and_by_literal_name_are_found(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "train.py": "import importlib\ndef f():\n    import late\n    importlib.import_module('named.part')\n",
            "late.py": "",
            "named/part.py": "",
        },
    )
    assert set(found(tmp_path, "python", "train.py")) == {"train.py", "late.py", "named/part.py"}


def test_a_module_run_with_m_is_found(tmp_path: Path) -> None:
    write(tmp_path, {"pkg/__init__.py": "", "pkg/train.py": "from pkg import data", "pkg/data.py": ""})
    assert set(found(tmp_path, "python", "-m", "pkg.train")) == {"pkg/__init__.py", "pkg/train.py", "pkg/data.py"}


def test_a_script_beside_its_helper_in_a_folder(tmp_path: Path) -> None:
    write(tmp_path, {"src/train.py": "import helper", "src/helper.py": "", "helper.py": "# another one"})
    assert set(found(tmp_path, "python", "src/train.py")) == {"src/train.py", "src/helper.py"}


def test_installed_modules_cycles_and_broken_scripts_do_no_harm(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": "import json, a", "a.py": "import b", "b.py": "import a\nthis is no python"})
    assert set(found(tmp_path, "python", "train.py")) == {"train.py", "a.py", "b.py"}


def test_files_outside_the_project_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("")
    root = tmp_path / "project"
    write(root, {"train.py": "from .. import outside"})
    assert set(found(root, "python", "train.py", "../outside.py")) == {"train.py"}


def test_other_files_that_the_command_names_are_read_too(tmp_path: Path) -> None:
    write(tmp_path, {"train.sh": "echo", "settings.toml": ""})
    assert set(found(tmp_path, "bash", "train.sh", "--config", "settings.toml")) == {"train.sh", "settings.toml"}


def test_modules_on_the_python_path_and_in_src_are_found(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "mlci.yaml": "version: 1\nproject: p\n",
            "scripts/train.py": "import helper, deep, packaged",
            "helper.py": "",
            "lib/deep.py": "",
            "src/packaged/__init__.py": "",
        },
    )
    project = config.load(tmp_path / "mlci.yaml")
    files = read_by(project, ["python", "scripts/train.py"], (), ("train", "inputs"), {"PYTHONPATH": "lib"})
    assert {path.relative_to(tmp_path).as_posix() for path, _ in files} == {
        "scripts/train.py",
        "helper.py",
        "lib/deep.py",
        "src/packaged/__init__.py",
    }
