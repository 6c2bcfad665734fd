"""`mlci lock`: pin what the image is built on, and record what a build of it gives."""

from __future__ import annotations

import click

from mlci.cli.common import State, project_options, run_steps


def command(name: str, help: str) -> click.Command:
    """The command."""

    @click.command(name, help=f"{help} Looks the base up anew; `mlci build --check` holds later builds to it.")
    @project_options
    @click.pass_obj
    def lock(state: State, overrides: tuple[str, ...], as_json: bool) -> int:
        from dataclasses import replace

        from mlci.cli.records import open_store
        from mlci.config.lock import NAME, Lock, read_lock, write_lock
        from mlci.engine import graph, select
        from mlci.errors import OK
        from mlci.evidence import results
        from mlci.steps.bases import newest_base

        project = state.project(overrides)
        steps = select(graph(project), ["build"])
        base = newest_base(project)
        write_lock(project.root, replace(read_lock(project.root), base=dict([base] if base else [])))
        code = run_steps(state, project, steps, as_json=as_json)
        if code == OK:
            built = results.last(open_store(project), "build")
            assert built is not None
            inputs = {material.name: material.digest for material in built.materials}
            write_lock(project.root, Lock(read_lock(project.root).base, inputs, built.subjects["image"]))
            click.echo(f"{NAME} holds {built.subjects['image']}", err=as_json)
        return code

    return lock
