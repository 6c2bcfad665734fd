"""What Envoy is told."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mlci.config.model import Sticky
from mlci.deploy import envoy_config as config
from mlci.deploy.envoy_config import Endpoint, Wiring

STABLE, CANARY = Endpoint(1, (("127.0.0.1", 8001),)), Endpoint(2, (("127.0.0.1", 8002),))
addresses = st.tuples(st.just("127.0.0.1"), st.integers(1024, 1030))
endpoints = st.builds(Endpoint, st.integers(1, 9), st.lists(addresses, min_size=1, max_size=3).map(tuple))
users = st.sampled_from([None, Sticky(header="x-user"), Sticky(cookie="session")])
shares = st.floats(0, 1)
wirings = st.builds(
    Wiring, endpoints, st.none() | endpoints, shares, st.floats(1, 5), st.booleans(), st.booleans(), users
)


def route(wiring: Wiring) -> dict:
    return config.routes(wiring)["virtual_hosts"][0]["routes"][0]["route"]


@given(wirings, wirings)
def test_a_cluster_of_the_same_name_is_the_same_cluster(one, other) -> None:
    first, second = config.clusters(one), config.clusters(other)
    for name in first.keys() & second.keys():
        assert first[name] == second[name]


@given(wirings)
def test_weights_add_up_and_name_clusters_that_are_there(wiring) -> None:
    action = route(wiring)
    shares = action.get("weighted_clusters", {"clusters": [{"name": action.get("cluster"), "weight": 10_000}]})[
        "clusters"
    ]
    assert sum(share["weight"] for share in shares) == config.TOTAL_WEIGHT
    assert {share["name"] for share in shares} <= config.clusters(wiring).keys()


def test_a_shadow_has_no_share_and_no_fallback_and_gets_a_copy_of_everything() -> None:
    action = route(Wiring(STABLE, CANARY, mirror=True, repeatable=True))
    assert action["cluster"] == "r1-8001"
    (copy,) = action["request_mirror_policies"]
    assert copy["cluster"] == "r2-8002"
    assert "runtime_fraction" not in copy
    assert "weighted_clusters" not in action


def test_users_are_dealt_by_what_they_are_known_by_and_only_that_is_noted() -> None:
    for sticky, by in ((Sticky(header="x-user"), "header"), (Sticky(cookie="session"), "cookie")):
        wiring = Wiring(STABLE, CANARY, 0.5, sticky=sticky)
        assert route(wiring)["weighted_clusters"]["use_hash_policy"]
        (policy,) = route(wiring)["hash_policy"]
        assert by in policy
        (one,) = config.routes(wiring)["virtual_hosts"][0]["routes"]
        (rule,) = one["typed_per_filter_config"]["mlci.user"]["request_rules"]
        assert by in rule
    assert "typed_per_filter_config" not in config.routes(Wiring(STABLE, CANARY, 0.5))["virtual_hosts"][0]["routes"][0]


def test_a_canary_falls_back_on_stable_and_stable_on_nobody() -> None:
    found = config.clusters(Wiring(STABLE, CANARY, 0.05))
    ports = {
        name: [e["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"] for e in endpoints]
        for name, cluster in found.items()
        if (endpoints := cluster["load_assignment"]["endpoints"])
    }
    assert ports == {"r1-8001": [8001], "r2-8002-over-r1-8001": [8002, 8001]}


def test_only_what_no_version_has_seen_is_tried_again_unless_requests_are_repeatable() -> None:
    for wiring in (Wiring(STABLE), Wiring(STABLE, repeatable=True), Wiring(STABLE, CANARY, 0.05)):
        retries = route(wiring)["retry_policy"]
        assert retries["retry_on"] == "connect-failure,refused-stream,reset-before-request"
        assert "per_try_timeout" not in retries
    retries = route(Wiring(STABLE, CANARY, 0.05, patience=1.5, repeatable=True))["retry_policy"]
    assert "5xx" in retries["retry_on"]
    assert retries["per_try_timeout"] == "1.500s"


def test_a_document_is_json_whose_version_follows_its_content() -> None:
    text, version = config.document([config.routes(Wiring(STABLE))])
    assert json.loads(text)["version_info"] == version
    assert config.document([config.routes(Wiring(STABLE))])[1] == version
    assert config.document([config.routes(Wiring(CANARY))])[1] != version


def test_latency_buckets_rise_by_no_more_than_a_seventh_and_reach_the_longest_request() -> None:
    bounds = config.latency_bounds()
    assert all(a < b for a, b in pairwise(bounds))
    assert all(b / a < 1.15 for a, b in pairwise(bounds) if a >= 10)
    assert bounds[-1] >= 1000 * config.REQUEST_TIMEOUT


def test_everything_listens_on_loopback(tmp_path: Path) -> None:
    made = config.bootstrap(8080, "127.0.0.1", tmp_path, "test")
    addresses = [made["admin"]["address"], made["static_resources"]["listeners"][0]["address"]]
    assert {address["socket_address"]["address"] for address in addresses} == {"127.0.0.1"}
