"""The policy of an environment asked of a digest: the rule from its protected place, the evidence from the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from mlci.config import Project
from mlci.errors import MlciError
from mlci.evidence import claims, log, policy, provenance, signing
from mlci.evidence.policy import APPROVE, REVOKE, Evidence, Reason, Rule, Stay
from mlci.evidence.protected import protected
from mlci.steps.rules import judged_by
from mlci.store import Store

Place = Callable[[str], Store]
"""The store with the tags and records of an environment."""


@dataclass(frozen=True)
class Judged:
    """Every reason at once, and from where the policy was read (`from`, and `commit` or `digest`)."""

    environment: str
    digest: str
    reasons: list[Reason]
    policy: dict[str, str]

    @property
    def allowed(self) -> bool:
        """Whether no rule stands against it."""
        return all(reason.ok for reason in self.reasons)

    @property
    def facts(self) -> dict[str, Any]:
        """What a record keeps of it: the reasons, the digests of the evidence that counted by rule, and the policy."""
        said = [{"rule": one.rule, "ok": one.ok, "detail": one.detail} for one in self.reasons]
        evidence = {one.rule: list(one.evidence) for one in self.reasons if one.evidence}
        return {"reasons": said, "evidence": evidence, "policy": self.policy}


def judge(
    project: Project,
    stores: Sequence[Store],
    environment: str,
    digest: str,
    *,
    place: Place,
    again: bool = False,
    say: Callable[[str], None] | None = None,
) -> Judged:
    """May the digest be in the environment? `stores` hold what is said of it; nothing is written.

    Raises WorldError where the policy or the evidence cannot be had, UsageError and ConfigError for mistakes in them.
    """
    with protected(project) as from_:
        if say and not from_.is_like(project):
            say(f"judged by {from_.said}, which has other rules than {project.file.name} here")
        if environment not in from_.project.config.environments:
            unknown = Reason("policy", False, f"{from_.said} has no environment {environment}; merge it there first")
            return Judged(environment, digest, [unknown], from_.source)
        trusted = signing.trusted(from_.project, *signers_of(from_.project, environment))
        rule = rule_of(from_.project, environment, trusted)
        if project.raw.get("gate") != from_.project.raw.get("gate"):
            ours = f"the gate in {project.file.name} here is another: merge it first, or have it judge itself"
            rule = replace(rule, otherwise=f"{ours} (`--policy HEAD`, `--policy {project.file.name}`)")
        moves = [
            stay for name in (*rule.environments, environment) for stay in _stays(place(name), name, rule, trusted)
        ]
        evidence = _evidence(stores, digest, rule, trusted)
        reasons = policy.decide(rule, evidence, moves, provenance.now(), digest=digest, again=again)
        return Judged(environment, digest, reasons, from_.source)


@contextmanager
def known(project: Project, say: Callable[[str], None] | None = None) -> Iterator[signing.Trusted | None]:
    """Whose signatures count by the policy, for the time of a `with`.

    Raises as `protected`; with `say` that is told instead, and the signers are those of the working tree, or None: what
    leads back must not wait for a policy that cannot be read.
    """
    with ExitStack() as stack:
        try:
            found: signing.Trusted | None = signing.trusted(stack.enter_context(protected(project)).project)
        except MlciError as error:
            if say is None:
                raise
            say(f"whose records count is read from {project.file.name} here: {error.message}")
            found = _here(project, say)
        yield found


def _here(project: Project, say: Callable[[str], None]) -> signing.Trusted | None:
    try:
        return signing.trusted(project)
    except MlciError as error:
        say(f"nobody can tell who signed the records: {error.message}")
        return None


def revocation(stores: Sequence[Store], digest: str, trusted: signing.Trusted) -> str:
    """By whom and why a digest was revoked, of those that count; empty where it was not."""
    rule = Rule("", revokers=tuple(trusted.signers) or None)
    said = _evidence(stores, digest, rule, trusted)
    return "; ".join(one.detail for one in policy.decide(rule, said, (), provenance.now(), digest=digest))


def rule_of(project: Project, environment: str, trusted: signing.Trusted) -> Rule:
    """What an environment of a config asks for; one key under two names is one signer."""
    config = project.config
    asked = config.environments[environment]
    known = tuple(config.signing.signers)
    approvals = asked.approvals
    approvers = (approvals.by or tuple(name for name in known if name not in asked.signed_by)) if approvals else ()

    def once(names: Collection[str]) -> tuple[str, ...]:
        first = {name: next(n for n, who in trusted.signers.items() if who == trusted.signers[name]) for name in names}
        return tuple(dict.fromkeys(first.values()))

    return Rule(
        environment=environment,
        requires=asked.requires,
        steps={"validate": tuple(f"validate:{name}" for name, data in config.data.items() if data.contract)},
        configs={"gate": judged_by(project)} if config.gate else {},
        environments={
            name: of.deploy is not None for name, of in config.environments.items() if name in asked.requires
        },
        soak=asked.soak,
        served=asked.served,
        signed_by=once(asked.signed_by),
        approvals=approvals.count if approvals else 0,
        approvers=once(approvers),
        revokers=once(known) if known else None,
        max_age=asked.max_age,
        not_before=asked.not_before,
        freeze=asked.freeze,
    )


def signers_of(project: Project, environment: str) -> tuple[str, ...]:
    """The names of everybody whom the rule can mean."""
    asked = project.config.environments[environment]
    by = asked.approvals.by if asked.approvals else ()
    return tuple(dict.fromkeys((*project.config.signing.signers, *asked.signed_by, *by)))


def _evidence(stores: Sequence[Store], digest: str, rule: Rule, trusted: signing.Trusted) -> list[Evidence]:
    """What the rule can use, and no more: signed by somebody where that is asked for, else as it is there.

    What went along with a promotion lies in several places, and counts once.
    """
    words = [word for word in rule.requires if word not in rule.environments]
    steps = {step for word in words for step in rule.steps.get(word, (word,))}
    steps |= {f"deploy:{name}" for name, deploys in rule.environments.items() if deploys}
    of_people = {REVOKE} | ({f"{APPROVE}:{rule.environment}"} if rule.approvals else set())
    found = [
        claims.read(
            store,
            digest,
            trusted,
            signed=of_people | (steps if rule.signed_by else set()),
            unsigned=(set() if rule.signed_by else steps) | ({REVOKE} if rule.revokers is None else set()),
        )
        for store in stores
    ]
    return list({(one.digest, one.signer): one for part in found for one in part}.values())


def _stays(store: Store, environment: str, rule: Rule, trusted: signing.Trusted) -> list[Stay]:
    """What was in an environment from when to when, by the records that count."""
    past = log.read(store, environment, trusted).entries
    return policy.stays(environment, [(digest, entry.receipt) for entry in past for digest in _moved(entry, rule)])


def _moved(entry: log.Entry, rule: Rule) -> Sequence[str | None]:
    """What a record puts there, as far as it counts: what leads back ends a stay whoever known has signed it."""
    if not rule.signed_by or entry.signer in rule.signed_by:
        return (entry.digest,)
    return (None,) if entry.signer is not None and entry.facts["kind"] != "promotion" else ()
