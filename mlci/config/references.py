"""What the shape cannot say: names that must exist, the order of environments, shares that rise, paths that are apart.

Every rule looks at the tree as it was written, which may hold mistakes of shape elsewhere, and stays silent where its
own part is not of the right shape: that has been said already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from mlci.config.model import Config
from mlci.config.outputs import outputs
from mlci.config.shape import kinds
from mlci.config.source import Path_
from mlci.config.splits import Found, splits
from mlci.config.times import mistakes
from mlci.config.units import PARSERS, fraction
from mlci.config.words import quote, suggest

STEPS = ("validate", "train", "gate", "build")
TAGS = (
    "dockerfile",
    "judged",
    "last",
    "latest",
    "model",
    "predictions",
    "requirements",
    "result",
    "run",
    "sha256",
    "zstd",
)
"""Tags of the store, and beginnings of tags, that are not an environment's."""
_THINGS = {"data": ("dataset", "datasets"), "environments": ("environment", "environments")}


def references(raw: dict[str, Any], misspelt: set[Path_]) -> Iterator[Found]:
    """Every mistake that the rules find; sections under a misspelt key count as not readable."""
    hidden = {str(path[0]): None for path in misspelt if len(path) == 1}
    for rule in _RULES:
        yield from rule({**raw, **hidden}, misspelt)


def _names(raw: dict[str, Any], _misspelt: set[Path_]) -> Iterator[Found]:
    """`ref:data` and `ref:environments` name an entry that is there."""
    for kind, path, value in kinds(Config, raw):
        section = kind.removeprefix("ref:")
        known = raw.get(section, {})
        if kind == section or not isinstance(known, dict) or not isinstance(value, str) or value in known:
            continue
        one, many = _THINGS[section]
        yield path, f"there is no {one} {quote(value)}", suggest(value, list(known), many)


def _units(raw: dict[str, Any], _misspelt: set[Path_]) -> Iterator[Found]:
    """Commands can be split, durations can be waited for, moments and windows are some."""
    for kind, path, value in kinds(Config, raw):
        right_type = isinstance(value, str) or (kind == "command" and _is_texts(value))
        if kind not in ("command", "duration", "moment", "weekly", "zone") or not right_type or not value:
            continue
        try:
            PARSERS[kind](value)
        except ValueError as error:
            if kind != "duration" or "more than" in str(error):
                yield path, f"not a usable {kind}: {error}", ""


def _environments(raw: dict[str, Any], _misspelt: set[Path_]) -> Iterator[Found]:
    """`requires` names steps and environments that stand before."""
    known = _mapping(raw, "environments")
    if known is None:
        return
    order = list(known)
    for name in order:
        if name in STEPS:
            yield ("environments", name), f"{quote(name)} is the name of a step", "give the environment another name"
        if name in TAGS or str(name).startswith(tuple(f"{tag}-" for tag in TAGS)):
            yield ("environments", name), f"{quote(name)} is a tag of the store", "give the environment another name"
        section = known[name] if isinstance(known[name], dict) else {}
        if section.get("soak") and not any(wanted in order for wanted in _requires(known, name)):
            help = "name in `requires` the environment where it has to have been"
            yield ("environments", name, "soak"), "soak counts the time in an environment before", help
        for i, wanted in enumerate(_requires(known, name)):
            path: Path_ = ("environments", name, "requires", i)
            if wanted in STEPS or not isinstance(wanted, str):
                continue
            if wanted not in known:
                message = f"there is no step or environment {quote(wanted)}"
                yield path, message, suggest(wanted, [*STEPS, *order], "steps and environments")
            elif back := _way(known, wanted, name):
                yield (
                    path,
                    f"environments require each other in a circle: {' → '.join([name, *back])}",
                    "take one of them out",
                )
            elif order.index(wanted) >= order.index(name):
                message = f"{quote(name)} requires {quote(wanted)}, which stands after it: {name} → {wanted}"
                yield path, message, f"environments stand in their order: move {quote(wanted)} above {quote(name)}"


def _requires(known: dict[str, Any], name: str) -> list[Any]:
    wanted = known[name].get("requires") if isinstance(known[name], dict) else None
    return wanted if isinstance(wanted, list) else []


def _way(known: dict[str, Any], start: str, goal: str) -> list[str]:
    """A way along `requires` from one environment to another, or nothing; only for the edge that goes forward."""
    order = list(known)
    if order.index(start) < order.index(goal):
        return []
    ways, seen = [[start]], {start}
    for way in ways:
        if way[-1] == goal:
            return way
        for after in _requires(known, way[-1]):
            if isinstance(after, str) and after in known and after not in seen:
                seen.add(after)
                ways.append([*way, after])
    return []


def _gate(raw: dict[str, Any], misspelt: set[Path_]) -> Iterator[Found]:
    """Slices compare a metric that is measured; a gate has the column that its task needs."""
    metrics, slices = _mapping(raw, "gate", "metrics"), _mapping(raw, "gate", "slices") or {}
    metric = slices.get("metric")
    if (
        isinstance(metric, str)
        and metrics is not None
        and metric not in metrics
        and ("gate", "metrics") not in misspelt
    ):
        help = suggest(metric, list(metrics), "metrics")
        yield ("gate", "slices", "metric"), f"there is no metric {quote(metric)} in gate.metrics", help
    columns = _mapping(raw, "gate", "columns")
    if not columns or any(path[:2] == ("gate", "columns") for path in misspelt):
        return
    task = raw["gate"].get("task", "classification")
    if task == "classification" and not (columns.get("score") or columns.get("prediction")):
        yield ("gate", "columns"), "a classification needs a score or a prediction column", "such as score: p_late"
    if task == "multiclass" and not (columns.get("scores") or columns.get("prediction")):
        yield (
            ("gate", "columns"),
            "a multiclass gate needs scores or a prediction column",
            "such as prediction: species",
        )
    if task == "multilabel" and not (columns.get("scores") or columns.get("predictions")):
        yield (
            ("gate", "columns"),
            "a multilabel gate needs scores or predictions columns",
            "such as scores: {tag: p_tag}",
        )
    if task == "forecasting" and not (columns.get("prediction") or columns.get("quantiles")):
        yield ("gate", "columns"), "forecasting needs a prediction column, or quantiles", "such as prediction: demand"
    if task == "ranking" and not columns.get("score"):
        yield ("gate", "columns"), "a ranking needs a score column", "such as score: relevance"
    if task == "regression" and not columns.get("prediction"):
        yield ("gate", "columns"), "a regression needs a prediction column", "such as prediction: minutes"


def _canary(raw: dict[str, Any], _misspelt: set[Path_]) -> Iterator[Found]:
    """The steps of a canary rise and lie between 0 and 1."""
    for name in _mapping(raw, "environments") or {}:
        path: Path_ = ("environments", name, "deploy", "steps")
        found = (_mapping(raw, "environments", name, "deploy") or {}).get("steps")
        steps: list[Any] = found if isinstance(found, list) else []
        shares = [_share(step) for step in steps]
        for i, share in enumerate(shares):
            if share in (0, 1):
                yield (
                    (*path, i),
                    f"a step lies between 0% and 100%, found {steps[i]}",
                    "the last switch to 100% is not a step",
                )
        for i, (before, share) in enumerate(pairwise(shares), start=1):
            if before is not None and share is not None and share <= before:
                yield (*path, i), f"steps rise: {steps[i]} comes after {steps[i - 1]}", ""


def _strategies(raw: dict[str, Any], _misspelt: set[Path_]) -> Iterator[Found]:
    """A shadow sends requests twice, and users who stay with a version are known by something."""
    for name in _mapping(raw, "environments") or {}:
        path: Path_ = ("environments", name, "deploy")
        deploy = _mapping(raw, "environments", name, "deploy") or {}
        strategy, sticky = deploy.get("strategy"), deploy.get("sticky")
        if strategy == "shadow" and deploy.get("repeatable") is not True:
            help = "add `repeatable: true` if a request only asks and changes nothing"
            yield (*path, "strategy"), "strategy `shadow` sends each request to both versions", help
        if strategy == "ab" and not sticky:
            yield (*path, "strategy"), "strategy `ab` needs to know users apart", "such as sticky: {header: x-user}"
        if isinstance(sticky, dict) and bool(sticky.get("header")) == bool(sticky.get("cookie")):
            yield (*path, "sticky"), "a user is known by one thing", "give `header` or `cookie`"


def _analysis(raw: dict[str, Any], _misspelt: set[Path_]) -> Iterator[Found]:
    """Thresholds have a time to be looked at, live metrics one source and bounds; users are not judged by requests."""
    for name in _mapping(raw, "environments") or {}:
        path: Path_ = ("environments", name, "deploy", "analysis")
        deploy = _mapping(raw, "environments", name, "deploy") or {}
        found = deploy.get("analysis")
        if not isinstance(found, dict):
            continue
        if found.get("always_valid") is False and not (found.get("step_requests") or found.get("step_time")):
            help = "add `step_requests` or `step_time`: thresholds are looked at when that is over"
            yield (*path, "always_valid"), "plain thresholds need the least that a step takes", help
        if _share((_mapping(found, "errors") or {}).get("margin")) == 0 and found.get("always_valid") is not False:
            yield (*path, "errors", "margin"), "no amount of traffic proves a margin of zero", "raise it"
        watch, blind = (
            found.get("predictions"),
            deploy.get("strategy", "canary") in ("canary", "shadow") and not deploy.get("replay"),
        )
        shadow = deploy.get("strategy") == "shadow"
        if isinstance(watch, dict) and blind and (shadow or not watch.get("histogram")):
            help = "add `replay`, whose rows both versions answer" + ("" if shadow else ", or `histogram`")
            called = "shadow" if shadow else "canary"
            yield (*path, "predictions"), f"there is nothing to see the answers of a {called} by", help
        for what in ("latency", "predictions") if deploy.get("strategy") == "ab" else ():
            if found.get(what) is not None:
                help = "leave it out, or add the value of each user to `metrics`"
                yield (*path, what), f"`{what}` counts requests, and in strategy `ab` users are compared", help
        for metric, asked in (_mapping(found, "metrics") or {}).items():
            if isinstance(asked, dict):
                yield from _live(asked, metric, (*path, "metrics", metric))


def _live(asked: dict[str, Any], name: str, path: Path_) -> Iterator[Found]:
    if name in ("errors", "latency", "predictions", "users"):
        yield path, f"{quote(name)} is the name of a metric that mlci has itself", "give it another name"
    sources = [source for source in ("prometheus", "url", "command") if asked.get(source)]
    if len(sources) != 1:
        told = " and ".join(f"`{source}`" for source in sources) or "none"
        yield path, f"a metric is read from one place, found {told}", "give `prometheus`, `url` or `command`"
    for one, other in (("prometheus", "query"), ("url", "json")):
        if bool(asked.get(one)) != bool(asked.get(other)):
            yield path, f"`{one}` and `{other}` belong together", f"add `{other if asked.get(one) else one}`"
    low, high, margin = (_number(asked.get(bound)) for bound in ("low", "high", "margin"))
    if low is not None and high is not None:
        if not low < high:
            yield (*path, "high"), f"`high` is more than `low`, found {low:g} and {high:g}", ""
        elif margin is not None and margin >= high - low:
            yield (*path, "margin"), "a margin as large as the whole range excludes nothing", "lower it"


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _share(step: Any) -> float | None:
    try:
        share = None if isinstance(step, (bool, list, dict)) or step is None else fraction(step)
    except ValueError:
        return None
    return share if share is not None and 0 <= share <= 1 else None


def _outputs(raw: dict[str, Any], _misspelt: set[Path_]) -> Iterator[Found]:
    """Outputs of the training are paths of their own, inside the project."""
    train, data = _mapping(raw, "train") or {}, _mapping(raw, "data") or {}
    written = train.get("outputs")
    if not isinstance(written, dict):
        return
    read = _texts(train.get("inputs"))
    for name in _texts(train.get("data")):
        dataset = data.get(name)
        read += _texts([dataset.get("path")]) if isinstance(dataset, dict) else []
    for name, message, help in outputs({k: v for k, v in written.items() if isinstance(v, str)}, read):
        yield ("train", "outputs", name), message, help


def _splits(raw: dict[str, Any], _misspelt: set[Path_]) -> Iterator[Found]:
    yield from splits(_mapping(raw, "data") or {})


def _signers(raw: dict[str, Any], _misspelt: set[Path_]) -> Iterator[Found]:
    """A signer is a key or an identity; whose signatures are asked for is one of them, or an identity."""
    known = _mapping(raw, "signing", "signers")
    if known is None:
        return
    for name, signer in known.items():
        if isinstance(signer, dict) and bool(signer.get("public_key")) == bool(signer.get("identity")):
            help = "give `public_key` or `identity`, one of the two"
            yield ("signing", "signers", name), f"{quote(name)} is a key or an identity", help
    wanted: list[tuple[Path_, Any]] = []
    for name, entry in (_mapping(raw, "environments") or {}).items():
        if isinstance(entry, dict):
            wanted += _each_name(("environments", name, "signed_by"), entry.get("signed_by"))
            approvals = entry.get("approvals")
            by = approvals.get("by") if isinstance(approvals, dict) else None
            wanted += _each_name(("environments", name, "approvals", "by"), by)
    wanted += _each_name(("store", "trust"), (_mapping(raw, "store") or {}).get("trust"))
    for path, name in wanted:
        if isinstance(name, str) and name not in known and not name.startswith("https://"):
            yield path, f"there is no signer {quote(name)}", suggest(name, list(known), "signers")


def _each_name(path: Path_, named: Any) -> list[tuple[Path_, Any]]:
    """The names at a place that takes one or several."""
    return [((*path, i), name) for i, name in enumerate(named)] if isinstance(named, list) else [(path, named)]


def _policies(raw: dict[str, Any], _misspelt: set[Path_]) -> Iterator[Found]:
    """Each rule of an environment can be met, and asks for something."""
    known = _mapping(raw, "environments") or {}
    for name, environment in known.items():
        if not isinstance(environment, dict):
            continue
        before = [wanted for wanted in _requires(known, name) if isinstance(wanted, str) and wanted in known]
        if environment.get("served") and not any(
            isinstance(known[one], dict) and "deploy" in known[one] for one in before
        ):
            help = "name in `requires` an environment with `deploy`"
            yield ("environments", name, "served"), "served counts requests in an environment before", help
        yield from _approvals(raw, name, environment.get("approvals"), environment.get("signed_by"))
        windows = environment.get("freeze")
        for i, window in enumerate(windows if isinstance(windows, list) else ()):
            if isinstance(window, dict):
                yield from ((("environments", name, "freeze", i), *wrong) for wrong in mistakes(window))


def _approvals(raw: dict[str, Any], name: str, approvals: Any, signed_by: Any) -> Iterator[Found]:
    """There are as many people as must say yes."""
    named = approvals if isinstance(approvals, dict) else {"count": approvals}
    count, by, known = named.get("count", 1), named.get("by"), _mapping(raw, "signing", "signers")
    if approvals is None or known is None or isinstance(count, bool) or not isinstance(count, int):
        return
    makers = [signed_by] if isinstance(signed_by, str) else _texts(signed_by)
    people = [by] if isinstance(by, str) else _texts(by) if by else [one for one in known if one not in makers]
    if count > len(set(people)):
        path: Path_ = ("environments", name, "approvals")
        whom = "are named in `by`" if by else "are in signing.signers, without those of `signed_by`"
        help = "each signs with a key, or an identity, of their own: add them to signing.signers"
        yield path, f"{count} must approve, and {len(set(people))} {whom}", help


def _mapping(raw: dict[str, Any], *path: str) -> dict[str, Any] | None:
    """The mapping at a path; empty when it is left out, None when something there is not a mapping."""
    at: Any = raw
    for name in path:
        at = at.get(name, {})
        if not isinstance(at, dict):
            return None
    return at  # type: ignore[no-any-return]


def _texts(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and len(_texts(value)) == len(value)


_RULES: tuple[Callable[[dict[str, Any], set[Path_]], Iterator[Found]], ...] = (
    _names,
    _units,
    _environments,
    _gate,
    _canary,
    _strategies,
    _analysis,
    _outputs,
    _splits,
    _signers,
    _policies,
)
