"""The command line: one command a file, loaded when it is called, so that `mlci --help` stays fast."""

from __future__ import annotations

import gc
import signal
import sys
from importlib import import_module

import click

from mlci.errors import CONFIG, FAULT, INTERRUPTED, WORLD, MlciError

_COMMANDS = {
    "run": "Run the pipeline up to the built image, or on to an environment.",
    "validate": "Judge data by its contract.",
    "train": "Make the model, unless nothing that it depends on has changed.",
    "gate": "Judge the model, alone and beside the champion.",
    "build": "Build the image.",
    "lock": "Pin what the image is built on, and record what a build of it gives.",
    "approve": "Say yes to a digest for an environment, with a signature.",
    "revoke": "Take a digest out of use, for good.",
    "promote": "Give a digest to an environment, if its policy allows it.",
    "deploy": "Let the promoted digest take an environment's traffic.",
    "rollback": "Put an environment back on an earlier digest.",
    "plan": "Say what a run would do.",
    "why": "Say why a step would run or be reused.",
    "status": "Say what serves where, and how the last run ended.",
    "logs": "Show what an environment's servers write.",
    "history": "List what was where, from when, and on what evidence.",
    "audit": "Check an environment's history: records, signatures, tags.",
    "copy": "Copy an image, with what refers to it, between registries and folders.",
    "verify": "Check the evidence on an image: every digest, every signature.",
    "report": "Write the report of a run.",
    "schema": "Print the JSON Schema of mlci.yaml.",
    "contract": "Infer, compare, read, import and export contracts.",
    "key": "Make a key that signs, or show what a key is.",
    "stop": "End an environment's servers and proxy on this machine.",
}
_GARBAGE = 200_000
"""So many new objects before Python looks for circles among them: importing makes fewer, and none are garbage."""


class _Commands(click.Group):
    """Commands by name; the help text needs none of their modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = "step" if cmd_name == "train" else cmd_name
        command: click.Command = import_module(f"mlci.cli.{module}").command(cmd_name, _COMMANDS[cmd_name])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="mlci", message="%(prog)s %(version)s")
@click.option("-C", "directory", metavar="DIR", help="Work in this folder.")
@click.option(
    "-c",
    "--config",
    "file",
    metavar="FILE",
    envvar="MLCI_CONFIG",
    help="The config file.  [default: mlci.yaml here or above]",
)
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def cli(ctx: click.Context, directory: str | None, file: str | None, debug: bool) -> None:
    """CI/CD for machine learning: from a data contract to a canary, in one config file.

    Exit codes: 0 done, 1 a verdict (not good enough), 2 config or usage, 3 something that mlci needs is broken,
    4 deployed and taken back, 70 a fault of mlci itself, 130 interrupted.
    """
    from mlci.cli.common import State
    from mlci.cli.output import color_wanted

    ctx.color = color_wanted()
    ctx.obj = State(directory, file, debug)


def main() -> None:
    """The program `mlci`."""
    gc.set_threshold(_GARBAGE)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit code; every error is printed for the person who reads it."""
    debug = "--debug" in arguments
    try:
        code = cli.main(arguments, prog_name="mlci", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:
        return INTERRUPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return CONFIG
    except SystemExit:  # click's way to end when nobody reads the output any more
        return 128 + signal.SIGPIPE
    except MlciError as error:
        if debug:
            raise
        from mlci.cli.output import show_error

        show_error(error)
        return error.exit_code
    except OSError as error:
        if debug:
            raise
        click.echo(f"error: {error}", err=True)
        return WORLD
    except Exception as error:  # the last line of defence
        if debug:
            raise
        from mlci.cli.common import command_line
        from mlci.cli.output import show_fault

        show_fault(error, command_line(arguments))
        return FAULT
