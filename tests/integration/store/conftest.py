"""No login of the person who runs the tests is ever used, and no proxy."""

from __future__ import annotations

from pathlib import Path

import pytest

_VARIABLES = (
    "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "GITHUB_TOKEN", "GITHUB_ACTOR", "CI_REGISTRY", "SSL_CERT_FILE",
    "MLCI_INSECURE_REGISTRIES", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where a test may put a `config.json`."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker"
