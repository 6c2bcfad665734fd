"""Who writes what, and who reads it: nothing but the default branch writes what main reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlci.evidence.scope import MAIN, PEOPLE, Scope, scope, tag

KEY = "a" * 64


def github(tmp_path: Path, event: str, ref: str, payload: object = None) -> Scope:
    file = tmp_path / "event.json"
    file.write_text(json.dumps({"repository": {"default_branch": "trunk"}} if payload is None else payload))
    return scope(
        trust=False,
        env={
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_REF": ref,
            "GITHUB_EVENT_PATH": str(file),
        },
    )


@pytest.mark.parametrize("event", ["push", "schedule", "workflow_dispatch"])
def test_the_default_branch_is_main(tmp_path: Path, event: str) -> None:
    assert github(tmp_path, event, "refs/heads/trunk") == Scope(MAIN, (MAIN,))


@pytest.mark.parametrize(
    ("event", "ref"),
    [
        ("push", "refs/heads/main"),
        ("push", "refs/tags/trunk"),
        ("push", "refs/heads/trunk/x"),
        ("push", ""),
        ("workflow_run", "refs/heads/trunk"),
        ("issue_comment", "refs/heads/trunk"),
        ("merge_group", "refs/heads/gh-readonly-queue/trunk/pr-1"),
        ("pull_request_target", "refs/heads/trunk"),
    ],
)
def test_what_cannot_show_that_it_is_main_writes_where_main_does_not_look(tmp_path: Path, event: str, ref: str) -> None:
    found = github(tmp_path, event, ref)
    assert found.writes not in (MAIN, PEOPLE)
    assert found.reads == (found.writes, MAIN)


@pytest.mark.parametrize("payload", [[], {"repository": {}}, {"repository": {"default_branch": 1}}, {"repository": []}])
def test_without_the_name_of_the_default_branch_nothing_is_main(tmp_path: Path, payload: object) -> None:
    assert github(tmp_path, "push", "refs/heads/trunk", payload).writes.startswith("ref-")


def test_a_pull_request_has_a_place_of_its_own(tmp_path: Path) -> None:
    ours = {"repository": {"default_branch": "trunk"}, "number": 12}
    for event, ref in (("pull_request", "refs/pull/12/merge"), ("pull_request_target", "refs/heads/trunk")):
        assert github(tmp_path, event, ref, ours) == Scope("pr-12.", ("pr-12.", MAIN))
    assert github(tmp_path, "pull_request", "refs/pull/7/merge", {}).writes == "pr-7."
    assert github(tmp_path, "push", "refs/heads/trunk", ours) == Scope(MAIN, (MAIN,))  # a number is no pull request's


def test_branches_have_places_of_their_own(tmp_path: Path) -> None:
    one, other = (github(tmp_path, "push", f"refs/heads/{name}") for name in ("one", "other"))
    assert one.writes != other.writes


def test_gitlab_is_known_too() -> None:
    branch = {"GITLAB_CI": "true", "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"}
    assert scope(trust=False, env=branch).writes == MAIN
    assert scope(trust=False, env={**branch, "CI_MERGE_REQUEST_IID": "3"}).writes == "pr-3."
    assert scope(trust=False, env={"GITLAB_CI": "true"}).writes.startswith("ref-")


def test_people_read_main_and_main_reads_people_only_by_their_signatures(tmp_path: Path) -> None:
    assert scope(trust=False, env={}) == Scope(PEOPLE, (PEOPLE, MAIN))
    assert PEOPLE not in github(tmp_path, "push", "refs/heads/trunk").reads
    gitlab = {"GITLAB_CI": "true", "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"}
    assert scope(trust=True, env=gitlab).reads == (MAIN, PEOPLE)


def test_every_tag_is_one_that_registries_take() -> None:
    for where in ("", PEOPLE, "pr-999999999.", "ref-01234567."):
        longest = tag(where, "validate:" + "n" * 40, KEY)
        assert len(longest) <= 128
        assert longest.startswith(f"{where}result-validate.")
        assert tag(where, "validate:" + "n" * 39 + "m", KEY) != longest
    assert tag("pr-1.", "train", KEY) == f"pr-1.result-train-{KEY}"
