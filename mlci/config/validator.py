"""jsonschema, without what it does not need here.

Where `rfc3987_syntax` is installed, as Jupyter has it, jsonschema builds some forty grammars as it is imported, and
`isoduration` brings a calendar: for formats that no key of mlci.yaml has. Together they take longer than all else that
a command does, so it does not find them.
"""

from __future__ import annotations

import sys

_HIDDEN = [name for name in ("rfc3987_syntax", "isoduration") if name not in sys.modules]
for _name in _HIDDEN:
    sys.modules[_name] = None  # type: ignore[assignment]
try:
    from jsonschema import Draft202012Validator, validators
    from jsonschema.exceptions import ValidationError
finally:
    for _name in _HIDDEN:
        del sys.modules[_name]

__all__ = ["Draft202012Validator", "ValidationError", "validators"]
