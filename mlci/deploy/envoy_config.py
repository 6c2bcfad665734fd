"""What Envoy is told: the bootstrap once, then a list of clusters (CDS) and a table of routes (RDS) that change live.

A cluster is one version in one role, named by both, and never changes: `r2-41022` is revision 2 on its port alone,
`r2-41022-over-r1-41007` the same as a canary that falls back on revision 1 (priority 1). Its name is new whenever
anything in it is, so its counters start at nothing and replacing a cluster, which would reset them, never happens.

A request that was never sent whole is tried again, while a canary is there on the stable version. Where the config says
that requests may be repeated, so is one that the canary fails, drops or sits on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlci.config.model import Sticky
from mlci.deploy.drivers import Address

ROUTES = "mlci"
TOTAL_WEIGHT = 10_000
REQUEST_TIMEOUT = 60.0
CERTIFICATE = "front"
TYPE = "type.googleapis.com/envoy"
USERS = "users.log"
"""The file in the proxy's folder with a line for each request of a user, while there is a `Wiring.sticky`."""


@dataclass(frozen=True)
class Endpoint:
    """Where the servers of one revision listen."""

    revision: int
    addresses: tuple[Address, ...]

    @property
    def name(self) -> str:
        return "-".join([f"r{self.revision}", *(str(port) for _, port in self.addresses)])


@dataclass(frozen=True)
class Front:
    """How the proxy faces its callers: the PEM files of its certificate and key (plain HTTP without), its log."""

    certificate: str | None = None
    key: str | None = None
    access_log: bool = False

    @property
    def scheme(self) -> str:
        return "https" if self.certificate else "http"


PLAIN = Front()


@dataclass(frozen=True)
class Wiring:
    """Who gets the traffic: stable, and a canary with its share (0 to 1).

    With `repeatable`, what the canary fails is given to stable, and so is a try that takes longer than `patience`
    seconds. With `mirror` stable has it all, and the canary gets a copy whose answers nobody waits for. With `sticky`
    the canary has that share of the users.
    """

    stable: Endpoint
    canary: Endpoint | None = None
    weight: float = 0.0
    patience: float = 1.0
    repeatable: bool = False
    mirror: bool = False
    sticky: Sticky | None = None

    @property
    def canary_name(self) -> str:
        assert self.canary is not None
        if self.mirror:
            return self.canary.name
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


def bootstrap(port: int, host: str, folder: Path, node: str, front: Front = PLAIN) -> dict[str, Any]:
    """The static part: where it listens, and the folder of the files that change. The admin port is any free one."""
    manager: dict[str, Any] = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "mlci",
        "rds": {"route_config_name": ROUTES, "config_source": _watched(folder, "rds.json")},
        "drain_timeout": "2s",
        "local_reply_config": _LOCAL_REPLY,
        "http_filters": [
            {"name": _USER, "typed_config": {"@type": _NOTING}},
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPE}.extensions.filters.http.router.v3.Router"},
            },
        ],
    }
    manager["access_log"] = [_users_log(folder.parent / USERS)]
    if front.access_log:
        manager["access_log"].append(_access_log(folder.parent / "access.log"))
    chain: dict[str, Any] = {
        "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    }
    if front.certificate:
        chain["transport_socket"] = _tls(folder)
    buckets = {"match": {"suffix": "upstream_rq_time"}, "buckets": list(latency_bounds())}
    return {
        "node": {"id": node, "cluster": "mlci"},
        "admin": {"address": _address("127.0.0.1", 0)},
        "stats_config": {"histogram_bucket_settings": [buckets]},
        "stats_flush_on_admin": True,  # or a histogram would be as old as the last flush
        "dynamic_resources": {"cds_config": _watched(folder, "cds.json")},
        "static_resources": {
            "listeners": [{"name": "main", "address": _address(host, port), "filter_chains": [chain]}]
        },
    }


def secrets(front: Front) -> list[dict[str, Any]]:
    """The resources of the file of secrets (SDS): where the certificate is, whose folder Envoy watches."""
    assert front.certificate
    certificate = {
        "certificate_chain": {"filename": front.certificate},
        "private_key": {"filename": front.key},
        "watched_directory": {"path": str(Path(front.certificate).parent)},
    }
    kind = f"{TYPE}.extensions.transport_sockets.tls.v3.Secret"
    return [{"@type": kind, "name": CERTIFICATE, "tls_certificate": certificate}]


def clusters(wiring: Wiring) -> dict[str, dict[str, Any]]:
    """The clusters of a wiring, by name."""
    stable = wiring.stable
    found = {stable.name: _cluster(stable.name, [stable])}
    if wiring.canary is not None and wiring.mirror:
        found[wiring.canary_name] = _cluster(wiring.canary_name, [wiring.canary])
    elif wiring.canary is not None:
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
    route: dict[str, Any] = {"match": {"prefix": "/"}, "route": action}
    if wiring.canary is None or wiring.mirror:
        action |= {"cluster": wiring.stable.name, "retry_policy": _RETRY_UNANSWERED}
        if wiring.canary is not None:
            action["request_mirror_policies"] = [
                {"cluster": wiring.canary_name, "disable_shadow_host_suffix_append": True}
            ]
    else:
        weight = round(wiring.weight * TOTAL_WEIGHT)
        shares = [(wiring.stable.name, TOTAL_WEIGHT - weight), (wiring.canary_name, weight)]
        action |= {
            "weighted_clusters": {"clusters": [{"name": name, "weight": share} for name, share in shares]},
            "retry_policy": _RETRY_UNANSWERED | _ON_STABLE,
        }
        if wiring.sticky is not None:
            action["weighted_clusters"]["use_hash_policy"] = True
            route |= _stay(action, wiring.sticky)
        if wiring.repeatable:
            action["retry_policy"] |= _RETRY_FAILED | {"per_try_timeout": _seconds(wiring.patience)}
    return {
        "@type": f"{TYPE}.config.route.v3.RouteConfiguration",
        "name": ROUTES,
        "virtual_hosts": [{"name": "model", "domains": ["*"], "routes": [route]}],
        "response_headers_to_add": [{"header": {"key": "x-mlci-cluster", "value": "%UPSTREAM_CLUSTER%"}}],
        "validate_clusters": True,  # or a cluster that is not there would be taken, and answer 503
    }


def _stay(action: dict[str, Any], sticky: Sticky) -> dict[str, Any]:
    """Have the user decide about the version, and the user's name noted for the log of users."""
    if sticky.header:
        by: dict[str, Any] = {"header": sticky.header}
        action["hash_policy"] = [{"header": {"header_name": sticky.header}}]
    else:
        by = {"cookie": sticky.cookie}
        action["hash_policy"] = [{"cookie": {"name": sticky.cookie}}]
    noted = {**by, "on_header_present": {"metadata_namespace": "mlci", "key": "user"}}
    return {"typed_per_filter_config": {_USER: {"@type": _NOTING, "request_rules": [noted]}}}


def document(resources: list[dict[str, Any]]) -> tuple[str, str]:
    """The file for a list of resources, and the version by which Envoy will acknowledge it: the hash of its content."""
    version = hashlib.sha256(json.dumps(resources, sort_keys=True).encode()).hexdigest()[:16]
    return json.dumps({"version_info": version, "resources": resources}), version


_USER = "mlci.user"
_NOTING = f"{TYPE}.extensions.filters.http.header_to_metadata.v3.Config"
_NOT_THE_SAME = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {"@type": f"{TYPE}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
}
_RETRY_UNANSWERED: dict[str, Any] = {
    "retry_on": "connect-failure,refused-stream,reset-before-request",
    "num_retries": 2,
    "retry_host_predicate": [_NOT_THE_SAME],
    "host_selection_retry_max_attempts": 5,
}
_RETRY_FAILED: dict[str, Any] = {"retry_on": "connect-failure,refused-stream,reset,5xx"}
_ON_STABLE: dict[str, Any] = {
    "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.05s"},
    "retry_host_predicate": [_NOT_THE_SAME],
    "host_selection_retry_max_attempts": 5,
    "retry_priority": {
        "name": "envoy.retry_priorities.previous_priorities",
        "typed_config": {
            "@type": f"{TYPE}.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            "update_frequency": 1,
        },
    },
}


_LOCAL_REPLY: dict[str, Any] = {
    "mappers": [
        {
            "filter": {
                "status_code_filter": {
                    "comparison": {"op": "GE", "value": {"default_value": 500, "runtime_key": "mlci.own_answers"}}
                }
            },
            "body": {"inline_string": "no version of the model can answer now"},
            "headers_to_add": [{"header": {"key": "retry-after", "value": "1"}}],
        }
    ],
    "body_format": {"json_format": {"error": "%LOCAL_REPLY_BODY%", "why": "%RESPONSE_CODE_DETAILS%"}},
}


def _users_log(path: Path) -> dict[str, Any]:
    """One line for each request whose user was noted: when, the status, the tries, who was asked last, the user."""
    asked = "%START_TIME(%s.%3f)% %RESPONSE_CODE% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_CLUSTER% %UPSTREAM_HOST%"
    line = f"{asked} %DYNAMIC_METADATA(mlci:user):128%\n"
    noted = {"filter": "mlci", "path": [{"key": "user"}], "value": {"present_match": True}}
    kind = f"{TYPE}.extensions.access_loggers.file.v3.FileAccessLog"
    return {
        "name": "envoy.access_loggers.file",
        "filter": {"metadata_filter": {"matcher": noted, "match_if_key_not_found": False}},
        "typed_config": {
            "@type": kind,
            "path": str(path),
            "log_format": {"text_format_source": {"inline_string": line}},
        },
    }


def _access_log(path: Path) -> dict[str, Any]:
    """One line of JSON for each request; a query could carry what a log must not have."""
    line = {
        "time": "%START_TIME%",
        "method": "%REQ(:METHOD)%",
        "path": "%PATH(NQ)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "received": "%BYTES_RECEIVED%",
        "sent": "%BYTES_SENT%",
        "ms": "%DURATION%",
        "tries": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "cluster": "%UPSTREAM_CLUSTER%",
        "host": "%UPSTREAM_HOST%",
        "request": "%REQ(X-REQUEST-ID)%",
    }
    kind = f"{TYPE}.extensions.access_loggers.file.v3.FileAccessLog"
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {"@type": kind, "path": str(path), "log_format": {"json_format": line}},
    }


def _tls(folder: Path) -> dict[str, Any]:
    context = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [{"name": CERTIFICATE, "sds_config": _watched(folder, "sds.json")}],
    }
    kind = f"{TYPE}.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": kind, "common_tls_context": context},
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
                {"priority": priority, "lb_endpoints": [{"endpoint": {"address": _address(*at)}} for at in e.addresses]}
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
