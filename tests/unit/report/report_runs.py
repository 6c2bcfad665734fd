"""Runs as mlci leaves them, for the tests of the report: good, stopped by the gate, by the data, by the canary."""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from mlci.config.judging import Columns, Gate, Metric
from mlci.evidence.receipt import Finding, Material, Receipt
from mlci.evidence.record import Run, StepRecord
from mlci.gate import Predictions, Table
from mlci.gate.showing.curves import curves

COMMIT = "3f9a1c07b2e84d5591c6aa0e7d1f4b2288c0de17"
MONTHS = [f"data/2013-{month:02d}.parquet" for month in range(1, 7)]


def digest(name: str) -> str:
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest()


def receipt(
    step: str, verdict: str, summary: str, subjects: dict[str, str], facts: dict[str, Any], **rest: Any
) -> Receipt:
    return Receipt(
        step=step,
        key=digest(step)[7:],
        verdict=verdict,
        summary=summary,
        subjects=subjects,
        facts=facts,
        source={"commit": COMMIT, "dirty": True},
        builder={
            "user": "ada",
            "host": "lab-3",
            "versions": {"mlci": "0.1.0", "python": "3.11.9", "platform": "linux x86_64"},
        },
        started="2026-03-02T09:14:03.120000Z",
        finished="2026-03-02T09:14:41.880000Z",
        **rest,
    )


def files(names: list[str], via: str) -> tuple[Material, ...]:
    return tuple(Material(name, digest(name), via) for name in names)


def record(made: Receipt, after: tuple[str, ...], seconds: float, **rest: Any) -> StepRecord:
    return StepRecord(made.step, after, made.verdict, rest.pop("reused", False), seconds, made.summary, made, **rest)


def skipped(name: str, after: tuple[str, ...], because: str) -> StepRecord:
    return StepRecord(name, after, "skipped", False, 0.0, f"not run, because {because} did not pass")


COLUMNS = [
    {"name": name, "type": kind}
    for name, kind in {
        "flight_id": "BIGINT",
        "month": "BIGINT",
        "day": "BIGINT",
        "sched_dep_time": "BIGINT",
        "dep_delay": "DOUBLE",
        "arr_delay": "DOUBLE",
        "carrier": "VARCHAR",
        "origin": "VARCHAR",
        "dest": "VARCHAR",
        "distance": "DOUBLE",
        "late": "BIGINT",
    }.items()
]


def validated(name: str, rows: int, names: list[str], *, reused: bool = False) -> StepRecord:
    facts = {"rows": rows, "files": len(names), "columns": COLUMNS, "violations": []}
    made = receipt(
        f"validate:{name}",
        "pass",
        f"{rows:,} rows keep the contract",
        {f"data:{name}": digest(f"all of {name}")},
        facts,
        materials=(*files(names, f"data {name}"), *files(["contracts/flights.yaml"], "contract")),
    )
    return record(made, (), 0.4, reused=reused)


def broken_data() -> StepRecord:
    row = {"flight_id": 17, "month": 3, "day": 9, "sched_dep_time": 1830, "dep_delay": None, "arr_delay": 41.0}
    samples = [
        {
            **row,
            "flight_id": 17 + n,
            "carrier": ["UA", "B6", "??"][n % 3],
            "origin": "EWR",
            "dest": "IAH",
            "distance": -1400.0 - n,
            "late": n,
        }
        for n in range(5)
    ]
    taken = [{"(file)": "2013-05.parquet", "(row)": 9041, **samples[1], "flight_id": 90417, "distance": -733.0}]
    spread = [{"file": name.removeprefix("data/"), "count": n} for name, n in zip(MONTHS, (901, 204, 99), strict=False)]
    violations = [
        {
            "column": "distance",
            "rule": "minimum",
            "expected": 0,
            "count": 1204,
            "samples": samples,
            "random": taken,
            "files": spread,
            "severity": "error",
        },
        {
            "column": "carrier",
            "rule": "enum",
            "expected": ["9E", "AA", "B6", "DL", "UA", "WN"],
            "count": 33,
            "samples": samples[2:3],
            "files": [{"file": "2013-06.parquet", "count": 33}],
        },
        {"column": "flight_id", "rule": "unique", "expected": None, "count": 2, "samples": samples[:2]},
        {"column": "late", "rule": "maximum", "expected": 1, "count": 27004, "samples": []},
        {
            "column": "dep_delay",
            "rule": "null",
            "expected": "number",
            "count": 8104,
            "samples": [],
            "severity": "warn",
        },
        {
            "column": "dest",
            "rule": "minLength",
            "expected": "at least 3 characters",
            "count": 12,
            "samples": [],
            "tolerance": 0.001,
            "tolerated": True,
        },
        {"column": "", "rule": "rows", "expected": "at least 200,000 rows", "count": 1, "found": "166,158"},
    ]
    causes = {
        "distance": ("both", "the rule was: >= -2000; all 1,204 rows are in 3 new or changed files"),
        "carrier": ("data", "all 33 rows are in 2013-06.parquet, which is new"),
        "late": ("contract", "the rule is new; all 27,004 rows are in 6 files unchanged since"),
    }
    since = {
        "passed": {"run": "run-000018", "at": "2026-02-27T16:02:11.000000Z", "who": "ada@lab-3"},
        "says": "since run-000018 of 2026-02-27 16:02 UTC, by ada@lab-3 at commit 77b1f09: 2 new and 1 changed of"
        " 6 files; the contract has changed, last at commit 3f9a1c0 of 2026-03-01 by Grace",
        "rules": [
            dict(zip(("cause", "says"), causes.get(v["column"], ("unclear", "")), strict=True)) for v in violations
        ],
    }
    made = receipt(
        "validate:train",
        "fail",
        "4 rules broken in 166,158 rows: distance (minimum), carrier (enum), flight_id (unique), late (maximum)",
        {"data:train": digest("all of train")},
        {
            "rows": 166158,
            "files": 6,
            "columns": COLUMNS,
            "violations": violations,
            "since": since,
            "rules": {
                "late": {"null": "integer", "type": "integer", "maximum": "<= 1"},
                "month": {"null": "integer", "type": "integer"},
            },
        },
        materials=(*files(MONTHS, "data train"), *files(["contracts/flights.yaml"], "contract")),
        findings=(Finding("error", "distance: minimum 0", "1,204 rows"),),
    )
    return record(made, (), 0.5)


def trained(*, reused: bool = False) -> StepRecord:
    made = receipt(
        "train",
        "pass",
        "roc_auc 0.7392, log_loss 0.4381",
        {"model": digest("model")},
        {
            "params": {"learning_rate": 0.1, "max_iter": 200, "early_stopping": True, "class_weight": None},
            "metrics": {"roc_auc": 0.739214, "log_loss": 0.43812, "rows": 166158},
            "outputs": {"model": {"digest": digest("model"), "size": 1_482_113, "files": 2}},
            "seconds": 38.412,
            "tracking": {"uri": "sqlite:///mlflow.db", "run_id": "c2f9a3d1e0b74c6f8a5b"},
        },
        materials=(
            *files(["train.py", "features.py", "model.py"], "train.inputs"),
            *files(["calendar_features.py"], "import of features.py"),
            *files(MONTHS, "data train"),
        ),
        config={"run": ["python", "train.py"]},
    )
    return record(made, ("validate:train", "validate:holdout"), 38.9, reused=reused)


def estimate(value: float, half: float) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def slices(count: int = 54) -> list[dict[str, Any]]:
    chance = random.Random(7)
    out = []
    for n in range(count):
        rows = int(10 ** chance.uniform(2.4, 4.2))
        value = chance.gauss(0.738, 0.022)
        gap = 0.7392 - value
        verdict = "fail" if n == 5 else "pass"
        if n == 5:
            value, gap = 0.631, 0.1082
        by, name = (
            ("origin", ["EWR", "JFK", "LGA"][n]) if n < 3 else ("dest", f"{chr(65 + n % 26)}{chr(65 + n * 7 % 26)}X")
        )
        out.append(
            {
                "by": by,
                "value": name,
                "rows": rows,
                "metric": "roc_auc",
                "estimate": estimate(value, 0.9 / math.sqrt(rows)),
                "champion": estimate(value + 0.004, 0.9 / math.sqrt(rows)),
                "difference": estimate(-0.004, 0.4 / math.sqrt(rows)),
                "discovery": 0.01 if n in (5, 9) else 0.8,
                "gap": gap,
                "verdict": verdict,
            }
        )
    return out


def suites(*, good: bool) -> list[dict[str, Any]]:
    segment = {
        "title": "Weak Segments Performance - Test Dataset",
        "severity": "warn",
        "detail": "Found a segment with accuracy score of 0.5 in comparison to an average score of 0.81.",
        "checked": "The relative performance of weakest segment is greater than 80% of average model performance.",
    }
    drift = {
        "title": "Feature Drift",
        "severity": "error",
        "detail": "Failed for 1 out of 9 columns: {'dep_delay': '0.41'}",
        "checked": "categorical drift score < 0.2 and numerical drift score < 0.2",
    }
    note = {"title": "not checked: BoostingOverfit", "severity": "note", "detail": "it needs the model", "checked": ""}
    return [
        {
            "name": "deepchecks:full",
            "verdict": "pass" if good else "fail",
            "checks": 42,
            "rows": 28120,
            "findings": [segment, note] if good else [drift, segment, note],
            "findings_left": 0,
            "html": digest("the page of deepchecks"),
        },
        {"name": "command: python profit.py", "verdict": "pass", "checks": 3, "rows": 28120, "findings": []},
    ]


@cache
def every_curve(champion: bool) -> dict[str, Any]:
    """What the gate keeps of two models for the report, of every task at once."""
    chance = np.random.default_rng(11)
    labels, classes = (chance.random(2000) < 0.3).astype(np.int8), chance.integers(0, 4, 2000)
    many, truth = chance.integers(0, 40, 2000), chance.normal(40, 12, 2000)
    found: dict[str, Any] = {}

    def add(task: str, labels: Any, make: Any, metric: str, classes: tuple[str, ...] = ()) -> None:
        other = make() if champion else None
        table = Table(task, labels, make(), other, classes=classes)
        columns = Columns(id="id", label="label")
        found.update(
            curves(table, Gate(predict=("p",), data="d", task=task, columns=columns, metrics={metric: Metric()}))
        )

    def wrong(truth: Any, k: int) -> Predictions:
        return Predictions(value=np.where(chance.random(len(truth)) < 0.8, truth, chance.integers(0, k, len(truth))))

    add("classification", labels, lambda: Predictions(1 / (1 + np.exp(1 - labels - chance.normal(size=2000)))), "f1")
    add("multiclass", classes, lambda: wrong(classes, 4), "accuracy", ("EWR", "JFK", "LGA", "none of these"))
    add("multiclass", many, lambda: wrong(many, 40), "accuracy", tuple(f"gate {n}" for n in range(40)))
    add("regression", truth, lambda: Predictions(value=truth + chance.normal(0, 5, 2000)), "mae")
    add("scores", labels, lambda: Predictions(columns={"exact": chance.random(2000).round(1)}), "exact")
    return {**found, "sample": 2000}


def judged(*, good: bool = True, champion: bool = True) -> StepRecord:
    auc, loss = (0.7392, 0.4381) if good else (0.6871, 0.4702)
    margin = {
        "rule": "margin",
        "limit": 0.005,
        "verdict": "pass" if good else "fail",
        "reason": "not worse than the champion by more than 0.005 (difference +0.0021, −0.0006 to +0.0048)"
        if good
        else "worse than the champion by more than 0.005 (difference −0.0500, −0.0528 to −0.0472)",
    }
    floor = {
        "rule": "min",
        "limit": 0.7,
        "verdict": "pass" if good else "fail",
        "reason": f"{auc} ({auc - 0.0052:.4f} to {auc + 0.0052:.4f}) {'keeps' if good else 'is below'} the minimum 0.7",
    }
    metrics = [
        {
            "name": "roc_auc",
            "better": "higher",
            "challenger": estimate(auc, 0.0052),
            "champion": estimate(0.7371, 0.0053) if champion else None,
            "difference": estimate(auc - 0.7371, 0.0027) if champion else None,
            "method": "DeLong, paired",
            "rules": [floor, margin] if champion else [floor],
            "verdict": "pass" if good else "fail",
        },
        {
            "name": "log_loss",
            "better": "lower",
            "challenger": estimate(loss, 0.004),
            "champion": estimate(0.4392, 0.004) if champion else None,
            "difference": estimate(loss - 0.4392, 0.0012) if champion else None,
            "method": "paired mean, infinitesimal jackknife",
            "rules": [{"rule": "max", "limit": 0.55, "verdict": "pass", "reason": f"{loss} keeps the maximum 0.55"}],
            "verdict": "pass",
        },
        {
            "name": "recall",
            "better": "higher",
            "challenger": estimate(0.2914, 0.0102),
            "champion": estimate(0.2903, 0.0101) if champion else None,
            "difference": estimate(0.0011, 0.0074) if champion else None,
            "method": "paired, infinitesimal jackknife",
            "rules": [
                {
                    "rule": "improve",
                    "limit": 0.0,
                    "verdict": "inconclusive",
                    "reason": "perhaps not better than the champion: about 160,000 more rows would decide",
                }
            ]
            if not good
            else [],
            "verdict": "pass" if good else "inconclusive",
        },
    ]
    found = slices()
    if good:
        found = [one for one in found if one["verdict"] == "pass"]
    made = receipt(
        "gate",
        "pass" if good else "fail",
        "roc_auc 0.739 (0.734 to 0.744), 3 metrics and 53 groups pass"
        if good
        else "roc_auc is below the minimum 0.7, and worse than the champion by more than 0.005",
        {"model": digest("model")},
        {
            "rows": 28120,
            "confidence": 0.95,
            "positives": 6891,
            "champion": digest("champion") if champion else None,
            "metrics": metrics,
            "slices": found,
            "slices_skipped": [{"by": "dest", "groups": 48, "rows": 3122, "reason": "fewer than 200 rows"}],
            "search": {
                "candidates": 4040,
                "depth": 2,
                "columns": ["carrier", "hour"],
                "left_out": [{"column": "flight_id", "reason": "the id"}],
            },
            "size": {"bytes": 1_482_113, "max": 200_000_000, "verdict": "pass"},
            "suites": suites(good=good),
            "family": {"level": 0.05, "tests": 3, "method": "Holm (1979)"},
            "curves": every_curve(champion),
            "self_test": {
                "passed": good,
                "planted": [
                    {"name": "predictions dealt out by chance", "bad": True, "stopped": good, "reason": "below"},
                    {
                        "name": "the champion beside itself",
                        "bad": False,
                        "stopped": False,
                        "reason": "every rule holds",
                    },
                ],
            },
        },
        materials=(
            *files(["predict.py", "features.py"], "gate.inputs"),
            Material("model", digest("model"), "train"),
            *files(["data/2013-07.parquet"], "data holdout"),
            *((Material("champion", digest("champion"), "serves in production"),) if champion else ()),
        ),
        config={"slices": {"by": ["origin", "dest"], "metric": "roc_auc", "max_gap": 0.08}},
        findings=()
        if good
        else (
            Finding("error", "roc_auc: min 0.7", "below"),
            Finding("warning", "one group has few rows", "dest = AKX, 231 rows"),
        ),
    )
    return record(made, ("train",), 6.2)


def built() -> StepRecord:
    layers = [
        {
            "role": "requirements",
            "name": "requirements.lock",
            "digest": digest("requirements"),
            "size": 98_412_003,
            "reused": True,
        },
        {"role": "code", "name": "code", "digest": digest("code"), "size": 18_432, "reused": False},
        {"role": "model", "name": "model/model.pkl", "digest": digest("pkl"), "size": 1_481_002, "reused": False},
        {"role": "model", "name": "model/columns.json", "digest": digest("json"), "size": 1_111, "reused": True},
    ]
    made = receipt(
        "build",
        "pass",
        f"{digest('image')[:19]}, 4 layers, 99.9 MB",
        {"image": digest("image")},
        {"digest": digest("image"), "size": 99_912_548, "layers": layers},
        materials=(
            *files(["serve.py", "predict.py", "features.py"], "image.copy"),
            *files(["requirements.lock"], "image.requirements"),
            Material("model", digest("model"), "train"),
        ),
    )
    return record(made, ("gate",), 2.1)


def promoted(environment: str, after: tuple[str, ...], number: int, *, ok: bool = True) -> StepRecord:
    reasons = [
        {"rule": "validate", "ok": True, "detail": "validate:train passed at 2026-03-02T09:14:04Z"},
        {
            "rule": "gate",
            "ok": ok,
            "detail": "gate passed at 2026-03-02T09:14:52Z"
            if ok
            else "no receipt of gate on this digest; `mlci run` makes it",
        },
    ]
    facts = {
        "environment": environment,
        "digest": digest("image"),
        "previous": digest("champion"),
        "reasons": reasons,
        **({"number": number, "why": "promoted"} if ok else {}),
    }
    made = receipt(
        f"promote:{environment}",
        "pass" if ok else "fail",
        f"{environment}-{number:06d} is {digest('image')[:19]}"
        if ok
        else "gate: no receipt of gate on this digest; `mlci run` makes it",
        {"image": digest("image")},
        facts,
        materials=(Material("image", digest("image"), "build"),),
    )
    return record(made, after, 0.1)


def timeline(*, good: bool) -> list[dict[str, Any]]:
    """A canary at about four looks a second: 5, 25 and 50 percent, or taken back when the evidence is enough."""
    chance = random.Random(3)
    stable, canary, evidence = [0, 0], [0, 0], {"errors": 1.0, "latency": 1.0}
    plan = [
        (0, "warm-up", 0.0, "the new version is ready"),
        (8, "canary", 0.05, "5% of the traffic"),
        (45, "canary", 0.25, "25% of the traffic"),
    ]
    if good:
        plan += [
            (80, "canary", 0.5, "50% of the traffic"),
            (115, "switch", 1.0, "all of the traffic"),
            (120, "done", 1.0, "the earlier version is stopped"),
        ]
    out: list[dict[str, Any]] = []
    for n in range(200):
        start, phase, weight, event = [stage for stage in plan if stage[0] <= n][-1]
        new = sum(chance.random() < weight for _ in range(50))
        bad = sum(chance.random() < (0.004 if good else 0.055) for _ in range(new))
        canary = [canary[0] + new, canary[1] + bad]
        stable = [stable[0] + 50 - new, stable[1] + sum(chance.random() < 0.004 for _ in range(50 - new))]
        if phase == "canary":
            evidence["errors"] *= math.exp(bad * (0.8 if good else 0.11) - new * (0.004 if good else 0.0016))
            evidence["latency"] *= math.exp(chance.gauss(-0.004, 0.08))
        if evidence["errors"] >= 200 and phase == "canary":
            plan.append(
                (n + 1, "rollback", 0.0, f"errors: evidence {evidence['errors']:.0f} is over the threshold 200")
            )
        out.append(
            {
                "t": round(n * 0.26, 2),
                "phase": phase,
                "weight": weight,
                "stable": {"requests": stable[0], "errors": stable[1]},
                "canary": {"requests": canary[0], "errors": canary[1]},
                "evidence": dict(evidence),
                "threshold": 200.0,
                "clear": {"errors": math.exp(min(canary[0], 900) * 0.004), "latency": 1.0 + canary[0] ** 2 / 900},
                "needed": 100.0,
                "event": event if n == start else None,
            }
        )
        if phase in ("done", "rollback") and n >= start + 3:
            break
    return out


def deployed(environment: str, after: tuple[str, ...], *, good: bool = True) -> StepRecord:
    looks = timeline(good=good)
    new, old = looks[-1]["canary"], looks[-1]["stable"]
    facts = {
        "environment": environment,
        "strategy": "canary",
        "driver": "process",
        "digest": digest("image"),
        "previous": digest("champion"),
        "endpoint": "http://127.0.0.1:8461",
        "outcome": "deployed" if good else "rolled-back",
        "reason": "every step passed"
        if good
        else f"the new version fails more often: {new['errors']} of {new['requests']:,} requests, "
        f"the earlier one {old['errors']} of {old['requests']:,}",
        "traffic": {
            "sent": 50 * len(looks),
            "answered": 50 * len(looks),
            "errors": new["errors"] + old["errors"],
            "lost": 0,
            "resent": 3,
        },
        "timeline": looks,
    }
    made = receipt(
        f"deploy:{environment}",
        "pass" if good else "rolled-back",
        f"{digest('image')[:19]} serves at http://127.0.0.1:8461"
        if good
        else f"taken back: {facts['reason']}; {digest('champion')[:19]} serves at http://127.0.0.1:8461",
        {"image": digest("image")},
        facts,
        materials=(Material("image", digest("image"), environment),),
        findings=() if good else (Finding("error", "taken back", str(facts["reason"])),),
    )
    return record(made, after, 33.7)


def run(name: str, exit_code: int, *steps: StepRecord) -> Run:
    return Run(
        id=name,
        project="flights",
        command="mlci run --to production",
        started="2026-03-02T09:14:03.000000Z",
        finished="2026-03-02T09:16:11.400000Z",
        exit_code=exit_code,
        steps=steps,
    )


def _checks() -> tuple[StepRecord, ...]:
    return (
        validated("train", 166158, MONTHS, reused=True),
        validated("holdout", 28120, ["data/2013-07.parquet"], reused=True),
        trained(),
    )


def _rest(because: str, start: int) -> tuple[StepRecord, ...]:
    names = ("train", "gate", "build", "promote:staging", "deploy:staging", "promote:production", "deploy:production")
    before = ("validate:train", *names)
    return tuple(skipped(name, (before[n],), because) for n, name in enumerate(names) if n >= start)


def shipped() -> Run:
    return run(
        "run-000017",
        0,
        *_checks(),
        judged(),
        built(),
        promoted("staging", ("build",), 9),
        deployed("staging", ("promote:staging",)),
        promoted("production", ("build", "deploy:staging"), 7),
        deployed("production", ("promote:production",)),
    )


def stopped_by_the_gate() -> Run:
    return run("run-000018", 1, *_checks(), judged(good=False), *_rest("gate", 2))


def stopped_by_the_data() -> Run:
    good = validated("holdout", 28120, ["data/2013-07.parquet"])
    return run("run-000019", 1, broken_data(), good, *_rest("validate:train", 0))


def taken_back() -> Run:
    return run(
        "run-000020",
        4,
        *_checks(),
        judged(),
        built(),
        promoted("staging", ("build",), 9),
        deployed("staging", ("promote:staging",)),
        promoted("production", ("build", "deploy:staging"), 7),
        deployed("production", ("promote:production",), good=False),
    )


def refused_by_the_policy() -> Run:
    refused = promoted("staging", ("build",), 9, ok=False)
    return run("run-000021", 1, *_checks(), judged(champion=False), built(), refused, *_rest("promote:staging", 4))


def broken_world() -> Run:
    broken = StepRecord(
        "train",
        ("validate:train", "validate:holdout"),
        "error",
        False,
        12.3,
        "`python train.py` ended with exit code 1\nTraceback (most recent call last):\n  MemoryError: 14.2 GiB",
        None,
        "the whole output is in .mlci/logs/train.log",
    )
    return run("run-000022", 3, *_checks()[:2], broken, *_rest("train", 1))


RUNS = {
    "shipped": shipped,
    "gate": stopped_by_the_gate,
    "data": stopped_by_the_data,
    "taken-back": taken_back,
    "policy": refused_by_the_policy,
    "world": broken_world,
}


def hostile(run: Run, text: str) -> Run:
    """The run with a text in every place that holds one, except digests, times and the words of mlci itself."""
    names = {step.name: f"{step.name.partition(':')[0]}:{text}" for step in run.steps if ":" in step.name}
    steps = []
    for step in run.steps:
        made = step.receipt
        if made:
            made = replace(
                made,
                summary=text,
                subjects={f"{n} {text}": d for n, d in made.subjects.items()},
                materials=tuple(Material(f"{m.name}{text}", m.digest, f"{m.via}{text}") for m in made.materials),
                config=_poisoned(made.config, text),
                findings=(*(Finding(f.level, text, text) for f in made.findings), Finding("note", text, text)),
                facts=_poisoned(made.facts, text),
                source={"commit": text, "dirty": True},
                builder={"user": text, "host": text, "ci": text, "versions": {text: text}},
            )
        after = tuple(names.get(name, name) for name in step.after)
        steps.append(
            replace(step, name=names.get(step.name, step.name), after=after, summary=text, help=text, receipt=made)
        )
    return replace(run, id=text, project=text, command=text, steps=tuple(steps))


_KEPT = {"status", "verdict", "outcome", "better", "started", "finished"}


def _poisoned(value: Any, text: str) -> Any:
    if isinstance(value, str):
        return text
    if isinstance(value, list):
        return [_poisoned(one, text) for one in value]
    if isinstance(value, dict):
        kept = {k: v if k in _KEPT else _poisoned(v, text) for k, v in value.items()}
        return {**kept, text: text} if any(k in value for k in ("flight_id", "learning_rate")) else kept
    return value
