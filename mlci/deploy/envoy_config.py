"""What Envoy is told: the bootstrap once, then a list of clusters (CDS) and a table of routes (RDS) that change live.

A cluster is one version in one role, named by both, and never changes: `r2-41022` is revision 2 on its port alone,
`r2-41022-over-r1-41007` the same as a canary that falls back on revision 1 (priority 1). Its name is new whenever
anything in it is, so its counters start at nothing and replacing a cluster, which would reset them, never happens.

While a canary is there, a request that it fails, drops or sits on is sent again to the stable version: mlci takes a
prediction to be safe to repeat. With one version alone, only what was never answered is tried again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROUTES = "mlci"
TOTAL_WEIGHT = 10_000
REQUEST_TIMEOUT = 60.0
TYPE = "type.googleapis.com/envoy"


@dataclass(frozen=True)
class Endpoint:
    """Where one revision listens."""

    revision: int
    host: str
    port: int

    @property
    def name(self) -> str:
        return f"r{self.revision}-{self.port}"


@dataclass(frozen=True)
class Wiring:
    """Who gets the traffic: stable, and a canary with its share (0 to 1).

    A try of the canary's that takes longer than `patience` seconds is given to stable.
    """

    stable: Endpoint
    canary: Endpoint | None = None
    weight: float = 0.0
    patience: float = 1.0

    @property
    def canary_name(self) -> str:
        assert self.canary is not None
        return f"{self.canary.name}-over-{self.stable.name}"


def latency_bounds() -> tuple[float, ...]:
    """Upper bounds of the latency buckets in milliseconds: steps of 10 % on two digits, as Envoy keeps them."""
    bounds = [0.5, *(n + 0.5 for n in range(1, 10))]
    value = 10
    while bounds[-1] < 1000 * REQUEST_TIMEOUT:
        bounds.append(float(value))
        digit = 10 ** max(0, len(str(value)) - 2)
        value = max(value + digit, round(value * 1.1 / digit) * digit)
    return tuple(bounds)


def bootstrap(port: int, host: str, folder: Path, node: str) -> dict[str, Any]:
    """The static part: where it listens, and the folder of the files that change. The admin port is any free one."""
    manager = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "mlci",
        "rds": {"route_config_name": ROUTES, "config_source": _watched(folder, "rds.json")},
        "drain_timeout": "2s",
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPE}.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    buckets = {"match": {"suffix": "upstream_rq_time"}, "buckets": list(latency_bounds())}
    return {
        "node": {"id": node, "cluster": "mlci"},
        "admin": {"address": _address("127.0.0.1", 0)},
        "stats_config": {"histogram_bucket_settings": [buckets]},
        "stats_flush_on_admin": True,  # or a histogram would be as old as the last flush
        "dynamic_resources": {"cds_config": _watched(folder, "cds.json")},
        "static_resources": {
            "listeners": [
                {
                    "name": "main",
                    "address": _address(host, port),
                    "filter_chains": [{"filters": filters}],
                }
            ]
        },
    }


def clusters(wiring: Wiring) -> dict[str, dict[str, Any]]:
    """The clusters of a wiring, by name."""
    stable = wiring.stable
    found = {stable.name: _cluster(stable.name, [stable])}
    if wiring.canary is not None:
        # No outlier detection on stable alone: with nothing to fall back on, an ejection only turns slow into 503.
        found[wiring.canary_name] = _cluster(wiring.canary_name, [wiring.canary, stable]) | {
            "outlier_detection": {
                "consecutive_5xx": 5,
                "consecutive_gateway_failure": 3,
                "enforcing_consecutive_gateway_failure": 100,
                "interval": "1s",
                "base_ejection_time": "5s",
                "max_ejection_percent": 100,
                "split_external_local_origin_errors": True,
                "consecutive_local_origin_failure": 3,
            }
        }
    return found


def routes(wiring: Wiring) -> dict[str, Any]:
    """The route table of a wiring."""
    action: dict[str, Any] = {"timeout": _seconds(REQUEST_TIMEOUT)}
    if wiring.canary is None:
        action |= {"cluster": wiring.stable.name, "retry_policy": _RETRY_UNANSWERED}
    else:
        weight = round(wiring.weight * TOTAL_WEIGHT)
        shares = [(wiring.stable.name, TOTAL_WEIGHT - weight), (wiring.canary_name, weight)]
        action |= {
            "weighted_clusters": {"clusters": [{"name": name, "weight": share} for name, share in shares]},
            "retry_policy": _RETRY_ON_STABLE | {"per_try_timeout": _seconds(wiring.patience)},
        }
    return {
        "@type": f"{TYPE}.config.route.v3.RouteConfiguration",
        "name": ROUTES,
        "virtual_hosts": [{"name": "model", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": action}]}],
        "response_headers_to_add": [{"header": {"key": "x-mlci-cluster", "value": "%UPSTREAM_CLUSTER%"}}],
        "validate_clusters": True,  # or a cluster that is not there would be taken, and answer 503
    }


def document(resources: list[dict[str, Any]]) -> tuple[str, str]:
    """The file for a list of resources, and the version by which Envoy will acknowledge it: the hash of its content."""
    version = hashlib.sha256(json.dumps(resources, sort_keys=True).encode()).hexdigest()[:16]
    return json.dumps({"version_info": version, "resources": resources}), version


_RETRY_UNANSWERED: dict[str, Any] = {
    "retry_on": "connect-failure,refused-stream,reset-before-request",
    "num_retries": 2,
}
_RETRY_ON_STABLE: dict[str, Any] = {
    "retry_on": "connect-failure,refused-stream,reset,5xx",
    "num_retries": 2,
    "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.05s"},
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": f"{TYPE}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ],
    "host_selection_retry_max_attempts": 5,
    "retry_priority": {
        "name": "envoy.retry_priorities.previous_priorities",
        "typed_config": {
            "@type": f"{TYPE}.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            "update_frequency": 1,
        },
    },
}


def _cluster(name: str, endpoints: list[Endpoint]) -> dict[str, Any]:
    limits = {"max_connections": 4096, "max_pending_requests": 4096, "max_requests": 4096, "max_retries": 1024}
    return {
        "@type": f"{TYPE}.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {"priority": priority, "lb_endpoints": [{"endpoint": {"address": _address(e.host, e.port)}}]}
                for priority, e in enumerate(endpoints)
            ],
        },
        "circuit_breakers": {"thresholds": [limits]},
    }


def _watched(folder: Path, name: str) -> dict[str, Any]:
    source = {"path": str(folder / name), "watched_directory": {"path": str(folder)}}
    return {"path_config_source": source, "resource_api_version": "V3"}


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _seconds(value: float) -> str:
    return f"{value:.3f}s"
