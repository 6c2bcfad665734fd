"""The MLflow side of a tracked step: reads JSON lines, logs to a run, answers in a line each.

A program of its own (`python -m mlci.tracking.mlflow`), because importing MLflow takes seconds. A run that was started
and not finished at the end of input is closed as KILLED.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from typing import Any

_NOT_IN_NAMES = re.compile(r"[^\w\-. :/]", re.ASCII)
"""What MLflow refuses in the name of a metric."""


def main() -> int:
    """Serve one step."""
    try:
        from mlflow import MlflowClient
    except ImportError:
        print("MLflow is not installed: pip install 'mlci[mlflow]'", file=sys.stderr)
        return 1
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # MLflow prints to standard output, which is for answers only
    client: Any = None
    open_run = ""
    answer: dict[str, str | None]
    for line in sys.stdin:
        message = json.loads(line)
        client = client or MlflowClient(message["uri"])
        if message["do"] == "start":
            open_run = _start(client, message)
            continue
        if message["do"] == "finish":
            for name, value in message["metrics"].items():
                client.log_metric(open_run, name, value)
            client.set_terminated(open_run, "FINISHED")
            answer, open_run = {"run_id": open_run}, ""
        else:
            answer = {"version": _note(client, message)}
        print(json.dumps(answer), file=answers, flush=True)
    if open_run:
        client.set_terminated(open_run, "KILLED")
    return 0


def _start(client: Any, message: dict[str, Any]) -> str:
    found = client.get_experiment_by_name(message["project"])
    experiment = found.experiment_id if found else client.create_experiment(message["project"])
    run_id = str(client.create_run(experiment, tags=message["tags"]).info.run_id)
    for name, value in message["params"].items():
        client.log_param(run_id, name, value)
    return run_id


def _note(client: Any, message: dict[str, Any]) -> str | None:
    """Metrics and tags on a finished run, in one go; the version of the model that it has, with its alias."""
    from mlflow.entities import Metric, RunTag

    now = int(time.time() * 1000)
    metrics = [Metric(_NOT_IN_NAMES.sub("_", name), value, now, 0) for name, value in message["metrics"].items()]
    tags = [RunTag(name, value) for name, value in message["tags"].items()]
    for at in range(0, max(len(metrics), 1), 900):  # a batch has 1,000 metrics and tags at most
        client.log_batch(message["run_id"], metrics=metrics[at : at + 900], tags=[] if at else tags)
    if message["model"] is None:
        return None
    version = _version(client, message["model"], message["run_id"])
    client.set_registered_model_alias(message["model"], message["alias"], version)
    for name, value in message.get("version_tags", {}).items():
        client.set_model_version_tag(message["model"], version, name, value)
    return version


def _version(client: Any, model: str, run_id: str) -> str:
    """The run's newest version of the registered model; made, as is the model, when it is not there."""
    from mlflow.exceptions import MlflowException

    there = client.search_model_versions(f"name = '{model}' and run_id = '{run_id}'")
    if there:
        return str(max(int(one.version) for one in there))
    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = client.get_run(run_id).info.artifact_uri
    return str(client.create_model_version(model, source, run_id).version)


if __name__ == "__main__":
    sys.exit(main())
