"""The MLflow side of a tracked training: reads JSON lines, logs a run, answers its id.

A program of its own (`python -m mlci.tracking.mlflow`), because importing MLflow takes seconds. End of input before
`finish` closes the run as KILLED.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def main() -> int:
    """Serve one run."""
    try:
        from mlflow import MlflowClient
    except ImportError:
        print("MLflow is not installed: pip install 'mlci[mlflow]'", file=sys.stderr)
        return 1
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # MLflow prints to standard output, which is for answers only
    client: Any = None
    run_id = ""
    for line in sys.stdin:
        message = json.loads(line)
        if message["do"] == "start":
            client = MlflowClient(message["uri"])
            run_id = _start(client, message)
        else:
            for name, value in message["metrics"].items():
                client.log_metric(run_id, name, value)
            client.set_terminated(run_id, "FINISHED")
            print(json.dumps({"run_id": run_id}), file=answers, flush=True)
            return 0
    if run_id:
        client.set_terminated(run_id, "KILLED")
    return 0


def _start(client: Any, message: dict[str, Any]) -> str:
    found = client.get_experiment_by_name(message["project"])
    experiment = found.experiment_id if found else client.create_experiment(message["project"])
    run_id = str(client.create_run(experiment, tags=message["tags"]).info.run_id)
    for name, value in message["params"].items():
        client.log_param(run_id, name, value)
    return run_id


if __name__ == "__main__":
    sys.exit(main())
