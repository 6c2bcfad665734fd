"""The rules of `x-table`: what only a whole table can break.

Each kind of rule is a module with the functions of `kinds.Kind`, most of which is one idea: a rule is judged from a
*state*, small and plain JSON, that is measured over the rows of one file (`measure`) and merged over files (`merge`).
So a file that has been measured need not be read again. What has no such state (an expression in SQL, the number of
more than a thousand distinct values) is asked of all files anew. `judge` says what is broken.
"""

from mlci.contract.table.judge import judge, measured_now, termed, violations
from mlci.contract.table.measure import files, has_freshness, measure
from mlci.contract.table.scan import Scan

__all__ = ["Scan", "files", "has_freshness", "judge", "measure", "measured_now", "termed", "violations"]
