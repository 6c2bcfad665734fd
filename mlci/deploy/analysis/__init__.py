"""When a canary goes on to more traffic, when it takes over, when it is taken back: pure functions of what was counted.

Two questions, asked again at every poll, each with a guarantee that holds however often it is asked:

* **Is it worse?** A canary that is no worse than the stable version is ever taken back for that with a probability of
  at most 1 - confidence, shared equally by the metrics. What is worse by less than the margin is tolerated as well.
* **May it go on?** Before its share of the traffic rises to w, the data must exclude that the total harm to callers
  would be more than the budget: that the canary fails more often than stable by budget / w. So a share of 25 % needs
  four times the budget excluded, and taking over needs the budget itself. The claims are tested in their order, so
  each has the whole 1 - confidence (fixed-sequence testing), and a canary that harms more than its budget takes over
  with a probability of at most 1 - confidence. Without any failures that takes log(1 / (1 - confidence)) / budget
  canary requests in all: 921 at 0.99 and 0.5 %.

Each kind of evidence is a module: `errors` (added up by `rates`), `latency`, `predictions`, `means`, `users`.
`planning` says what is asked for, `counts` what a poll brings, `deciding` what follows, and `forecast` what to expect
before any of it has happened.
"""

from mlci.deploy.analysis.counts import Counts, Table, Tally
from mlci.deploy.analysis.deciding import BLIND, Decision, State, advance, begin, decide, observe
from mlci.deploy.analysis.errors import harm, log_mean, no_harm
from mlci.deploy.analysis.forecast import Case, Power, power
from mlci.deploy.analysis.latency import late
from mlci.deploy.analysis.means import Mean, confidence_sequence, differences
from mlci.deploy.analysis.planning import Answers, Late, Measure, Plan, plan
from mlci.deploy.analysis.predictions import Pairs, Shift, shift
from mlci.deploy.analysis.rates import Evidence
from mlci.deploy.analysis.users import Users, first_errors

__all__ = [
    "BLIND",
    "Answers",
    "Case",
    "Counts",
    "Decision",
    "Evidence",
    "Late",
    "Mean",
    "Measure",
    "Pairs",
    "Plan",
    "Power",
    "Shift",
    "State",
    "Table",
    "Tally",
    "Users",
    "advance",
    "begin",
    "confidence_sequence",
    "decide",
    "differences",
    "first_errors",
    "harm",
    "late",
    "log_mean",
    "no_harm",
    "observe",
    "plan",
    "power",
    "shift",
]
