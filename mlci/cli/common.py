"""What the commands share: opening the project, running steps under the eyes of a person, stopping cleanly."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlci.errors import FAULT, INTERRUPTED, UsageError, WorldError

if TYPE_CHECKING:
    from mlci.config import Project
    from mlci.engine import Session, Step
    from mlci.evidence.record import Run
    from mlci.store import Store

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class State:
    """The options before the command."""

    directory: str | None
    file: str | None
    debug: bool
    policy: str | None = None

    def folder(self) -> Path:
        """The folder to work in; raises UsageError where it is not there."""
        folder = Path(self.directory or ".")
        if not folder.is_dir():
            raise UsageError(f"there is no folder {self.directory}", help="-C takes the folder of the project")
        return folder

    def project(self, overrides: Sequence[str] = ()) -> Project:
        """The project that the command is about; raises ConfigError or UsageError."""
        from mlci import config

        start = self.folder()
        file = start / self.file if self.file else config.find(start.resolve())
        return replace(config.load(file, overrides), policy=self.policy)


def project_options(function: F) -> F:
    """The options of every command that reads mlci.yaml."""
    function = click.option(
        "--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Override one value of mlci.yaml for this call."
    )(function)
    return json_option(function)


def policy_option(function: F) -> F:
    """`--policy`, on everything that asks the policy; it goes into the project."""

    def keep(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        ctx.obj = replace(ctx.obj, policy=value)

    return click.option(
        "--policy",
        metavar="REF|FILE",
        envvar="MLCI_POLICY",
        help="Where the policy is read: a git ref, or a file.  [default: mlci.yaml of the default branch]",
        expose_value=False,
        callback=keep,
        is_eager=True,
    )(function)


def json_option(function: F) -> F:
    """`--json`, on everything that reports."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def run_steps(
    state: State,
    project: Project,
    steps: Sequence[Step],
    *,
    as_json: bool,
    force: bool = False,
    sarif: Path | None = None,
) -> int:
    """Run steps, show their progress, write the report (as SARIF too), print the summary; returns the exit code."""
    from mlci.cli.explain import annotate, validated, write_sarif
    from mlci.cli.output import show_error, show_fault, show_summary
    from mlci.cli.progress import watcher
    from mlci.engine import Session, execute
    from mlci.errors import MlciError

    if not steps:
        raise UsageError(f"{project.file.name} asks for nothing", help="add data with a contract, train, gate or image")
    with watcher([step.name for step in steps], quiet=as_json) as observer:
        session = Session(project, observer, force=force)
        stop_on_signals(session)
        run = execute(session, steps, command=command_line(sys.argv[1:]))
    for error in session.errors.values():
        if state.debug:
            raise error
        if isinstance(error, MlciError):
            show_error(error)
        elif run.exit_code == FAULT:
            show_fault(error, command_line(sys.argv[1:]))
    page = write_report(session, run)
    found = validated(run, project.root)
    if sarif:
        write_sarif(sarif, found)
    annotate(found)
    if as_json:
        click.echo(run.to_bytes())
    else:
        show_summary(run, page)
    return run.exit_code


def command_line(arguments: Sequence[str]) -> str:
    """The command for the record, without the values of `--set` that nobody should read."""
    from mlci.process import is_secret

    def shown(argument: str) -> str:
        path, _, value = argument.removeprefix("--set=").partition("=")
        if value and (is_secret(argument) or re.search(r"://[^/]*@", value)):
            return f"{path}=***"
        return re.sub(r"://[^/@]*:[^/]*@", "://***@", argument)

    return shlex.join(["mlci", *map(shown, arguments)])


def write_report(session: Session, run: Run) -> Path:
    """The run's page, and the summary of a GitHub job where there is one."""
    from mlci import github, report
    from mlci.files import write_atomic

    page = session.home / "reports" / f"{run.id}.html"
    write_atomic(page, report.html(run).encode())
    place_suites(session.store(), run, page.parent)
    github.add_summary(lambda: report.markdown(run))
    return page


def place_suites(store: Store, run: Run, folder: Path) -> None:
    """Put the pages of the gate's suites where the report links to them: `suites/DIGEST.html` in its folder."""
    from mlci.files import write_atomic
    from mlci.report import suite_pages

    for digest, name in suite_pages(run).items():
        if not (folder / name).is_file():
            from mlci.image import get_tree

            with tempfile.TemporaryDirectory() as work, suppress(WorldError):
                content = get_tree(store, digest, Path(work) / "page").read_bytes()
                write_atomic(folder / name, content)


def stop_on_signals(session: Session) -> None:
    """Ctrl-C and SIGTERM stop the steps, which end their children; a second one ends mlci at once."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if session.stop.is_set():
            os._exit(INTERRUPTED)
        session.stop.set()
        click.echo("stopping …", err=True)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
