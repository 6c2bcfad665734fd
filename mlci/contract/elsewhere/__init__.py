"""A contract over a table of another engine, checked where the data is: the same plan, printed as Ibis expressions.

Nothing here is imported on the default path; Ibis is an extra (`mlci[ibis]`).
"""

from mlci.contract.elsewhere.backend import connect, table_of
from mlci.contract.elsewhere.validate import validate_table

__all__ = ["connect", "table_of", "validate_table"]
