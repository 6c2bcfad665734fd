"""`mlci deploy ENV --power`: what its canary would find, after how many requests and how long."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from mlci.config import Project
from mlci.errors import UsageError

if TYPE_CHECKING:
    from mlci.deploy.analysis import Case, Plan, Power

STABLE = 0.005
"""How often stable is taken to fail."""


def foresee(project: Project, environment: str, traffic: str | None, errors: str | None, *, as_json: bool) -> int:
    """Print it; returns the exit code. Raises UsageError where no canary is asked for, or a rate is none."""
    from mlci.deploy import analysis

    deploy = project.config.environments[environment].deploy
    if deploy is None or deploy.strategy != "canary":
        raise UsageError(f"{environment} has no canary", help="--power is for `deploy: {strategy: canary}`")
    if not deploy.analysis.always_valid:
        raise UsageError("plain thresholds have no rate of false alarms", help="leave `always_valid` out")
    plan = analysis.plan(deploy)
    if not plan.steps:
        raise UsageError("a canary needs a step between 0 and 100 %", help="such as steps: [5%, 25%, 50%]")
    if traffic is None and deploy.replay is None:
        raise UsageError("how much traffic is there?", help="add --traffic 50/s")
    rate = _rate(traffic) if traffic is not None else deploy.replay.rate if deploy.replay else 0.0
    found = analysis.power(plan, rate, errors=_share(errors))
    if as_json:
        click.echo(json.dumps({"environment": environment, **found.to_json()}, indent=2))
    else:
        click.echo(_page(environment, plan, found))
    return 0


def _page(environment: str, plan: Plan, found: Power) -> str:
    from mlci.cli.output import table

    steps = ", ".join(f"{step:.3g}" for step in (100 * share for share in plan.steps))
    rows: list[tuple[str, ...]] = [
        ("metric", "stable", "canary", "taken back", "takes over", "neither", "requests", "failed", "time")
    ]
    rows += [_row(case) for case in found.cases]
    lines = [
        f"{environment}: {found.traffic:g} requests/s, steps of {steps} %, at most {found.timeout:g} s",
        f"false alarms: at most {100 * found.alarms:.3g} % of canaries that are no worse, of all metrics together",
        *(_detected(found, metric) for metric in dict.fromkeys(case.metric for case in found.cases)),
        "",
        table(rows),
        "",
        "Requests to the canary, failed ones, time: medians until it is taken back. Each metric by itself, simulated.",
        "The rows of a quantile are shares of late answers: slower than stable's quantile and the margin.",
    ]
    rest = [name for name in ("predictions" if plan.predictions else "", *plan.means) if name]
    return "\n".join([*lines, *([f"Not simulated: {', '.join(rest)}."] if rest else [])])


def _detected(found: Power, metric: str) -> str:
    case = found.detected(metric)
    if case is None or case.requests is None or case.seconds is None:
        return (
            f"{metric}: nothing is found in most canaries; more traffic, a larger share or a longer timeout would help"
        )
    what = f"{_percent(case.canary)} against {_percent(case.stable)}"
    after = f"after {case.requests:.0f} requests to the canary, {_time(case.seconds)}"
    return f"{metric}: {what} is taken back in {100 * case.back:.0f} % of canaries, {after}"


def _row(case: Case) -> tuple[str, ...]:
    shares = (f"{100 * share:.1f} %" for share in (case.back, case.over, case.undecided))
    known = case.requests is not None and case.failed is not None and case.seconds is not None
    ends = (f"{case.requests:.0f}", f"{case.failed:.0f}", _time(case.seconds or 0.0)) if known else ("-", "-", "-")
    return (case.metric, _percent(case.stable), _percent(case.canary), *shares, *ends)


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _rate(text: str) -> float:
    try:
        rate = float(text.strip().removesuffix("/s"))
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1e6:
        raise UsageError(f"not a rate of requests: {text}", help="such as --traffic 50/s")
    return rate


def _share(text: str | None) -> float:
    from mlci.config.units import fraction

    try:
        share = STABLE if text is None else fraction(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 0.5:
        raise UsageError(f"not a share of failures up to 50 %: {text}", help="such as --errors 0.5%")
    return share
