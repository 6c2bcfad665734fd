"""Files are named relative to the project and hashed once a change."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from mlci import config
from mlci.errors import ConfigError
from mlci.steps.files import combined, expand, hash_files, materials, relative


@pytest.fixture
def project(tmp_path: Path) -> config.Project:
    (tmp_path / "mlci.yaml").write_text("version: 1\nproject: p\ndata:\n  d: {path: data/*.csv}\n")
    for name in ("data/b.csv", "data/a.csv", "data/deep/c.csv", "other.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return config.load(tmp_path / "mlci.yaml")


def names(project: config.Project, pattern: str) -> list[str]:
    return [p.relative_to(project.root).as_posix() for p in expand(project, pattern, ("data", "d", "path"))]


def test_a_file_a_folder_and_globs(project: config.Project) -> None:
    assert names(project, "other.txt") == ["other.txt"]
    assert names(project, "data") == ["data/a.csv", "data/b.csv", "data/deep/c.csv"]
    assert names(project, "data/*.csv") == ["data/a.csv", "data/b.csv"]
    assert names(project, "data/**/*.csv") == ["data/a.csv", "data/b.csv", "data/deep/c.csv"]


def test_a_pattern_without_files_is_shown_at_its_place(project: config.Project) -> None:
    with pytest.raises(ConfigError) as error:
        expand(project, "data/*.parquet", ("data", "d", "path"))
    (problem,) = error.value.problems
    assert (problem.line, "no file matches" in problem.message) == (4, True)


def test_digests_are_those_of_the_contents_also_when_remembered(project: config.Project) -> None:
    home, file = project.root / ".mlci", project.root / "other.txt"
    long_ago = 1_600_000_000
    os.utime(file, (long_ago, long_ago))
    expected = "sha256:" + hashlib.sha256(b"other.txt").hexdigest()
    assert hash_files([file], home) == hash_files([file], home) == [expected]


def test_a_change_of_the_same_size_within_the_same_second_is_seen(project: config.Project) -> None:
    home, file = project.root / ".mlci", project.root / "other.txt"
    seen = set()
    for text in ("aaaa", "bbbb", "cccc", "dddd"):
        file.write_text(text)
        seen.add(hash_files([file], home)[0])
    assert len(seen) == 4


def test_a_broken_memory_is_only_slower(project: config.Project) -> None:
    home = project.root / ".mlci"
    home.mkdir()
    (home / "digests.json").write_text("{broken")
    assert len(hash_files([project.root / "other.txt"], home)) == 1


def test_the_same_contents_in_another_place_are_the_same_materials(project: config.Project, tmp_path: Path) -> None:
    listed = materials(project, project.root / ".mlci", [(p, "data") for p in expand(project, "data", ("data",))])
    assert [m.name for m in listed] == ["data/a.csv", "data/b.csv", "data/deep/c.csv"]
    assert combined(listed) == combined(tuple(reversed(listed)))
    assert json.dumps([m.name for m in listed]).count(str(tmp_path)) == 0


def test_what_tools_and_the_training_make_is_no_input_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "mlci.yaml").write_text(
        "version: 1\nproject: p\ntrain: {run: python t.py, outputs: {model: build/model}}\n"
    )
    for name in ("lib/a.py", "lib/__pycache__/a.pyc", ".git/HEAD", ".mlci/store/x", "build/model/m.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    project = config.load(tmp_path / "mlci.yaml")
    assert names(project, ".") == ["lib/a.py", "mlci.yaml"]
    assert names(project, "**/*") == ["lib/a.py", "mlci.yaml"]


def test_a_name_is_the_same_in_every_checkout(
    project: config.Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "rows.csv"
    outside.write_text("x")
    link = outside.parent / "link"
    link.symlink_to(project.root)
    assert relative(project, project.root / "data" / "a.csv") == "data/a.csv"
    assert relative(project, project.root / ".." / "near.csv") == "../near.csv"
    assert relative(project, outside) == str(outside)  # the way there depends on where the project is
    assert relative(project, link / "data" / "a.csv") == "data/a.csv"
