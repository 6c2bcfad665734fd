"""The project's own chores: `nox` runs lint, types and tests; `nox -s bench` measures."""

import os
import shutil
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests", "engines"]
nox.options.default_venv_backend = "uv"
PYTHON = nox.project.load_toml("pyproject.toml")
PROGRAMS = {
    "skopeo": "skopeo",
    "docker-registry": "docker-registry",
    "openssl": "openssl",
    "chromium": "chromium",
    "dockerd": "docker.io",
    "iptables": "iptables",
    "buildah": "buildah",
    "busybox": "busybox-static",
}
SERVERS = {"java": "default-jre-headless", "initdb": "postgresql"}
"""Programs by the package that brings them."""
SOURCES = ("mlci", "tests", "bench", "examples", "noxfile.py")


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff, and the layers of the architecture."""
    session.install("-e", ".", *nox.project.dependency_groups(PYTHON, "lint"))
    session.run("ruff", "check", *SOURCES)
    session.run("ruff", "format", "--check", *SOURCES)
    session.run("lint-imports", "--no-cache")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict."""
    session.install("-e", ".", *nox.project.dependency_groups(PYTHON, "lint"))
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Everything that tests, on two cores; arguments go to pytest."""
    _install_programs(session, PROGRAMS)
    session.install("-e", ".[all]", *nox.project.dependency_groups(PYTHON, "test"))
    session.run("pytest", "-n", "2", "--dist", "loadfile", *session.posargs)


@nox.session
def engines(session: nox.Session) -> None:
    """Contracts on other engines: a Postgres and a Spark are started."""
    _install_programs(session, SERVERS)
    session.install("-e", ".[ibis]", "ibis-framework[postgres,pyspark]", *nox.project.dependency_groups(PYTHON, "test"))
    session.run("pytest", "tests/engines", *session.posargs)


@nox.session(python=["3.10", "3.12", "3.13"])
def pythons(session: nox.Session) -> None:
    """The unit tests on other Pythons, the golden digests of images among them."""
    session.install("-e", ".[all]", *nox.project.dependency_groups(PYTHON, "test"))
    session.run("pytest", "tests/unit", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What is fast, measured; writes docs/benchmarks.md. `-- SUBJECT` measures one of its sections."""
    session.install("-e", ".[all]", *nox.project.dependency_groups(PYTHON, "test"))
    session.run("python", "-m", "bench.run", *session.posargs)


def _install_programs(session: nox.Session, programs: dict[str, str]) -> None:
    """The programs beside which mlci is tested; a missing one is installed where apt can, and is an error elsewhere."""
    path = os.pathsep.join([os.environ["PATH"], *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])
    missing = [package for program, package in programs.items() if not shutil.which(program, path=path)]
    if not missing:
        return
    if not shutil.which("apt-get"):
        session.error(f"the tests need {' and '.join(missing)}: install them and run again")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    session.run(*sudo, "apt-get", "update", "-qq", external=True)
    session.run(
        *(*sudo, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing),
        external=True,
        env={"DEBIAN_FRONTEND": "noninteractive"},
    )
