"""The plan of a promotion: a pure function of what was found."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mlci.errors import UsageError
from mlci.evidence.policy import Reason
from mlci.steps import planned
from mlci.steps.planned import Parcel, Request, World
from mlci.store import LAYER_TAR, MANIFEST, Descriptor, sha256


def of(name: str, kind: str = MANIFEST) -> Descriptor:
    return Descriptor(kind, sha256(name.encode()), len(name))


ROOT, SIGNATURE, LAYER, THERE = of("root"), of("signature"), of("a layer", LAYER_TAR), of("there", LAYER_TAR)
PARCEL = Parcel("a/images", (ROOT, SIGNATURE), (LAYER, THERE), there=frozenset({THERE.digest}))
WORLD = World(
    environment="production",
    root=ROOT,
    target="b/production",
    path="/v2/production",
    previous=None,
    number=3,
    tags=("production-000003", "production"),
    reasons=(Reason("gate", True, "passed"),),
    evidence=(SIGNATURE.digest,),
    parcels=(PARCEL,),
)


def test_the_requests_are_blobs_then_manifests_then_the_log_and_the_tags() -> None:
    plan = planned.plan(WORLD)
    assert plan.requests == (
        Request("PUT", f"/v2/production/blobs/{LAYER.digest}", 7),
        Request("PUT", f"/v2/production/manifests/{ROOT.digest}", 4),
        Request("PUT", f"/v2/production/manifests/{SIGNATURE.digest}", 9),
        Request("PUT", "/v2/production/manifests/production.log"),
        Request("PUT", "/v2/production/manifests/production-000003", 4),
        Request("PUT", "/v2/production/manifests/production", 4),
    )
    assert (plan.moved, plan.manifests, plan.places) == (7, (ROOT.digest, SIGNATURE.digest), ("a/images",))


def test_what_is_mounted_moves_no_byte() -> None:
    plan = planned.plan(replace(WORLD, parcels=(replace(PARCEL, repository="images"),)))
    assert plan.moved == 0
    assert [one.path.partition("?")[0] for one in plan.requests[:2]] == ["/v2/production/blobs/uploads/"] * 2


def test_what_two_places_have_is_asked_for_once() -> None:
    twice = planned.plan(replace(WORLD, parcels=(PARCEL, replace(PARCEL, place="a/other"))))
    assert twice.requests == planned.plan(WORLD).requests


@pytest.mark.parametrize(
    "world",
    [replace(WORLD, reasons=(Reason("gate", False, "no receipt"),)), replace(WORLD, previous=ROOT.digest)],
    ids=["denied", "already there"],
)
def test_there_is_nothing_to_do_where_it_may_not_be_or_is_already(world: World) -> None:
    assert planned.plan(world).requests == ()
    assert planned.plan(world).moved == 0


def test_a_plan_is_the_same_after_its_file() -> None:
    plan = planned.plan(WORLD)
    assert planned.read(json.dumps(plan.to_json()).encode()) == plan


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"previous": SIGNATURE.digest}, "what it replaces was nothing"),
        ({"number": 4}, "the number was 3 and is 4"),
        ({"target": "c/production"}, "where it is promoted to"),
        ({"root": of("another"), "parcels": ()}, "the digest was"),
        ({"evidence": (), "parcels": (replace(PARCEL, manifests=(ROOT,)),)}, f"{SIGNATURE.digest} is not there"),
    ],
)
def test_another_world_is_said(change: dict, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        planned.hold(planned.plan(WORLD), planned.plan(replace(WORLD, **change)))
    assert words in refused.value.message


def test_what_was_attached_since_is_no_other_world() -> None:
    more = replace(WORLD, evidence=(SIGNATURE.digest, of("later").digest))
    planned.hold(planned.plan(WORLD), planned.plan(more))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"digest": 3},
        {"number": "3"},
        {"manifests": "abc"},
        {"evidence": [1]},
        {"requests": [{"method": "PUT"}]},
        {"reasons": [{"rule": "x"}]},
        {"more": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_no_plan_is_refused(change: dict) -> None:
    raw = json.dumps({**planned.plan(WORLD).to_json(), **change}).encode()
    with pytest.raises(UsageError, match="no plan of a promotion"):
        planned.read(raw)
    for other in (b"", b"[]", b"[" * 100_000, b"\xff", b"{}"):
        with pytest.raises(UsageError, match="no plan of a promotion"):
            planned.read(other)
