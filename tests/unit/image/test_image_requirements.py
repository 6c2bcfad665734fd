"""The layer of installed requirements, with real packages."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from mlci.errors import ConfigError, Interrupted, WorldError
from mlci.image import ImageSpec, build, unpack
from mlci.image.platforms import host_platform
from mlci.image.requirements import requirements_layer
from mlci.store import FolderStore

# Two small pure wheels; the second brings a script.
LOCK = """\
six==1.17.0
tabulate==0.9.0 ; python_full_version >= '3.9' \\
    --hash=sha256:024ca478df22e9340661486f85298cff5f6dcdba14f3813e8830015b9ed1948f
"""
GOLDEN = "sha256:f3ab9ee25239108246cd90bf8b9b8a244ed6a6146f13ed5af1f4e6eb01d89b34"


def layer(folder: Path, lock: str, said: list[str] | None = None, **more) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "requirements.lock").write_text(lock)
    found = requirements_layer(
        FolderStore(folder / "store"),
        folder / "requirements.lock",
        python="3.11",
        platform=host_platform(),
        log=(said if said is not None else []).append,
        **more,
    )
    return found.digest


def test_two_installations_give_the_same_bytes(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        first = layer(tmp_path / "one", LOCK)
    finally:
        os.umask(before)
    assert first == layer(tmp_path / "two", LOCK) == GOLDEN


def test_a_second_build_installs_nothing(tmp_path: Path) -> None:
    digest = layer(tmp_path, LOCK)
    said: list[str] = []
    assert layer(tmp_path, LOCK, said) == digest
    assert said == []
    layer(tmp_path, LOCK.replace("1.17.0", "1.16.0"), said)
    assert any("six==1.16.0" in line for line in said)


def test_only_what_python_imports_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text(LOCK)
    store = FolderStore(tmp_path / "store")
    built = build(store, ImageSpec(requirements=tmp_path / "requirements.lock"), log=lambda _: None)
    deps = unpack(store, built.descriptor.digest, tmp_path / "image").root / "deps"
    names = {path.relative_to(deps).as_posix() for path in deps.rglob("*") if path.is_file()}
    assert {"six.py", "tabulate/__init__.py", "tabulate-0.9.0.dist-info/METADATA"} < names
    assert not [n for n in names if n.startswith(("bin/", ".")) or n.endswith((".pyc", "INSTALLER", "REQUESTED"))]
    listed = (deps / "tabulate-0.9.0.dist-info/RECORD").read_text().splitlines()
    assert listed == sorted(listed)
    assert {line.split(",")[0] for line in listed} == {n for n in names if n.startswith("tabulate")}
    assert {stat.S_IMODE(p.stat().st_mode) for p in deps.rglob("*") if p.is_file()} == {0o644}


def test_a_lock_for_another_platform_installs_nothing_here(tmp_path: Path) -> None:
    layer(tmp_path, "six==1.17.0 ; sys_platform == 'win32'\n")


def test_lines_that_pin_nothing_are_shown_where_they_stand(tmp_path: Path) -> None:
    lock = "# a comment\nsix==1.17.0\n\nnumpy>=1.26  # later\n-r other.txt\npandas\n-e .\nscipy==1.*\n./local.whl\n"
    with pytest.raises(ConfigError) as caught:
        layer(tmp_path, lock)
    assert [(p.line, p.message.split("'")[1]) for p in caught.value.problems] == [
        (4, "numpy>=1.26"),
        (5, "-r other.txt"),
        (6, "pandas"),
        (7, "-e ."),
        (8, "scipy==1.*"),
        (9, "./local.whl"),
    ]
    assert "uv pip compile" in caught.value.problems[0].help


def test_a_lock_that_forgets_a_dependency_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="is not complete: what it names needs six"):
        layer(tmp_path, "python-dateutil==2.9.0.post0\n")
    assert FolderStore(tmp_path / "store").tags() == []


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        ("six==999.0\n", "no version of six==999.0"),
        (f"six==1.17.0 --hash=sha256:{'0' * 64}\n", "Hash mismatch"),
    ],
)
def test_when_uv_fails_its_last_words_are_shown(tmp_path: Path, lock: str, said: str) -> None:
    with pytest.raises(WorldError, match="cannot install") as caught:
        layer(tmp_path, lock)
    assert said in caught.value.message
    assert "wheel for Python 3.11" in caught.value.help


def test_an_installation_can_be_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        layer(tmp_path, LOCK, stop=stop)


def test_a_lock_that_is_not_there_is_a_broken_world(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="cannot read the requirements"):
        build(FolderStore(tmp_path / "store"), ImageSpec(requirements=tmp_path / "gone"), log=lambda _: None)
