"""The project's own chores: `nox` runs lint, types and tests; `nox -s bench` measures."""

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "uv"
PYTHON = nox.project.load_toml("pyproject.toml")
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
    """Everything that tests; arguments go to pytest."""
    session.install("-e", ".[all]", *nox.project.dependency_groups(PYTHON, "test"))
    session.run("pytest", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What is fast, measured; writes docs/benchmarks.md."""
    session.install("-e", ".[all]", *nox.project.dependency_groups(PYTHON, "test"))
    session.run("python", "bench/run.py", *session.posargs)
