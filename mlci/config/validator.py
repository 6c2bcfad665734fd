"""jsonschema, without what it does not need here.

Where `rfc3987_syntax` is installed, as Jupyter has it, jsonschema builds some forty grammars as it is imported, for
formats that no key of mlci.yaml has. That takes longer than all else a command does, so it does not find it.
"""

from __future__ import annotations

import sys

_GRAMMARS = "rfc3987_syntax"
_hidden = _GRAMMARS not in sys.modules
if _hidden:
    sys.modules[_GRAMMARS] = None  # type: ignore[assignment]
try:
    from jsonschema import Draft202012Validator, validators
    from jsonschema.exceptions import ValidationError
finally:
    if _hidden:
        del sys.modules[_GRAMMARS]

__all__ = ["Draft202012Validator", "ValidationError", "validators"]
