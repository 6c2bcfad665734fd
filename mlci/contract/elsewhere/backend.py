"""From a URL to a table of an engine, with no password in anything that is said; and the rows of an expression."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlci.contract.elsewhere.dialects import DIALECTS
from mlci.contract.elsewhere.logic import Expr
from mlci.errors import UsageError, WorldError

_SCHEMES = {"postgresql": "postgres", "spark": "pyspark"}
_FILES = (".parquet", ".pq")
_IBIS = "pip install 'mlci[ibis]' 'ibis-framework[{}]'"


def connect(url: str) -> Any:
    """An Ibis backend, by a URL as `ibis.connect` takes it: `postgres://user@host/database`, `pyspark://`.

    A password stands in the URL or where the engine's client looks for one (`PGPASSWORD`, `~/.pgpass`).

    Raises UsageError for an engine that nothing here knows or that is not installed, WorldError where it does not
    answer.
    """
    scheme = url.partition("://")[0]
    name = _SCHEMES.get(scheme, scheme)
    if "://" not in url or name not in DIALECTS:
        known = ", ".join(f"{n}://" for n in DIALECTS)
        raise UsageError(f"{masked(url)} is no engine", help=f"engines: {known}")
    try:
        import ibis
    except ImportError:
        raise UsageError("other engines need Ibis", help=_IBIS.format(name)) from None
    try:
        return ibis.connect(f"{name}://{url.partition('://')[2]}")
    except ImportError as error:
        raise UsageError(f"{name} is not installed: {error}", help=_IBIS.format(name)) from None
    except Exception as error:  # each engine has errors of its own
        found = f"there is no connection to {masked(url)}: {said(error, url)}"
        raise WorldError(found, help="check the URL, and that the server answers") from None


def table_of(backend: Any, names: Sequence[str]) -> Expr:
    """A table by its name (`schema.table` as well); on Spark also Parquet files, all as one table.

    Raises UsageError for more than one table, WorldError for one that is not there.
    """
    if backend.name == "pyspark" and all(name.lower().endswith(_FILES) or Path(name).is_dir() for name in names):
        return _asked(lambda: backend.read_parquet(list(names) if len(names) > 1 else names[0]), ", ".join(names))
    if len(names) != 1:
        raise UsageError("one table is judged at a time", help=f"name one of: {', '.join(names)}")
    schema, _, name = names[0].rpartition(".")
    return _asked(lambda: backend.table(name, database=schema or None), names[0])


def _asked(ask: Any, what: str) -> Expr:
    try:
        return ask()
    except Exception as error:
        why = said(error)
        raise WorldError(f"{what} cannot be opened: {why}", help="check the name, and that you may read it") from None


def rows(expr: Expr, backend: Any = None) -> list[dict[str, Any]]:
    """The rows of a table expression, as Python has them. `backend` is asked where no table in it has one.

    Raises WorldError for what the engine has against it.
    """
    backend = backend or expr.get_backend()
    try:
        if backend.name == "pyspark":  # by pandas, null and NaN would be one
            return [row.asDict(recursive=True) for row in backend.raw_sql(backend.compile(expr)).collect()]
        found: list[dict[str, Any]] = backend.to_pyarrow(expr).to_pylist()
    except Exception as error:
        raise WorldError(f"{backend.name} breaks off: {said(error)}", help="run it again with --debug") from error
    return found


def masked(url: str) -> str:
    """A URL without its password."""
    return re.sub(r"(?<=[?&]password=)[^&]*", "***", re.sub(r"(?<=://)([^/@:]*):.*@", r"\1:***@", url))


def said(error: Exception, url: str = "") -> str:
    """The first line of an error, without the password."""
    text = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    for secret in {password, unquote(password or ""), os.environ.get("PGPASSWORD")} - {None, ""}:
        text = text.replace(str(secret), "***")
    return masked(text)
