"""Registries that want a login, for tests: a password, or the tokens of a small server; and certificates."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.registrykit import serving

USER, PASSWORD = "somebody", "a secret word"
_HTPASSWD = "somebody:$2y$04$NwCHhmf1dikiAPA2B0ZZRuMa8yHcW3yomnKtB4BSPJnwvcIOLZGPS"
IDENTITY_TOKEN = "an-identity-token"


def htpasswd(folder: Path) -> str:
    """Configuration of a registry that wants USER and PASSWORD."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "htpasswd").write_text(_HTPASSWD + "\n")
    return f"auth: {{htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}}}"


@dataclass(frozen=True)
class Certificate:
    """A certificate that signs itself, and its key, as PEM files."""

    certificate: Path
    key: Path


def certificate(folder: Path, name: str) -> Certificate:
    """Make one for a host name."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName=DNS:{name}", "-keyout", str(made.key), "-out", str(made.certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return made


@dataclass
class TokenServer:
    """Gives out the tokens of a registry (distribution "token auth"), to USER or for IDENTITY_TOKEN, for `grants`.

    Without a login it gives only `pull`. `asked` has each request's method, Authorization header and parameters.
    """

    signer: Certificate
    url: str = ""
    seconds: int = 300
    asked: list[tuple[str, str | None, dict[str, list[str]]]] = field(default_factory=list)
    oauth: bool = True

    def registry(self) -> str:
        """Configuration of a registry that wants these tokens."""
        return (
            f"auth: {{token: {{realm: '{self.url}', service: test-service, issuer: test-issuer,"
            f" rootcertbundle: {self.signer.certificate}}}}}"
        )

    def token(self, scopes: list[str], actions: set[str]) -> str:
        """A signed token (RS256, with its certificate) for so much of the scopes as is allowed."""
        now = int(time.time())
        access = []
        for scope in " ".join(scopes).split():
            kind, name, wanted = scope.split(":", 2)
            access.append({"type": kind, "name": name, "actions": [a for a in wanted.split(",") if a in actions]})
        claims = {
            "iss": "test-issuer",
            "aud": "test-service",
            "sub": USER,
            "access": access,
            "jti": secrets.token_hex(8),
        }
        times = {"iat": now, "nbf": now - 10, "exp": now + 600}
        lines = self.signer.certificate.read_text().split("-----")[2].split()
        parts = [{"alg": "RS256", "typ": "JWT", "x5c": ["".join(lines)]}, {**claims, **times}]
        text = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.signer.key)]
        signature = subprocess.run(command, input=text.encode(), check=True, capture_output=True).stdout
        return f"{text}.{_base64(signature)}"


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class _Tokens(BaseHTTPRequestHandler):
    server_for: TokenServer

    def do_GET(self) -> None:
        self.give(
            parse_qs(urlsplit(self.path).query), "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        )

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if not self.server_for.oauth:
            self.server_for.asked.append(("POST", None, form))
            self.answer(404, b"")
        elif form.get("refresh_token") == [IDENTITY_TOKEN] and form.get("grant_type") == ["refresh_token"]:
            self.give(form, None)
        else:
            self.answer(401, b"")

    def give(self, parameters: dict[str, list[str]], wanted: str | None) -> None:
        given = self.headers.get("Authorization")
        server = self.server_for
        server.asked.append((self.command, given, parameters))
        if given not in (None, wanted):
            return self.answer(401, b"")
        actions = {"pull"} if wanted and not given else {"pull", "push", "delete"}
        token = server.token(parameters.get("scope", []), actions)
        name = "access_token" if self.command == "POST" else "token"
        return self.answer(200, json.dumps({name: token, "expires_in": server.seconds}).encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def token_server(folder: Path) -> Iterator[TokenServer]:
    """A server for tokens on loopback."""
    made = TokenServer(certificate(folder, "tokens"))
    with serving(type("Tokens", (_Tokens,), {"server_for": made})) as port:
        made.url = f"http://127.0.0.1:{port}/token"
        yield made
