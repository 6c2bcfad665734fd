"""Measures what a person waits for, beside what they would use instead, and writes docs/benchmarks.md.

How exactly contracts are checked is a subject too; its tables go to docs/contract-conformance.md.

`python -m bench.run [SUBJECT…] [--data DIR] [--quick]`: without a subject all; the sections of those that are not
measured stay as they are. With `--data` the generated files and the installed rivals are kept there for the next time.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench import canary, conformance, contract, deploy, everyday, gate, image, promote, promotions, registry
from bench.measure import ROOT, Options, machine

DOCS = ROOT / "docs" / "benchmarks.md"
INTRODUCTION = "Made by `nox -s bench`; `nox -s bench -- SUBJECT` measures one section anew."
SUBJECTS: dict[str, Callable[[Options], str]] = {
    "everyday": everyday.measure,
    "contract": contract.measure,
    "conformance": conformance.measure,
    "gate": gate.measure,
    "registry": registry.measure,
    "image": image.measure,
    "deploy": deploy.measure,
    "canary": canary.measure,
    "promotions": promotions.measure,
    "promote": promote.measure,
}
TITLES = {
    "everyday": "Every day",
    "contract": "The data contract",
    "gate": "The gate",
    "registry": "Registries",
    "image": "Images",
    "deploy": "Deployments",
    "canary": "The canary",
    "promotions": "The record of promotions",
    "promote": "Promotions",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}; without any: all")
    parser.add_argument("--data", type=Path, help="keep here what is generated and installed")
    parser.add_argument("--quick", action="store_true", help="few rows, to try it out: prints, and writes nothing")
    asked = parser.parse_args()
    for unknown in set(asked.subjects) - set(SUBJECTS):
        parser.error(f"no subject {unknown!r}; there are {', '.join(SUBJECTS)}")
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        options = Options((asked.data or Path(work)).resolve(), asked.quick)
        options.data.mkdir(parents=True, exist_ok=True)
        for name in asked.subjects or SUBJECTS:
            section = _alone(SUBJECTS[name], options)
            print(section)
            if not asked.quick:
                _write(name, section)


def _alone(measure: Callable[[Options], str], options: Options) -> str:
    """In a process of its own: what one subject takes of memory must not be counted for the next (see `measure`)."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, options).result()


def _write(name: str, section: str) -> None:
    if name == "conformance":
        page = conformance.DOCS
        page.write_text(conformance.written(page.read_text(encoding="utf-8"), section), encoding="utf-8")
    else:
        section = f"{machine()}.\n\n{section}"
        DOCS.write_text(replaced(DOCS.read_text() if DOCS.exists() else "", TITLES[name], section))


def replaced(docs: str, title: str, section: str) -> str:
    """The page with this section anew; all others stay, in the order of TITLES."""
    parts = re.split(r"^## (.+)\n", docs, flags=re.MULTILINE)
    sections = {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    sections[title] = section.strip()
    texts = [f"## {name}\n\n{sections[name]}\n" for name in TITLES.values() if name in sections]
    return "\n".join(["# Benchmarks\n", f"{INTRODUCTION}\n", *texts])


if __name__ == "__main__":
    main()
