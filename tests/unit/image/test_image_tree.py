"""Files and folders as artifacts, and back."""

from __future__ import annotations

import json
import os
import sys
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.errors import WorldError
from mlci.image import UnsafeLayer, get_tree, put_tree
from mlci.image.layers import Entry, tar_chunks
from mlci.image.tree import TREE
from mlci.store import LAYER_TAR, CorruptBlob, Descriptor, FolderStore, NotFound, put_artifact, read_layers

GOLDEN = "sha256:bed33daab336957e5fe55c26f3fa94fee9e99936c378dc53ef26c9aa81ed330b"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


FILES = {"weights.bin": b"\0\1" * 999, "sub/a": b"", "sub.txt": b"x", "sub/deep/ü ñ.json": b"{}"}


def test_a_folder_comes_back_as_it_was(store: FolderStore, tmp_path: Path) -> None:
    folder = write(tmp_path / "model", FILES)
    (folder / "sub/a").chmod(0o700)
    back = get_tree(store, put_tree(store, folder).digest, tmp_path / "back")
    assert (back, read(back)) == (tmp_path / "back/models", FILES)
    assert (back / "sub/a").stat().st_mode & 0o777 == 0o755
    assert (back / "weights.bin").stat().st_mode & 0o777 == 0o644
    (back / "weights.bin").write_bytes(b"a user may write to it")
    assert store.verify() == []


def test_a_file_comes_back_under_its_name(store: FolderStore, tmp_path: Path) -> None:
    file = write(tmp_path, {"model.bin": b"weights"}) / "model.bin"
    tree = put_tree(store, file)
    assert get_tree(store, tree.digest, tmp_path / "back") == tmp_path / "back/models/model.bin"
    assert read(tmp_path / "back") == {"models/model.bin": b"weights"}
    assert get_tree(store, tree.digest, tmp_path / "back") == tmp_path / "back/models/model.bin"
    assert json.loads(store.get_manifest(tree.digest).raw)["annotations"] == {"dev.mlci.kind": "file"}


def test_the_digest_is_the_same_everywhere_and_always(store: FolderStore, tmp_path: Path) -> None:
    first = write(tmp_path / "one", FILES)
    second = write(tmp_path / "two", dict(reversed(FILES.items())))
    (second / "an empty folder").mkdir()
    for path in second.rglob("*"):
        os.utime(path, (1, 1))
    (second / "weights.bin").chmod(0o600)
    other = FolderStore(tmp_path / "other")
    assert put_tree(store, first).digest == put_tree(other, second).digest == GOLDEN


def test_paths_contents_and_the_executable_bit_are_what_the_digest_says(store: FolderStore, tmp_path: Path) -> None:
    digests = set()
    for i, files in enumerate(({"a": b"1"}, {"b": b"1"}, {"a": b"2"}, {"a/a": b"1"})):
        digests.add(put_tree(store, write(tmp_path / str(i), files)).digest)
    (tmp_path / "0/a").chmod(0o755)
    digests |= {put_tree(store, tmp_path / "0").digest, put_tree(store, tmp_path / "1/b").digest}
    assert len(digests) == 6


def test_links_inside_the_folder_are_followed(store: FolderStore, tmp_path: Path) -> None:
    folder = write(tmp_path / "model", {"v2/weights": b"w"})
    (folder / "current").symlink_to("v2/weights")
    (tmp_path / "latest").symlink_to("model")
    back = get_tree(store, put_tree(store, tmp_path / "latest").digest, tmp_path / "back")
    assert read(back) == {"current": b"w", "v2/weights": b"w"}
    assert not (back / "current").is_symlink()


def test_what_cannot_be_carried_is_refused(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    spoilers = {
        "leaves the folder": lambda folder: (folder / "x").symlink_to("../secret"),
        "a link to a folder": lambda folder: (folder / "x").symlink_to("."),
        "cannot read": lambda folder: (folder / "x").symlink_to("gone"),
        "not a regular file": lambda folder: os.mkfifo(folder / "x"),
    }
    if sys.platform == "linux":  # elsewhere no file can have such a name
        spoilers["not Unicode"] = lambda folder: (folder / os.fsdecode(b"\xff")).touch()
    for i, (message, spoil) in enumerate(spoilers.items()):
        folder = write(tmp_path / str(i), {"a": b""})
        spoil(folder)
        with pytest.raises(WorldError, match=message):
            put_tree(store, folder)
    (tmp_path / "empty/empty").mkdir(parents=True)
    for path, message in ((tmp_path / "empty", "no files"), (tmp_path / "gone", "cannot read")):
        with pytest.raises(WorldError, match=message):
            put_tree(store, path)


def tree_of(store: FolderStore, raw: bytes, title: str, kind: str) -> Descriptor:
    digest, size = store.put_blob(iter([raw]))
    layer = Descriptor(LAYER_TAR, digest, size, annotations={"org.opencontainers.image.title": title})
    return put_artifact(store, TREE, [layer], annotations={"dev.mlci.kind": kind})


@pytest.mark.parametrize("title", ["../x", "/etc/x", "models/../x", "", ".", "models//b", "models/..", "models/a\0b"])
def test_a_file_that_is_said_to_be_elsewhere_is_refused(store: FolderStore, tmp_path: Path, title: str) -> None:
    tree = tree_of(store, b"".join(tar_chunks([Entry("models/x", b"x")])), title, "file")
    with pytest.raises(WorldError, match="cannot be"):
        get_tree(store, tree.digest, tmp_path / "under/back")
    assert not (tmp_path / "under").exists()


@pytest.mark.parametrize("name", ["../x", "/etc/x", "models/../../x"])
def test_a_tree_that_leaves_its_folder_is_refused(store: FolderStore, tmp_path: Path, name: str) -> None:
    info = tarfile.TarInfo(name)
    info.size = 1
    raw = info.tobuf(tarfile.PAX_FORMAT) + b"x" + b"\0" * (511 + 1024)
    tree = tree_of(store, raw, "models", "folder")
    with pytest.raises(UnsafeLayer, match="leads out"):
        get_tree(store, tree.digest, tmp_path / "under/back")
    assert list((tmp_path / "under").iterdir()) == []


def test_what_is_no_tree_or_holds_nothing_is_refused(store: FolderStore, tmp_path: Path) -> None:
    other = put_artifact(store, "application/vnd.example", [])
    empty = tree_of(store, b"".join(tar_chunks([Entry("elsewhere/x", b"x")])), "models", "folder")
    for tree, message in ((other, "is not a file or folder"), (empty, "has no models")):
        with pytest.raises(WorldError, match=message):
            get_tree(store, tree.digest, tmp_path / tree.digest[7:])


def test_a_damaged_tree_leaves_nothing_behind(store: FolderStore, tmp_path: Path) -> None:
    tree = put_tree(store, write(tmp_path / "model", FILES))
    layers = read_layers(store.get_manifest(tree.digest))
    weights = next(one for one in layers if "models/weights.bin" in one.annotations.values())
    path = store.root / "blobs/sha256" / weights.digest[7:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"\0\1\0\1", b"\0\2\0\2"))
    with pytest.raises(CorruptBlob):
        get_tree(store, tree.digest, tmp_path / "under/back")
    path.unlink()
    with pytest.raises(NotFound):
        get_tree(store, tree.digest, tmp_path / "under/back")
    assert list((tmp_path / "under").iterdir()) == []


def test_what_a_killed_process_left_beside_is_removed_after_a_day(store: FolderStore, tmp_path: Path) -> None:
    tree = put_tree(store, write(tmp_path / "model", FILES))
    left = tmp_path / "trees/.making-x"
    write(left, FILES)
    os.utime(left, (time.time() - 90_000,) * 2)
    get_tree(store, tree.digest, tmp_path / "trees/back")
    assert [path.name for path in (tmp_path / "trees").iterdir()] == ["back"]


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..")
)


@settings(max_examples=40)
@given(st.dictionaries(NAMES, st.binary(max_size=50), min_size=1, max_size=5))
def test_any_names_survive(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    base = tmp_path_factory.mktemp("any")
    store = FolderStore(base / "store")
    try:
        write(base / "model", files)
    except OSError:
        return  # a name that this file system does not take
    back = get_tree(store, put_tree(store, base / "model").digest, base / "back")
    assert read(back) == files
