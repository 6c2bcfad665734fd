"""jsonschema, without what it does not need here.

Where libraries for formats are installed, as Jupyter has them, jsonschema imports them all: one builds some forty
grammars, for formats that no key of mlci.yaml has. That takes longer than all else a command does, so it does not find
those that are slow.
"""

from __future__ import annotations

import sys

_hidden = [name for name in ("rfc3987_syntax", "rfc3986_validator", "isoduration") if name not in sys.modules]
sys.modules.update(dict.fromkeys(_hidden))  # type: ignore[arg-type]
try:
    from jsonschema import Draft202012Validator, validators
    from jsonschema.exceptions import ValidationError
finally:
    for name in _hidden:
        del sys.modules[name]

__all__ = ["Draft202012Validator", "ValidationError", "validators"]
