"""Who we are at a registry, and who gets to know: real registries with Basic and with token auth, and TLS."""

from __future__ import annotations

import base64
import json
import select
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import pytest

from mlci.errors import WorldError
from mlci.store import copy, sha256
from mlci.store.registry import Patience, RegistryStore, parse_reference
from mlci.store.registry.guard import follow
from mlci.store.registry.login import find_login
from tests.registrykit import Exchange, Proxy, RunningRegistry, proxy_before, running_registry, serving
from tests.tokenkit import IDENTITY_TOKEN, PASSWORD, USER, TokenServer, certificate, htpasswd, token_server
from tests.unit.store.stores import blob, image

HASTE = Patience(connect=5, silence=5, total=20, tries=2, pause=0.01)
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A registry that wants a user and a password."""
    folder = tmp_path_factory.mktemp("closed")
    with running_registry(folder, more=htpasswd(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    with token_server(tmp_path_factory.mktemp("tokens")) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tokens: TokenServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A registry that wants a token of that server."""
    with running_registry(tmp_path_factory.mktemp("guarded"), more=tokens.registry()) as running:
        yield running


@pytest.fixture
def asked(tokens: TokenServer) -> list:
    """What the token server is asked in this test."""
    tokens.asked.clear()
    tokens.seconds, tokens.oauth = 300, True
    return tokens.asked


def log_in(folder: Path, host: str, **entry: str) -> None:
    (folder / "config.json").write_text(json.dumps({"auths": {host: entry or {"auth": BASIC}}}))


def test_a_user_and_a_password_open_a_registry(closed: RunningRegistry, no_login: Path) -> None:
    log_in(no_login, closed.host)
    store = RegistryStore(closed.repository())
    made = image(store, "x", tag="v1")
    assert store.get_manifest("v1").digest == made.digest


def test_without_a_login_it_says_how_to_log_in(closed: RunningRegistry) -> None:
    with pytest.raises(WorldError, match="401") as caught:
        RegistryStore(closed.repository(), patience=HASTE).put_blob(iter([b"x"]))
    assert f"no login was found for it; log in: docker login {closed.host}" in caught.value.help


def test_a_wrong_password_is_tried_once_and_never_shown(closed: RunningRegistry, no_login: Path) -> None:
    log_in(no_login, closed.host, username=USER, password="a wrong word")
    with proxy_before(closed.host) as proxy:
        log_in(no_login, proxy.host, username=USER, password="a wrong word")
        with pytest.raises(WorldError, match="401") as caught:
            RegistryStore(proxy.repository(), patience=HASTE).has_blob(sha256(b""))
        assert len(proxy.seen) == 2
    assert "config.json was used" in caught.value.help
    assert "wrong word" not in caught.value.message + caught.value.help


def test_what_a_registry_echoes_is_masked(closed: RunningRegistry, no_login: Path) -> None:
    with proxy_before(closed.host) as proxy:
        log_in(no_login, proxy.host)
        body = json.dumps({"errors": [{"code": "X", "message": f"you sent {BASIC}, that is {PASSWORD}"}]}).encode()
        proxy.misbehave("manifests", lambda x: x.answer(403, body), skip=1)
        with pytest.raises(WorldError) as caught:
            RegistryStore(proxy.repository(), patience=HASTE).get_manifest("v1")
    assert "you sent ***, that is ***" in caught.value.message


def test_a_token_is_asked_for_once_for_what_is_done(guarded: RunningRegistry, no_login: Path, asked: list) -> None:
    log_in(no_login, guarded.host)
    store = RegistryStore(guarded.repository())
    for name in "abc":
        image(store, name, tag=name)
    assert [(method, sent) for method, sent, _ in asked] == [("GET", f"Basic {BASIC}")] * 2
    scopes = [parameters["scope"] for _, _, parameters in asked]
    assert scopes == [[f"repository:{store.repository}:pull"], [f"repository:{store.repository}:pull,push"]]
    assert asked[0][2]["service"] == ["test-service"]


def test_without_a_login_a_token_to_pull_is_enough_to_pull(
    guarded: RunningRegistry, no_login: Path, asked: list
) -> None:
    log_in(no_login, guarded.host)
    made = image(owner := RegistryStore(guarded.repository()), "x", tag="v1")
    (no_login / "config.json").unlink()
    asked.clear()
    reader = RegistryStore(owner.reference, patience=HASTE)
    assert reader.get_manifest("v1").digest == made.digest
    assert [sent for _, sent, _ in asked] == [None]
    with pytest.raises(WorldError, match="401"):
        reader.put_blob(iter([b"new"]))


def test_an_identity_token_is_exchanged(guarded: RunningRegistry, no_login: Path, asked: list) -> None:
    log_in(no_login, guarded.host, identitytoken=IDENTITY_TOKEN)
    store = RegistryStore(guarded.repository())
    assert store.has_blob(blob(store, b"x").digest)
    assert {method for method, _, _ in asked} == {"POST"}
    assert asked[0][2]["client_id"] == ["mlci"]


def test_where_tokens_cannot_be_posted_for_they_are_got(
    guarded: RunningRegistry, no_login: Path, tokens: TokenServer, asked: list
) -> None:
    tokens.oauth = False
    log_in(no_login, guarded.host, identitytoken=IDENTITY_TOKEN, auth=BASIC)
    store = RegistryStore(guarded.repository())
    blob(store, b"x")
    assert [method for method, _, _ in asked[:2]] == ["POST", "GET"]


def test_a_token_that_ends_is_renewed(guarded: RunningRegistry, no_login: Path, asked: list) -> None:
    log_in(no_login, guarded.host)
    with proxy_before(guarded.host) as proxy:
        log_in(no_login, proxy.host)
        store = RegistryStore(proxy.repository())
        made = image(store, "x", tag="v1")
        asked.clear()

        def ended(exchange: Exchange) -> None:
            exchange.headers.replace_header("Authorization", "Bearer gone")
            exchange.forward()

        proxy.misbehave("^GET .*manifests", ended, times=1)
        assert store.get_manifest("v1").digest == made.digest
    assert len(asked) == 1


def test_a_mount_asks_for_both_repositories(guarded: RunningRegistry, no_login: Path, asked: list) -> None:
    log_in(no_login, guarded.host)
    source, target = RegistryStore(guarded.repository()), RegistryStore(guarded.repository())
    digest = blob(source, b"content").digest
    asked.clear()
    assert target.mount(digest, source.repository)
    assert asked[-1][2]["scope"] == [
        f"repository:{target.repository}:pull,push",
        f"repository:{source.repository}:pull",
    ]


def test_a_copy_between_two_registries_keeps_their_logins_apart(
    closed: RunningRegistry, guarded: RunningRegistry, no_login: Path, asked: list
) -> None:
    with proxy_before(closed.host) as one, proxy_before(guarded.host) as other:
        config = {"auths": {one.host: {"auth": BASIC}, other.host: {"identitytoken": IDENTITY_TOKEN}}}
        (no_login / "config.json").write_text(json.dumps(config))
        source, target = RegistryStore(one.repository()), RegistryStore(other.repository())
        made = image(source, "x", tag="v1")
        copy(source, target, "v1", tag="v1")
        assert target.resolve("v1") == made.digest
        assert {seen.headers.get("authorization") for seen in one.seen} == {None, f"Basic {BASIC}"}
        sent = {seen.headers.get("authorization", "").partition(" ")[0] for seen in other.seen}
        assert sent == {"", "Bearer"}


def test_no_credential_follows_to_another_host(
    closed: RunningRegistry, registry: RunningRegistry, no_login: Path
) -> None:
    with proxy_before(closed.host) as proxy, proxy_before(registry.host) as elsewhere:
        log_in(no_login, proxy.host)
        store = RegistryStore(proxy.repository(), patience=HASTE)
        there = RegistryStore(elsewhere.repository())
        content = b"x" * 100_000
        digest = there.put_blob(iter([content]))[0]
        elsewhere.seen.clear()
        store.put_blob(iter([b"warm"]))  # the login is known and in use
        place = f"http://{elsewhere.host}/v2/{there.repository}"
        proxy.misbehave("^GET .*blobs", lambda x: x.answer(307, Location=f"{place}/blobs/{digest}?signed=1"))
        with store.open_blob(digest) as stream:
            assert stream.read() == content
        proxy.misbehave("^POST", lambda x: x.answer(202, Location=f"{place}/blobs/uploads/nowhere?x=1"))
        with pytest.raises(WorldError):
            store.put_blob(iter([b"something else"]))
    assert {one.method for one in elsewhere.seen} >= {"GET", "PUT"}
    assert [one.headers.get("authorization") for one in elsewhere.seen] == [None] * len(elsewhere.seen)
    assert any(seen.headers.get("authorization") for seen in proxy.seen)


def test_the_place_for_tokens_is_looked_at(registry: RunningRegistry, proxy: Proxy, no_login: Path) -> None:
    log_in(no_login, proxy.host)
    store = RegistryStore(proxy.repository(), patience=HASTE)
    challenge = 'Bearer realm="http://tokens.example.com/token",service="x"'
    proxy.misbehave("", lambda x: x.answer(401, WWW_Authenticate=challenge))
    with pytest.raises(WorldError, match="as the place for tokens, which is refused: it would be sent without TLS"):
        store.get_manifest("v1")


@pytest.mark.parametrize("body", [b"x" * (65 << 10), b"[]", b'{"token": 7}', b'{"token": "a\\r\\nb"}', b"{}"])
def test_what_is_no_token_is_an_error(proxy: Proxy, no_login: Path, body: bytes) -> None:
    proxy.misbehave("^GET /token", lambda x: x.answer(200, body))
    challenge = f'Bearer realm="http://{proxy.host}/token",service="x"'
    proxy.misbehave("", lambda x: x.answer(401, WWW_Authenticate=challenge))
    with pytest.raises(WorldError, match=r"cannot be read|gives more than the 65,536 bytes"):
        RegistryStore(proxy.repository(), patience=HASTE).get_manifest("v1")


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[RunningRegistry, Path]]:
    """A registry with TLS that calls itself registry.test, and the certificate of its authority."""
    made = certificate(tmp_path, "registry.test")
    tls = f"http: {{addr: '127.0.0.1:0', secret: x, tls: {{certificate: {made.certificate}, key: {made.key}}}}}"
    with running_registry(tmp_path / "registry", more=tls, name="registry.test") as running:
        yield running, made.certificate


def test_tls_is_checked_against_the_authorities_of_the_system(
    secure: tuple[RunningRegistry, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup = socket.getaddrinfo
    here = {"registry.test": "127.0.0.1"}
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **most: lookup(here.get(host, host), *more, **most))
    running, authority = secure
    with pytest.raises(WorldError, match=r"the connection to registry\.test:\d+ is not secure"):
        RegistryStore(running.repository(), patience=HASTE).tags()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    store = RegistryStore(running.repository(), patience=HASTE)
    image(store, "x", tag="v1")
    assert store.tags() == ["v1"]


class Tunnel(BaseHTTPRequestHandler):
    """An HTTP proxy that knows where registry.test is, and wants a login."""

    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_CONNECT(self) -> None:
        self.asked.append((self.path.partition(":")[0], self.headers.get("Proxy-Authorization")))
        with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2]))) as other:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: other, other: self.connection}
            while ready := select.select(list(ends), [], [], 10)[0]:
                for end in ready:
                    if not (chunk := end.recv(1 << 16)):
                        return
                    ends[end].sendall(chunk)

    def log_message(self, format: str, *args: object) -> None:
        return


def test_a_proxy_is_gone_through(secure: tuple[RunningRegistry, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    running, authority = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with serving(Tunnel) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{port}")
        store = RegistryStore(running.repository(), patience=HASTE)
        made = image(store, "x", tag="v1")
        assert store.resolve("v1") == made.digest
        assert set(Tunnel.asked) == {("registry.test", "Basic " + base64.b64encode(b"me:secret").decode())}
        monkeypatch.setenv("NO_PROXY", "registry.test")
        with pytest.raises(WorldError, match=r"cannot reach registry\.test"):
            RegistryStore(running.repository(), patience=HASTE).tags()


def found(reference: str) -> tuple[str, str, str] | None:
    login = find_login(parse_reference(reference))
    return (login.user, login.password, login.identity_token) if login else None


def encoded(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_the_login_of_a_repository_comes_before_that_of_its_host(no_login: Path) -> None:
    auths = {
        "ghcr.io": encoded("host", "p:w"),
        "ghcr.io/acme": encoded("owner", "b"),
        "https://index.docker.io/v1/": encoded("hub", "c"),
        "https://example.com:5000/v2/": encoded("url", "d"),
    }
    (no_login / "config.json").write_text(json.dumps({"auths": auths}))
    assert found("ghcr.io/other/x") == ("host", "p:w", "")
    assert found("ghcr.io/acme/x/y") == ("owner", "b", "")
    assert found("python") == found("docker.io/a/b") == ("hub", "c", "")
    assert found("example.com:5000/x") == ("url", "d", "")
    assert found("ghcr.io.example.com/acme/x") is None
    assert found("quay.io/acme/x") is None


def test_a_helper_is_asked_before_what_is_written(
    no_login: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin = tmp_path / "bin"
    bin.mkdir()
    for name, said in {
        "one": '{"Username": "helper", "Secret": "from one"}',
        "all": '{"Username": "<token>", "Secret": "identity"}',
    }.items():
        none = "[ \"$1 $host\" != 'get none.io' ] || { echo credentials not found in store; exit 1; }"
        (bin / f"docker-credential-{name}").write_text(f"#!/bin/sh\nread host\n{none}\necho '{said}'\n")
        (bin / f"docker-credential-{name}").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin}:/usr/bin:/bin")
    config = {
        "credHelpers": {"ghcr.io": "one", "broken.io": "missing"},
        "credsStore": "all",
        "auths": {"ghcr.io": encoded("written", "x"), "none.io": encoded("written", "x")},
    }
    (no_login / "config.json").write_text(json.dumps(config))
    assert found("ghcr.io/a/b") == ("helper", "from one", "")
    assert found("quay.io/a/b") == ("", "", "identity")
    assert found("none.io/a") == ("written", "x", "")
    with pytest.raises(WorldError, match="docker-credential-missing is not there"):
        found("broken.io/a")


def test_other_files_are_looked_at_in_their_turn(
    no_login: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    podman = tmp_path / "run" / "containers"
    podman.mkdir(parents=True)
    (podman / "auth.json").write_text(json.dumps({"auths": {"quay.io": encoded("podman", "x")}}))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    assert found("quay.io/a") == ("podman", "x", "")
    (no_login / "config.json").write_text(json.dumps({"auths": {"quay.io": encoded("docker", "x")}}))
    assert found("quay.io/a") == ("docker", "x", "")
    (tmp_path / "explicit.json").write_text(json.dumps({"auths": {"quay.io": encoded("explicit", "x")}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "explicit.json"))
    assert found("quay.io/a") == ("explicit", "x", "")


def test_the_token_of_a_ci_is_for_its_own_registry_only(no_login: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_1")
    monkeypatch.setenv("GITHUB_ACTOR", "octocat")
    monkeypatch.setenv("CI_REGISTRY", "registry.example.com")
    monkeypatch.setenv("CI_REGISTRY_USER", "gitlab-ci-token")
    monkeypatch.setenv("CI_REGISTRY_PASSWORD", "glcbt-1")
    assert found("ghcr.io/a/b") == ("octocat", "ghs_1", "")
    assert found("registry.example.com/a/b") == ("gitlab-ci-token", "glcbt-1", "")
    assert found("quay.io/a/b") is None
    (no_login / "config.json").write_text(json.dumps({"auths": {"ghcr.io": encoded("mine", "x")}}))
    assert found("ghcr.io/a/b") == ("mine", "x", "")


@pytest.mark.parametrize("content", ["[", "[]", '{"auths": []}', '{"auths": {"ghcr.io": {"auth": "%%%"}}}'])
def test_a_file_that_is_no_login_is_named(no_login: Path, content: str) -> None:
    (no_login / "config.json").write_text(content)
    if content == '{"auths": []}':
        assert found("ghcr.io/a") is None
    else:
        with pytest.raises(WorldError, match=r"config\.json"):
            found("ghcr.io/a")


def test_a_login_does_not_show_its_secret(no_login: Path) -> None:
    log_in(no_login, "ghcr.io")
    assert PASSWORD not in repr(find_login(parse_reference("ghcr.io/a/b")))


PUBLIC, INSIDE, METADATA = "93.184.216.34", "10.1.2.3", "169.254.169.254"


@pytest.mark.parametrize(
    ("registry", "target", "allowed"),
    [
        (PUBLIC, PUBLIC, True),
        (PUBLIC, INSIDE, False),
        (PUBLIC, METADATA, False),
        (PUBLIC, "127.0.0.1", False),
        (PUBLIC, "::1", False),
        (PUBLIC, "::ffff:10.0.0.1", False),
        (PUBLIC, "100.64.0.1", False),
        (INSIDE, PUBLIC, True),
        (INSIDE, INSIDE, True),
        (INSIDE, METADATA, False),
        (INSIDE, f"::ffff:{METADATA}", False),
    ],
)
def test_a_public_registry_does_not_send_us_into_the_private_network(
    registry: str, target: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"registry.test": registry, "target.test": target}
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: [(0, 0, 0, "", (names[host], 0))])
    asking = parse_reference("registry.test/a").registry
    if allowed:
        assert follow(asking, asking.base, "https://target.test/x", "x") == "https://target.test/x"
    else:
        with pytest.raises(WorldError, match="is not a public address"):
            follow(asking, asking.base, "https://target.test/x", "x")
    with pytest.raises(WorldError, match="without TLS"):
        follow(asking, asking.base, "http://target.test/x", "x")
    assert follow(asking, asking.base + "/v2/a", "../b?c=d", "x") == "https://registry.test/b?c=d"
