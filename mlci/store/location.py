"""Which store a text means: a registry's repository, or a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlci.errors import UsageError
from mlci.store.digest import is_digest
from mlci.store.index import check_tag
from mlci.store.layout import FolderStore
from mlci.store.protocol import Store

FOLDER = "oci:"


@dataclass(frozen=True)
class Location:
    """A store, and the tag or digest in it that the text named; `tag` is there beside a digest too."""

    store: Store
    reference: str | None = None
    tag: str | None = None


def locate(text: str) -> Location:
    """`HOST/REPOSITORY[:TAG][@DIGEST]`, or a folder: `oci:PATH[:TAG]`, `./PATH`, or one that is there.

    Raises UsageError for anything else.
    """
    if text.startswith(FOLDER) or text.startswith(("/", "./", "../", "~/")) or text in (".", ".."):
        return _folder(text.removeprefix(FOLDER))
    from mlci.store.registry.reference import looks_like_host, parse_reference

    host, slash, _ = text.partition("/")
    if slash and looks_like_host(host):
        from mlci.store.registry import RegistryStore

        reference = parse_reference(text)
        return Location(RegistryStore(reference), reference.digest or reference.tag, reference.tag)
    if Path(text).is_dir():
        return Location(FolderStore(Path(text)))
    raise UsageError(
        f"{text!r} is neither a registry nor a folder that is there",
        help=f"write docker.io/{text} for Docker Hub, and {FOLDER}{text} for a folder",
    )


def base_location(text: str, root: Path) -> Location:
    """The same for an image to build on: a name without a host is one of Docker Hub's, such as `python:3.12-slim`.

    A folder, `oci:PATH[:TAG]`, is relative to `root`.
    """
    if text.startswith(FOLDER):
        return _folder(str(root / Path(text.removeprefix(FOLDER)).expanduser()))
    from mlci.store.registry import RegistryStore, parse_reference

    reference = parse_reference(text)
    return Location(RegistryStore(reference), reference.digest or reference.tag)


def open_store(where: str | Path) -> Store:
    """The store that a path or a text (see `locate`) means; nothing is asked or made yet."""
    return FolderStore(where) if isinstance(where, Path) else locate(where).store


def _folder(text: str) -> Location:
    if not text:
        raise UsageError(f"{FOLDER} names no folder", help=f"{FOLDER}PATH; {FOLDER}. is this one")
    path, at, digest = text.partition("@")
    if at and is_digest(digest):
        return Location(FolderStore(Path(path).expanduser()), digest)
    path, colon, tag = text.rpartition(":")
    if colon and "/" not in tag and not Path(text).expanduser().is_dir():
        check_tag(tag)
        return Location(FolderStore(Path(path).expanduser()), tag)
    return Location(FolderStore(Path(text).expanduser()))
