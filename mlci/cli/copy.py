"""`mlci copy SOURCE TARGET`: between registries and folders, by digest, with what refers to it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from mlci.cli.common import json_option
from mlci.errors import UsageError

if TYPE_CHECKING:
    from mlci.store import Location, Tally

_BAR = 24
_EVERY_S = 0.2


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=help)
    @click.argument("source")
    @click.argument("target")
    @click.option("--tag", metavar="TAG", help="Its tag in the target.  [default: TARGET's, or the same as in SOURCE]")
    @click.option("--no-referrers", is_flag=True, help="Leave behind what refers to it: signatures, receipts, …")
    @json_option
    def copy_(source: str, target: str, tag: str | None, no_referrers: bool, as_json: bool) -> None:
        from mlci.store import Tally, copy, is_digest, locate

        there, here = locate(source), locate(target)
        reference = there.reference or "latest"
        tag = _tag(here, tag) or there.tag or (None if is_digest(reference) else reference)
        began = time.monotonic()
        with _drawn(quiet=as_json) as watch:
            tally = Tally(watch)
            root = copy(there.store, here.store, reference, tag=tag, referrers=not no_referrers, tally=tally)
        facts = {"digest": root.digest, "mediaType": root.media_type, "tag": tag, **_facts(tally)}
        seconds = round(time.monotonic() - began, 3)
        click.echo(json.dumps({**facts, "seconds": seconds}, indent=2) if as_json else _sentence(facts, seconds))

    return copy_


def _tag(target: Location, option: str | None) -> str | None:
    from mlci.store import is_digest

    written = target.reference
    if written and is_digest(written):
        raise UsageError("a copy has the digest that it has", help="give the target a tag, or only a repository")
    if written and option and written != option:
        raise UsageError(f"the target is to be tagged {written!r} and {option!r}", help="give one tag")
    return option or written


def _facts(tally: Tally) -> dict[str, Any]:
    return {
        "manifests": tally.manifests,
        "blobs": {"all": tally.blobs, "there": tally.there, "mounted": tally.mounted, "sent": tally.sent},
        "bytes": {"all": tally.size, "sent": tally.sent_bytes},
    }


def _sentence(facts: dict[str, Any], seconds: float) -> str:
    blobs = facts["blobs"]
    name = f"{facts['digest']} ({facts['tag']})" if facts["tag"] else facts["digest"]
    if not blobs["all"]:
        return f"{name}: tagged in {seconds:.2f} s"
    how = ", ".join(f"{blobs[word]} {text}" for word, text in _WORDS.items() if blobs[word])
    return f"{name}: {facts['manifests']} manifests, {blobs['all']} blobs ({how}), in {seconds:.2f} s"


_WORDS = {"there": "already there", "mounted": "mounted", "sent": "sent"}


@contextmanager
def _drawn(*, quiet: bool) -> Iterator[Any]:
    """A bar on a terminal, nothing elsewhere; gives the function to be told of changes."""
    if quiet or not sys.stderr.isatty() or os.environ.get("CI") or os.environ.get("TERM") == "dumb":
        yield lambda _tally: None
        return
    lock, last = threading.Lock(), [0.0]

    def draw(tally: Tally) -> None:
        with lock:
            if time.monotonic() - last[0] >= _EVERY_S:
                last[0] = time.monotonic()
                sys.stderr.write("\r\x1b[K" + bar(tally, shutil.get_terminal_size().columns))
                sys.stderr.flush()

    try:
        yield draw
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def bar(tally: Tally, columns: int) -> str:
    """One line of at most so many columns: how far a copy is."""
    share = min(tally.done / tally.size, 1.0) if tally.size else 0.0
    filled = round(share * _BAR)
    blobs = tally.there + tally.mounted + tally.sent
    text = f"{'█' * filled}{'░' * (_BAR - filled)} {share:4.0%}  {_size(tally.done)} of {_size(tally.size)}"
    return f"{text}  {blobs}/{tally.blobs} blobs"[: columns - 1]


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
