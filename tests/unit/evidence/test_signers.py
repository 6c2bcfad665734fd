"""What signs, and whose signatures count, as mlci.yaml says it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlci.config import Project, load
from mlci.errors import UsageError, WorldError
from mlci.evidence import signing
from mlci.evidence.signing import Identity, PublicKey, Trusted, generate
from mlci.evidence.signing.keyless import in_github, sign_keyless
from mlci.evidence.statement import statement

IMAGE = "sha256:" + "1" * 64
SAID = statement("https://example.org/v1", {}, {"image": IMAGE})
SHIP = "https://github.com/acme/flights/.github/workflows/ship.yml@refs/heads/main"
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:9/",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "s3cret-of-the-job",
}


def project(folder: Path, text: str) -> Project:
    (folder / "mlci.yaml").write_text(f"version: 1\nproject: flights\nsigning:\n{text}")
    return load(folder / "mlci.yaml")


def says(found: Project, env: dict[str, str]) -> tuple[signing.Signer | None, list[str]]:
    said: list[str] = []
    return signing.signer(found, said.append, env), said


def test_a_key_file_and_a_key_of_the_environment_sign_alike(tmp_path: Path) -> None:
    public = generate(tmp_path / "k")
    trusted = Trusted({"me": public})
    file, _ = says(project(tmp_path, "  key: k\n"), {})
    variable, _ = says(project(tmp_path, "  key: env:K\n"), {"K": (tmp_path / "k").read_text()})
    for signer in (file, variable):
        assert signer is not None
        (bundle,) = signer.sign([SAID])
        assert signing.verified(bundle, IMAGE, trusted).signer == "me"


def test_what_is_not_here_signs_nothing_and_says_so(tmp_path: Path) -> None:
    assert says(project(tmp_path, "  signers: {}\n"), {}) == (None, [])
    assert says(project(tmp_path, "  key: env:K\n"), {})[1] == ["not signed: K, which signing.key names, is not set"]
    found, said = says(project(tmp_path, "  key: keyless\n"), {"GITHUB_ACTIONS": "true"})
    assert found is None
    assert "id-token: write" in said[0]
    with pytest.raises(WorldError, match="No such file"):
        says(project(tmp_path, "  key: nowhere\n"), {})
    with pytest.raises(WorldError, match="K holds no key"):
        says(project(tmp_path, "  key: env:K\n"), {"K": "hunter2"})


def test_signers_have_names_and_are_keys_or_identities(tmp_path: Path) -> None:
    public = generate(tmp_path / "k")
    text = f"  trusted_root: root.json\n  signers:\n    ci: {{public_key: k.pub}}\n    ship: {{identity: '{SHIP}'}}\n"
    found = project(tmp_path, text)
    assert signing.trusted(found) == Trusted({"ci": public, "ship": Identity(SHIP)}, tmp_path / "root.json")
    assert signing.trusted(found, "ci").signers == {"ci": public}
    assert signing.trusted(found, SHIP).signers == {SHIP: Identity(SHIP, "https://token.actions.githubusercontent.com")}
    with pytest.raises(UsageError, match="no signer 'bob'"):
        signing.trusted(found, "bob")


def test_nobody_is_asked_for_a_token_outside_of_github(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GITHUB:
        monkeypatch.delenv(name, raising=False)
    assert not in_github({})
    assert not in_github({**GITHUB, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": ""})
    assert in_github(GITHUB)
    with pytest.raises(WorldError, match="only a GitHub job"):
        sign_keyless([SAID])


def test_a_failure_of_keyless_does_not_tell_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GITHUB.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WorldError, match="Sigstore did not sign") as caught:
        sign_keyless([SAID])  # nothing listens on port 9
    assert "s3cret" not in caught.value.message + caught.value.help


def test_extras_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GITHUB.items():
        monkeypatch.setenv(name, value)
    for missing in ("sigstore.dsse", "sigstore.errors", "securesystemslib.signer"):
        monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(WorldError, match="needs the extra `keyless`"):
        sign_keyless([SAID])
    raw = (Path(__file__).parent / "keyless" / "bundle.sigstore.json").read_bytes()
    with pytest.raises(signing.Refused, match="needs the extra `keyless`"):
        signing.verified(raw, IMAGE, Trusted({}))
    with pytest.raises(WorldError, match="needs a library") as caught:
        says(project(tmp_path, "  key: awskms:alias/mlci\n"), {})
    assert "securesystemslib[awskms]" in caught.value.help


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A local AWS."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    yield f"http://{host}:{port}"
    server.stop()


def kms_key() -> tuple[str, PublicKey]:
    import boto3
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    client = boto3.client("kms")
    key = client.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["KeyId"]
    public = load_der_public_key(client.get_public_key(KeyId=key)["PublicKey"])
    return key, signing.read_public(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "kms")


def test_a_key_of_a_kms_signs_without_leaving_it(tmp_path: Path, aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    from moto.kms.utils import ECDSAPrivateKey

    def sign(self: ECDSAPrivateKey, message: bytes, signing_algorithm: str) -> bytes:
        return self.private_key.sign(message, ec.ECDSA(utils.Prehashed(hashes.SHA256())))

    monkeypatch.setattr(ECDSAPrivateKey, "sign", sign)  # moto hashes once more what is a digest already
    key, public = kms_key()
    found, _ = says(project(tmp_path, f"  key: awskms:{key}\n"), {})
    assert found is not None
    (bundle,) = found.sign([SAID])
    assert signing.verified(bundle, IMAGE, Trusted({"kms": public})).signer == "kms"
    with pytest.raises(WorldError, match="cannot use the key awskms:nothing"):
        says(project(tmp_path, "  key: awskms:nothing\n"), {})


def test_a_service_that_signs_something_else_is_not_believed(tmp_path: Path, aws: str) -> None:
    key, _ = kms_key()  # as moto is
    found, _ = says(project(tmp_path, f"  key: awskms:{key}\n"), {})
    assert found is not None
    with pytest.raises(WorldError, match="does not accept it"):
        found.sign([SAID])
