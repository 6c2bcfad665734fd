"""Which steps a config asks for, and in what order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlci import gate as judging
from mlci.config import Config, Project
from mlci.errors import ConfigError, Problem, UsageError
from mlci.gate import suites
from mlci.steps import Build, Deploy, Gate, Promote, Step, Train, Validate
from mlci.steps.bases import mistakes


def graph(project: Project, *, to: str | None = None) -> list[Step]:
    """The steps up to the built image, and with `to` on to that environment; each after the ones it needs.

    Training waits for every validation: nothing is trained on, or judged by, data that breaks its contract.
    """
    config = project.config
    steps: list[Step] = [Validate(name) for name, data in config.data.items() if data.contract]
    validated = tuple(step.name for step in steps)
    if config.train:
        steps.append(Train(after=validated))
    if config.gate:
        _need(
            project, config.train is not None and "model" in config.train.outputs, "gate", "an output `model` of train"
        )
        steps.append(Gate(after=("train",)))
    if config.image:
        before = ("gate",) if config.gate else ("train",) if config.train else validated
        steps.append(Build(after=before))
    if to is not None:
        if to not in config.environments:
            known = ", ".join(config.environments) or "none"
            raise UsageError(f"there is no environment {to!r} in {project.file.name}", help=f"environments: {known}")
        _need(project, config.image is not None, "environments", "an `image` to promote")
        steps += _delivery(project, to)
    _refuse_unavailable(project, steps)
    return steps


def select(steps: Sequence[Step], wanted: Sequence[str]) -> list[Step]:
    """The wanted steps (`validate` stands for all of its kind) and everything that they come after."""
    names = {step.name: step for step in steps}
    chosen: set[str] = set()
    for word in wanted:
        matching = [name for name in names if word in (name, name.partition(":")[0])]
        if not matching:
            known = ", ".join(dict.fromkeys(name.partition(":")[0] for name in names)) or "none"
            raise UsageError(f"there is no step {word!r} in this project", help=f"steps: {known}")
        chosen.update(matching)
    waiting = list(chosen)
    while waiting:
        for before in names[waiting.pop()].after:
            if before not in chosen:
                chosen.add(before)
                waiting.append(before)
    return [step for step in steps if step.name in chosen]


def _delivery(project: Project, to: str) -> list[Step]:
    """Promote and deploy, environment by environment, up to `to`."""
    steps: list[Step] = []
    before = "build"
    for name, environment in project.config.environments.items():
        steps.append(Promote(name, after=tuple(dict.fromkeys(("build", before)))))
        before = steps[-1].name
        if environment.deploy:
            steps.append(Deploy(name, after=(before,)))
            before = steps[-1].name
        if name == to:
            break
    return steps


def _need(project: Project, there: bool, section: str, what: str) -> None:
    if not there:
        raise ConfigError([project.problem((section,), f"{section} needs {what}", "add it to mlci.yaml")])


def _refuse_unavailable(project: Project, steps: Sequence[Step]) -> None:
    """What the config may say but this version cannot do is refused before anything runs, never passed over."""
    problems = [*_remote(project), *(problem for step in steps for problem in _unavailable(project, step))]
    if problems:
        raise ConfigError(list({(p.line, p.column): p for p in problems}.values()))


def _unavailable(project: Project, step: Step) -> list[Problem]:
    config = project.config
    if isinstance(step, Gate) and config.gate:
        found = [(m.place, m.message, m.help) for m in judging.mistakes(config.gate)]
        of_suites = [(("gate", "suites", wrong.at), wrong.message, wrong.help) for wrong in suites.mistakes(config)]
        of_costs = [(tuple(m.path.split(".")[1:]), m.message, m.help) for m in judging.cost_mistakes(config)]
        return [project.problem(*one) for one in (*found, *of_suites, *of_costs)]
    help = "this version cannot do it yet; take it out to run without it"
    if isinstance(step, Build) and (wrong := list(mistakes(project))):
        return [project.problem(*one) for one in wrong]
    return [project.problem(path, f"{'.'.join(path)} is not available", help) for path in _asked(config, step)]


def _remote(project: Project) -> Iterator[Problem]:
    """What is wrong with `store.remote`."""
    named = project.config.store.remote
    if named is None:
        return
    from mlci.store.registry.reference import looks_like_host, parse_reference

    help = "it looks like ghcr.io/owner/name, without a tag"
    try:
        reference = parse_reference(named)
    except UsageError as error:
        yield project.problem(("store", "remote"), error.message, help)
        return
    if reference.tag or reference.digest or not looks_like_host(named.partition("/")[0]):
        yield project.problem(("store", "remote"), f"{named!r} is not a repository of a registry", help)


def _asked(config: Config, step: Step) -> Iterator[tuple[str, ...]]:
    """The places of the config that ask for what this version cannot do."""
    asked: dict[tuple[str, ...], bool] = {}
    if isinstance(step, Train) and config.train:
        asked["train", "resources", "gpus"] = config.train.resources.gpus > 0
    elif isinstance(step, Deploy) and (deploy := config.environments[step.environment].deploy):
        where = ("environments", step.environment, "deploy")
        asked = {
            (*where, "driver"): deploy.driver == "kubernetes",
        }
    yield from (path for path, is_asked in asked.items() if is_asked)
