"""Images that come from anywhere, unpacked without harm."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.errors import WorldError
from mlci.image import UnsafeLayer, unpack
from mlci.store import CONFIG, INDEX, LAYER_TAR, MANIFEST, CorruptBlob, Descriptor, FolderStore, canonical, sha256

GZIP = LAYER_TAR + "+gzip"


def entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mode = kind, len(content), link, mode
    return info, content


def folder(name: str):
    return entry(name, kind=tarfile.DIRTYPE, mode=0o755)


def symlink(name: str, to: str):
    return entry(name, kind=tarfile.SYMTYPE, link=to)


def hardlink(name: str, to: str):
    return entry(name, kind=tarfile.LNKTYPE, link=to)


def tar(*entries, **options) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def put(store: FolderStore, content: bytes, media_type: str) -> Descriptor:
    digest, size = store.put_blob(iter([content]))
    return Descriptor(media_type, digest, size)


def image(store: FolderStore, *layers: bytes, media_type: str = LAYER_TAR, diff_ids: list[str] | None = None) -> str:
    plain = [gzip.decompress(layer) if media_type == GZIP else layer for layer in layers] if not diff_ids else []
    rootfs = {"type": "layers", "diff_ids": diff_ids or [sha256(layer) for layer in plain]}
    config = put(store, canonical({"config": {"Cmd": ["x"]}, "rootfs": rootfs}), CONFIG)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.to_json(),
        "layers": [put(store, layer, media_type).to_json() for layer in layers],
    }
    return store.put_manifest(canonical(manifest), MANIFEST).digest


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def files(root: Path) -> dict[str, str]:
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = path.read_text()
    return found


def test_layers_are_applied_in_order(store: FolderStore, tmp_path: Path) -> None:
    first = tar(entry("a", b"1"), entry("d/b", b"1"), entry("was a file", b""), entry("was/a folder", b""))
    second = tar(entry("a", b"2"), folder("was a file"), entry("was", b"now a file"), symlink("d/link", "b"))
    found = unpack(store, image(store, first, second), tmp_path / "image")
    assert (found.root, found.config) == (tmp_path / "image", {"Cmd": ["x"]})
    assert files(found.root) == {"a": "2", "d/b": "1", "was": "now a file", "d/link": "-> b"}
    assert (found.root / "was a file").is_dir()


def test_a_gzip_layer_is_unpacked_and_checked(store: FolderStore, tmp_path: Path) -> None:
    digest = image(store, gzip.compress(tar(entry("a", b"1"))), media_type=GZIP)
    assert files(unpack(store, digest, tmp_path / "image").root) == {"a": "1"}


def test_whiteouts_hide_what_was_there_before_and_nothing_else(store: FolderStore, tmp_path: Path) -> None:
    lower = tar(entry("a"), entry("d/old"), entry("d/sub/old"), entry("e/gone"), symlink("s", "d"))
    upper = tar(
        *(entry("d/new"), entry("d/sub/new"), entry("d/.wh..wh..opq"), entry("e/.wh.gone"), entry(".wh.s")),
        *(entry("again"), entry(".wh.again"), entry(".wh.never there"), entry(".wh.a", b"with content")),
    )
    assert files(unpack(store, image(store, lower, upper), tmp_path / "image").root).keys() == {
        "d/new",
        "d/sub/new",
        "again",
    }


def test_links_inside_the_image_work(store: FolderStore, tmp_path: Path) -> None:
    layer = tar(
        *(entry("usr/lib/x", b"x"), symlink("lib", "usr/lib"), entry("lib/y", b"y"), hardlink("hard", "lib/x")),
        *(symlink("usr/up", "../lib/./x"), symlink("usr/root", ".."), entry("hard2", b""), hardlink("hard2", "hard2")),
    )
    root = unpack(store, image(store, layer), tmp_path / "image").root
    assert (root / "usr/lib/y").read_text() == "y"
    assert (root / "usr/up").read_text() == "x"
    assert (root / "hard").stat().st_ino == (root / "usr/lib/x").stat().st_ino
    assert (root / "hard2").is_file()


def test_a_file_over_a_link_replaces_the_link(store: FolderStore, tmp_path: Path) -> None:
    lower = tar(entry("target", b"kept"), symlink("link", "target"), hardlink("hard", "target"))
    upper = tar(entry("link", b"new"), entry("hard", b"new"))
    root = unpack(store, image(store, lower, upper), tmp_path / "image").root
    assert files(root) == {"target": "kept", "link": "new", "hard": "new"}


def test_special_bits_and_owners_are_dropped(store: FolderStore, tmp_path: Path) -> None:
    info, content = entry("su", b"#!", mode=0o6755)
    info.uid = info.gid = 12345
    root = unpack(store, image(store, tar((info, content), entry("x", mode=0o200))), tmp_path / "image").root
    assert ((root / "su").stat().st_mode & 0o7777, (root / "x").stat().st_mode & 0o7777) == (0o755, 0o644)
    assert (root / "su").stat().st_uid == os.getuid()


HOSTILE = {
    "climbs": [entry("../evil")],
    "climbs in the middle": [entry("a/../../evil")],
    "absolute": [entry("/tmp/evil")],
    "a folder that climbs": [folder("../evil")],
    "a link that climbs": [symlink("a", "../evil")],
    "a link deeper that climbs": [symlink("a/b", "../../evil")],
    "an absolute link": [symlink("a", "/etc/passwd")],
    "a link that climbs later": [folder("a/b"), symlink("x", "a/b/../../..")],
    "a link through a link": [symlink("a", "."), symlink("a/b", ".."), entry("a/b/evil")],
    "a link whose folder is replaced": [folder("a/b"), symlink("x", "a/b/../../evil"), symlink("a/b", "..")],
    "an empty link": [symlink("a", "")],
    "a path without end": [entry("a/" * 3000 + "a")],
    "a link without end": [symlink("a", "a/" * 3000)],
    "a link to itself": [symlink("a", "a"), entry("a/b")],
    "a hard link outside": [hardlink("a", "../evil")],
    "an absolute hard link": [hardlink("a", "/etc/passwd")],
    "a hard link to nothing": [hardlink("a", "b")],
    "a hard link to a link": [symlink("b", "c"), hardlink("a", "b")],
    "a hard link to a folder": [folder("b"), hardlink("a", "b")],
    "a device": [entry("null", kind=tarfile.CHRTYPE)],
    "a block device": [entry("disk", kind=tarfile.BLKTYPE)],
    "a pipe": [entry("pipe", kind=tarfile.FIFOTYPE)],
    "a kind of its own": [entry("x", kind=b"Z")],
    "hides its parent": [entry("a/.wh...")],
    "hides itself": [entry("a/.wh..")],
    "hides nothing": [entry("a/.wh.")],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_leave_the_folder_is_refused(store: FolderStore, tmp_path: Path, name: str) -> None:
    digest = image(store, tar(entry("good", b"x"), *HOSTILE[name]))
    (tmp_path / "evil").write_text("before")
    with pytest.raises(UnsafeLayer):
        unpack(store, digest, tmp_path / "under/image")
    assert list((tmp_path / "under").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"store", "under", "evil"}
    assert (tmp_path / "evil").read_text() == "before"


def test_a_name_with_a_nul_is_refused(store: FolderStore, tmp_path: Path) -> None:
    info, content = entry("x")
    info.pax_headers = {"path": "a\0b"}
    with pytest.raises(UnsafeLayer):
        unpack(store, image(store, tar((info, content), format=tarfile.PAX_FORMAT)), tmp_path / "image")


def test_a_bomb_is_stopped_in_constant_memory(store: FolderStore, tmp_path: Path) -> None:
    raw = gzip.compress(tar(entry("zeros", b"\0" * (32 << 20))))
    digest = image(store, raw, media_type=GZIP)
    with pytest.raises(UnsafeLayer, match="larger than it may be"):
        unpack(store, digest, tmp_path / "image", most_bytes=8 << 20)
    with pytest.raises(UnsafeLayer, match="too many files"):
        unpack(store, image(store, tar(*(entry(f"{i}") for i in range(11)))), tmp_path / "image", most_entries=10)
    assert not (tmp_path / "image").exists()


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_an_endless_header_is_not_read_into_memory(store: FolderStore, tmp_path: Path, kind: bytes) -> None:
    layer = tar(entry("x", b"a" * (8 << 20), kind=kind), entry("y"))
    with pytest.raises(UnsafeLayer, match="endless header"):
        unpack(store, image(store, layer), tmp_path / "image")


def test_what_is_no_tar_is_refused(store: FolderStore, tmp_path: Path) -> None:
    whole = tar(entry("x", b"x" * 9000))
    for layer, media_type in (
        (b"no tar at all" * 100, LAYER_TAR),
        (whole[:2000], LAYER_TAR),
        (gzip.compress(whole)[:-20], GZIP),
        (b"no gzip" * 100, GZIP),
        (whole, "application/vnd.oci.image.layer.v1.tar+zstd"),
    ):
        digest = image(store, layer, media_type=media_type, diff_ids=[sha256(layer)])
        with pytest.raises(UnsafeLayer):
            unpack(store, digest, tmp_path / "image")
    assert not (tmp_path / "image").exists()


def test_every_byte_is_checked(store: FolderStore, tmp_path: Path) -> None:
    layer = tar(entry("x", b"x" * 9000))
    digest = image(store, layer)
    path = store.root / "blobs/sha256" / hashlib.sha256(layer).hexdigest()
    path.chmod(0o644)
    path.write_bytes(layer[:-1] + b"\1")  # the last byte of the padding
    with pytest.raises(CorruptBlob):
        unpack(store, digest, tmp_path / "image")
    wrong = image(store, gzip.compress(tar(entry("y"))), media_type=GZIP, diff_ids=[sha256(b"other")])
    with pytest.raises(CorruptBlob, match="the image says"):
        unpack(store, wrong, tmp_path / "image")
    assert not (tmp_path / "image").exists()


def test_a_config_is_not_believed_by_its_beginning(store: FolderStore, tmp_path: Path) -> None:
    digest = image(store, tar(entry("a", b"1")))
    config = json.loads(store.get_manifest(digest).raw)["config"]["digest"]
    file = store.root / "blobs/sha256" / config.removeprefix("sha256:")
    forged = file.read_bytes().replace(b'"x"', b'"y"')
    file.chmod(0o644)
    for size in (len(forged), 4 << 20, 5 << 20):
        file.write_bytes(forged.ljust(size))
        with pytest.raises(WorldError):
            unpack(store, digest, tmp_path / "image")


def test_headers_within_headers_are_refused(store: FolderStore, tmp_path: Path) -> None:
    header = tar(entry("h", b"13 comment=x\n", kind=tarfile.XHDTYPE))[:1024]
    layer = header * 1200 + tar(entry("a", b"1"))
    with pytest.raises(UnsafeLayer):
        unpack(store, image(store, layer), tmp_path / "image")
    assert not (tmp_path / "image").exists()


def test_what_is_no_image_says_so(store: FolderStore, tmp_path: Path) -> None:
    child = store.get_manifest(image(store, tar())).descriptor
    index = store.put_manifest(canonical({"schemaVersion": 2, "manifests": [child.to_json()]}), INDEX)
    with pytest.raises(WorldError, match="not made for linux/"):
        unpack(store, index.digest, tmp_path / "image")
    with pytest.raises(WorldError, match="1 layers but 2 diff ids"):
        unpack(store, image(store, tar(), diff_ids=["a", "b"]), tmp_path / "image")
    for config in (b"{", b"[]"):
        manifest = {"schemaVersion": 2, "config": put(store, config, CONFIG).to_json(), "layers": []}
        with pytest.raises(WorldError, match="image"):
            unpack(store, store.put_manifest(canonical(manifest), MANIFEST).digest, tmp_path / "image")


def test_an_image_that_is_there_is_not_unpacked_again(store: FolderStore, tmp_path: Path) -> None:
    digest = image(store, tar(entry("a", b"1")))
    inode = unpack(store, digest, tmp_path / "image").root.stat().st_ino
    assert unpack(store, digest, tmp_path / "image").root.stat().st_ino == inode


STEPS = st.sampled_from(["a", "b", "..", ".", ""])
PATHS = st.lists(STEPS, min_size=1, max_size=4).map("/".join)
ENTRIES = st.one_of(
    PATHS.map(lambda p: entry(p, b"written")),
    PATHS.map(folder),
    st.tuples(PATHS, PATHS).map(lambda p: symlink(*p)),
    st.tuples(PATHS, PATHS).map(lambda p: hardlink(*p)),
)


@settings(max_examples=100)
@given(st.lists(ENTRIES, max_size=6))
def test_no_sequence_of_entries_leaves_the_folder(tmp_path_factory: pytest.TempPathFactory, entries: list) -> None:
    base = tmp_path_factory.mktemp("any")
    store = FolderStore(base / "store")
    digest = image(store, tar(*entries))
    (base / "under").mkdir()
    try:
        root = unpack(store, digest, base / "under/image").root.resolve()
    except WorldError:
        assert list((base / "under").iterdir()) == []
        return
    assert {path.name for path in base.iterdir()} == {"store", "under"}
    assert [path.name for path in (base / "under").iterdir()] == ["image"]
    for path in root.rglob("*"):
        if path.is_symlink() and path.exists():
            assert path.resolve().is_relative_to(root)
    assert json.loads((store.root / "index.json").read_bytes())["manifests"] == []
