"""A layer's bytes."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.errors import WorldError
from mlci.image.layers import Entry, tar_chunks
from mlci.store import sha256

LONG = "/".join(["a long folder name"] * 12)
ENTRIES = [
    Entry("app/serve.py", b"print()\n"),
    Entry("app/run", b"#!/bin/sh\n", executable=True),
    Entry("app.txt", b""),
    Entry("app/data/ünïcode ✓.json", b"{}" * 300),
    Entry(f"{LONG}/weights.bin", b"\0" * 512),
]
GOLDEN = "sha256:dce475fe99448cad4626a18b716b1004e457d158e0e3f24d8679340ef8ecf668"


def members(raw: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        return archive.getmembers()


def test_the_bytes_are_the_same_on_every_machine_and_every_python() -> None:
    raw = b"".join(tar_chunks(ENTRIES))
    assert b"".join(tar_chunks(ENTRIES[::-1])) == raw
    assert sha256(raw) == GOLDEN


def test_files_of_the_disk_give_the_same_bytes_as_their_contents(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"#!/bin/sh\n" * 300_000)
    os.utime(tmp_path / "x", (5, 5))
    (tmp_path / "x").chmod(0o640)
    from_disk = b"".join(tar_chunks([Entry("bin/x", tmp_path / "x", executable=True)]))
    assert from_disk == b"".join(tar_chunks([Entry("bin/x", b"#!/bin/sh\n" * 300_000, executable=True)]))


def test_nothing_of_this_machine_is_in_it() -> None:
    found = members(b"".join(tar_chunks(ENTRIES)))
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in found} == {(0, 0, "", "", 0)}
    assert {m.mode for m in found if m.isfile()} == {0o644, 0o755}
    assert {m.mode for m in found if m.isdir()} == {0o755}
    assert [m.name for m in found if m.mode == 0o755 and m.isfile()] == ["app/run"]


def test_folders_come_before_what_is_in_them() -> None:
    names = [m.name for m in members(b"".join(tar_chunks(ENTRIES)))]
    assert names == sorted(names)
    assert names[-5:] == ["app.txt", "app/data", "app/data/ünïcode ✓.json", "app/run", "app/serve.py"]


def test_gnu_tar_reads_it(tmp_path: Path) -> None:
    (tmp_path / "layer.tar").write_bytes(b"".join(tar_chunks(ENTRIES)))
    done = subprocess.run(["tar", "xf", tmp_path / "layer.tar", "-C", tmp_path], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / LONG / "weights.bin").read_bytes() == b"\0" * 512
    assert (tmp_path / "app/data/ünïcode ✓.json").read_bytes() == b"{}" * 300


@pytest.mark.parametrize("size", [0, 999, 1001, 5 << 20])
def test_a_file_that_changes_while_it_is_read_is_found(tmp_path: Path, size: int) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"x" * 1000)
    chunks = tar_chunks([Entry("model.bin", file)])
    next(chunks)  # the header is out, with the size in it
    file.write_bytes(b"y" * size)
    with pytest.raises(WorldError, match="changed while it was read"):
        list(chunks)


def test_a_file_that_is_gone_is_a_broken_world(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="cannot read"):
        list(tar_chunks([Entry("x", tmp_path / "gone")]))


@pytest.mark.parametrize("path", ["", ".", "/x", "../x", "a/../b", "a//b", "./a", "a/", "a\0"])
def test_a_path_that_is_not_plain_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be a path"):
        list(tar_chunks([Entry(path, b"")]))


@pytest.mark.parametrize("paths", [("a", "a"), ("a", "a/b")])
def test_a_path_stands_for_one_thing(paths: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="same path"):
        list(tar_chunks([Entry(path, b"") for path in paths]))


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=300).filter(
    lambda name: name not in (".", "..")
)


@given(st.dictionaries(NAMES, st.tuples(st.binary(max_size=1100), st.booleans()), max_size=5))
def test_any_files_come_back(files: dict[str, tuple[bytes, bool]]) -> None:
    raw = b"".join(tar_chunks([Entry(f"d/{name}", *rest) for name, rest in files.items()]))
    assert len(raw) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        found = {m.name[2:]: (archive.extractfile(m).read(), m.mode == 0o755) for m in archive if m.isfile()}
    assert found == files
