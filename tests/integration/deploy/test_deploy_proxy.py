"""The proxy before the versions: HTTPS, its own answers, its log, and changes that it does not take."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from mlci.config.model import Tls
from mlci.deploy import envoy, state
from mlci.deploy.envoy_config import Wiring
from mlci.deploy.site import wiring
from mlci.errors import WorldError
from tests.integration.deploy.deploykit import Site, answer, at_once, canary, replay_rate


def certificate(folder: Path, name: str) -> Tls:
    """A certificate that says its name."""
    folder.mkdir(exist_ok=True)
    made = Tls(certificate=str(folder / "cert.pem"), key=str(folder / "key.pem"))
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"]
    argv += ["-subj", f"/CN={name}", "-keyout", f"{made.key}.new", "-out", f"{made.certificate}.new"]
    subprocess.run(argv, check=True, capture_output=True)
    for path in (made.key, made.certificate):
        Path(f"{path}.new").replace(path)
    return made


def shown(site: Site) -> str:
    port = int(site.status().endpoint.rpartition(":")[2])
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=10)


def test_with_a_certificate_the_proxy_answers_https_and_reads_it_again_when_it_changes(
    site: Site, tmp_path: Path
) -> None:
    plain = site.deploy("one").endpoint or ""
    tls = certificate(tmp_path / "tls", "one")
    assert site.deploy("one", at_once(tls=tls)).endpoint == plain.replace("http:", "https:")
    assert site.status().healthy
    assert answer(site) == "one"
    outcome = site.deploy("two", replace(canary(), tls=tls))
    assert outcome.outcome == "deployed"
    assert (outcome.traffic.errors, outcome.traffic.lost) == (0, 0)
    before, pid = shown(site), site.status().pids["proxy"]
    certificate(tmp_path / "tls", "renewed")
    deadline = time.monotonic() + 10
    while shown(site) == before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert shown(site) != before
    assert site.status().pids["proxy"] == pid


def test_a_certificate_that_cannot_be_used_leaves_the_proxy_as_it_is(site: Site, tmp_path: Path) -> None:
    site.deploy("one")
    tls = certificate(tmp_path / "tls", "one")
    Path(tls.key).write_text("no key")
    with pytest.raises(WorldError, match=r"cannot use the certificate .*cert\.pem"):
        site.deploy("two", at_once(tls=tls))
    assert answer(site) == "one"
    assert site.status().endpoint.startswith("http:")
    assert site.deploy("two").outcome == "deployed"


def test_when_all_versions_are_down_the_proxy_says_so_in_json(site: Site) -> None:
    site.deploy("one", at_once(restart=False))
    os.kill(site.status().pids["stable"] or 0, signal.SIGKILL)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{site.status().endpoint}/predict", data=b"{}", timeout=10)
    with caught.value as error:
        assert (error.code, error.headers["retry-after"]) == (503, "1")
        assert json.loads(error.read())["error"] == "no version of the model can answer now"


def test_the_access_log_has_a_line_of_json_for_each_request_without_its_query(site: Site) -> None:
    site.deploy("one", at_once(access_log=True))
    urllib.request.urlopen(f"{site.status().endpoint}/predict?secret=1", data=b"{}", timeout=10).close()
    log, deadline = site.folder / "proxy" / "access.log", time.monotonic() + 10
    while "POST" not in (log.read_text() if log.exists() else "") and time.monotonic() < deadline:
        time.sleep(0.02)
    (line,) = (found for found in map(json.loads, log.read_text().splitlines()) if found["method"] == "POST")
    assert (line["path"], line["status"], line["tries"]) == ("/predict", 200, 1)
    assert line["cluster"].startswith("r1-")


def test_a_change_that_envoy_refuses_is_an_error_at_once_and_the_traffic_stays(site: Site) -> None:
    site.deploy("one")
    now = state.load(site.folder)
    assert now is not None
    old = envoy.config.routes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(envoy.config, "routes", lambda w: old(w) | {"response_headers_to_add": [{"header": {"key": ""}}]})
        with pytest.raises(WorldError, match=r"Envoy refuses the change of http\.mlci\.rds\.mlci"):
            envoy.apply(site.folder / "proxy", wiring(now))
    assert answer(site) == "one"
    envoy.apply(site.folder / "proxy", Wiring(wiring(now).stable))
    assert answer(site) == "one"


@pytest.mark.parametrize("repeatable", [True, False])
def test_failed_requests_are_only_sent_again_where_they_may_be(site: Site, repeatable: bool) -> None:
    site.deploy("one")
    outcome = site.deploy("bad", replace(canary(), repeatable=repeatable), BAD=1)
    assert outcome.outcome == "rolled-back"
    assert (outcome.traffic.errors == 0) == repeatable
    assert outcome.traffic.lost == 0


def test_a_canary_that_hangs_is_noticed_where_requests_are_not_repeatable(site: Site) -> None:
    site.deploy("one")
    config = replay_rate(replace(canary(), repeatable=False), 20)
    outcome = site.deploy("two", config, HANG=1)
    assert outcome.outcome == "rolled-back"
    assert "does not answer" in outcome.reason


def test_a_request_under_way_is_answered_before_the_proxy_ends(site: Site) -> None:
    site.deploy("slow", SLOW=1)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(answer, site)
        while sum(seen.active for seen in (envoy.read_hosts(site.folder / "proxy") or {}).values()) == 0:
            time.sleep(0.01)
        envoy.stop(site.folder / "proxy")
        assert asked.result() == "slow"
