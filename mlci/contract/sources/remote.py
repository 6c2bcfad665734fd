"""Files behind URLs: copied to this machine as they stream, then read like any other file.

`http` and `https` need nothing; the stores of the clouds are read by fsspec's packages, each an extra of mlci, with
the credentials that those find themselves (environment, profiles, the machine's role). A URL is never shown with its
query or its user, where signatures and passwords are.
"""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from mlci.contract.query.tables import form_of
from mlci.errors import UsageError, WorldError

_TIMEOUT = 60.0
_PACKAGES = {"s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3"), "gs": ("gcsfs", "gs"), "gcs": ("gcsfs", "gs")}
_PACKAGES |= {"az": ("adlfs", "az"), "abfs": ("adlfs", "az"), "abfss": ("adlfs", "az")}
_WEB = ("http", "https")


def is_url(text: str) -> bool:
    """Whether it is a URL, and not a path."""
    return "://" in text


def fetch(url: str, place: Callable[[str], Path]) -> Iterator[Path]:
    """Copies of the files of a URL, which may be a pattern in the stores that can list their files.

    Raises UsageError for a scheme that is not known or a package that is not installed, WorldError for what the
    network or the store refuses.
    """
    scheme = urlsplit(url).scheme.lower()
    if scheme in _WEB:
        name = _name(urlsplit(url).path)
        form_of(PurePosixPath(name), masked(url))
        yield _download(url, place(name))
    elif scheme in _PACKAGES:
        yield from _copies(url, scheme, place)
    else:
        known = ", ".join((*_PACKAGES, *_WEB))
        raise UsageError(f"{masked(url)}: nothing here reads {scheme}://", help=f"URLs begin with {known}")


def masked(url: str) -> str:
    """The URL as it may be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{'?…' if parts.query else ''}"


def _name(path: str) -> str:
    return PurePosixPath(unquote(path)).name or "data"


def _download(url: str, file: Path) -> Path:
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    try:
        request = Request(parts._replace(netloc=host).geturl(), headers={"User-Agent": "mlci"})  # noqa: S310
        if user:  # https://www.rfc-editor.org/rfc/rfc7617; for this host alone
            basic = b64encode(unquote(user).encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {basic}")
        with urlopen(request, timeout=_TIMEOUT) as answer, file.open("wb") as out:  # noqa: S310
            shutil.copyfileobj(answer, out)
            size = answer.headers.get("Content-Length")
    except HTTPError as error:
        found = f"the server answered {error.code} {error.reason}"
        error.close()
        raise WorldError(f"cannot read {masked(url)}: {found}", help="check the address and who may read it") from None
    except (OSError, HTTPException, ValueError) as error:
        found = str(getattr(error, "reason", "")) or type(error).__name__
        raise WorldError(f"cannot read {masked(url)}: {found}", help="check the address and the network") from None
    if size is not None and int(size) != file.stat().st_size:
        raise WorldError(f"cannot read {masked(url)}: the connection broke off", help="run it again")
    return file


def _copies(url: str, scheme: str, place: Callable[[str], Path]) -> Iterator[Path]:
    system = _system(url, scheme)
    try:
        found = sorted(system.glob(url)) if any(char in url for char in "*?[") else [url]
        if not found:
            raise WorldError(f"{masked(url)} matches no file", help="check the pattern")
        for name in found:
            form_of(PurePosixPath(str(name)), masked(url))
            file = place(_name(str(name)))
            system.get_file(str(name), str(file))
            yield file
    except (WorldError, UsageError):
        raise
    except FileNotFoundError:
        raise WorldError(f"there is no file {masked(url)}", help="check the address") from None
    except Exception as error:  # each store has errors of its own, which may quote what they were told
        kind = type(error).__name__
        help = f"check the address, and the credentials that {_PACKAGES[scheme][0]} finds"
        raise WorldError(f"cannot read {masked(url)}: {kind}", help=help) from None


def _system(url: str, scheme: str) -> Any:
    package, extra = _PACKAGES[scheme]
    try:
        import fsspec

        return fsspec.filesystem(scheme)
    except ImportError:
        help = f"pip install 'mlci[{extra}]'"
        raise UsageError(f"{masked(url)}: {scheme}:// is read by {package}, which is not here", help=help) from None
    except Exception as error:  # as above
        kind = type(error).__name__
        help = f"give the credentials as {package} wants them"
        raise WorldError(f"{masked(url)}: {package} has no access: {kind}", help=help) from None
