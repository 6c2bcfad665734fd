"""What the types of `mlci.yaml` are made of: a key with its documentation, and scalars with a unit or a meaning."""

from __future__ import annotations

from dataclasses import MISSING, field
from typing import Annotated, Any, Literal

Duration = Annotated[float, "duration"]
"""Seconds; written `90s`, `20ms`, `30m`, `2h`, `1d` or a plain number of seconds."""
Size = Annotated[int, "size"]
"""Bytes; written `200MB`, `20GiB` or a plain number of bytes."""
Fraction = Annotated[float, "fraction"]
"""A share between 0 and 1; written `5%` or `0.05`."""
Command = Annotated[tuple[str, ...], "command"]
"""A program and its arguments; written as one line (split as a shell would split it) or as a list."""
Bins = Annotated[int | tuple[float, ...], "bins"]
"""How many bins of about as many rows each, or the edges between them."""
Moment = Annotated[str, "moment"]
"""RFC 3339 in UTC; written as a date or as a time with its offset."""
Weekly = Annotated[str, "weekly"]
"""A window of each week; written `fri 16:00 - mon 08:00`."""
Zone = Annotated[str, "zone"]
"""The name of a time zone, such as `Europe/Berlin`."""
Names = Annotated[tuple[str, ...], "names"]
"""Names; written as a list, or as one alone."""
DatasetRef = Annotated[str, "ref:data"]
"""The name of an entry of `data`."""
EnvironmentRef = Annotated[str, "ref:environments"]
"""The name of an entry of `environments`."""
Platform = Literal["linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"]
"""What an image runs on, as OCI names it."""
NAME = {"pattern": "^[a-z][a-z0-9_-]{0,39}$", "description": "small letters, digits, `-` and `_`"}
"""Names become parts of tags, variables and folders."""
Param = str | int | float | bool | None


def key(doc: str, default: Any = MISSING, *, factory: Any = MISSING, **limits: Any) -> Any:
    """A key of the file: its documentation, its default, and limits in the words of JSON Schema."""
    metadata = {"doc": doc, **limits}
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)
