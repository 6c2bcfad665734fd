"""What checks the 22 constraints: mlci, the query that a person writes by hand, and the other tools."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.contract_data import PLANTED
from bench.measure import MLCI, Command, Usage, installed

CONTRACT = Path(__file__).with_name("contract.yaml")
SCRIPTS = Path(__file__).with_name("contract_rivals")
POLARS = "polars==2.1.0"
ARROW = "pyarrow==26.0.1"


@dataclass(frozen=True)
class Rival:
    """Another tool: its script, what is installed for it (the tool first), how much of its time ours may be, and on
    how many rows it is timed if not on all.
    """

    script: str
    needs: tuple[str, ...]
    limit: float = 1.0
    sample: int | None = None


RIVALS = (
    Rival("with_dataframely.py", ("dataframely==3.1.2", POLARS)),
    Rival("with_pandera.py", ("pandera[polars]==0.35.0", POLARS)),
    Rival("with_patito.py", ("patito==0.8.6", POLARS)),
    Rival("with_pointblank.py", ("pointblank==1.1.1", POLARS)),
    Rival("with_gx.py", ("great-expectations==1.24.1", "pandas==3.1.1", ARROW), 1 / 10),
    Rival("with_jsonschema_rs.py", ("jsonschema-rs==0.60.3", ARROW), 1 / 10),
    Rival("with_fastjsonschema.py", ("fastjsonschema==2.22.3", ARROW), sample=200_000),
    Rival("with_jsonschema.py", ("jsonschema==4.26.0", ARROW), 1 / 200, sample=50_000),
)


def ours(*files: Path, faulty: bool = False, contract: Path = CONTRACT) -> Command:
    """`mlci validate` over the files."""
    line = [*MLCI, "validate", *map(str, files), "--contract", str(contract), "--json"]
    return Command(line, codes=(1,) if faulty else (0,))


def by_hand(file: Path, memory_limit: str = "") -> Command:
    """The hand-written query, by the same DuckDB."""
    script = str(SCRIPTS / "with_duckdb.py")
    return Command([sys.executable, script, str(file), *([memory_limit] if memory_limit else [])])


def theirs(rival: Rival, file: Path, data: Path) -> Command:
    """Another tool over the file, in an environment of its own below `data`; it phones nobody."""
    import yaml

    schema = yaml.safe_load(CONTRACT.read_text())
    del schema["x-table"]
    plain = data / "schema.json"
    plain.write_text(json.dumps(schema))
    python = installed(data / "rivals" / rival.script.removesuffix(".py"), rival.needs) / "python"
    line = [str(python), str(SCRIPTS / rival.script), str(file), str(plain)]
    return Command(line, env={"GX_ANALYTICS_ENABLED": "false"})


def kinds_found(usage: Usage) -> int:
    """How many kinds of the planted faults a tool has found; one that names columns and no rules is believed."""
    found = json.loads(usage.out)["found"]
    return sum(kind in found or kind.split(".")[0] in found for kind in PLANTED)


def counts(usage: Usage) -> dict[str, int]:
    """How many rows break which rule, as mlci says."""
    return {f"{v['column']}.{v['rule']}": v["count"] for v in json.loads(usage.out)["violations"]}
