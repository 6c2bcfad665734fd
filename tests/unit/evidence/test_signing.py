"""Keys, bundles, and every way in which a bundle proves nothing; read by other implementations of the formats too."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlci.errors import UsageError, WorldError
from mlci.evidence import signing
from mlci.evidence.signing import Identity, Refused, Trusted
from mlci.evidence.signing.attach import attach
from mlci.evidence.signing.bundle import MOST_BYTES, key_bundle, pae
from mlci.evidence.signing.keys import PASSPHRASE, generate, load_private, load_public, read_private
from mlci.evidence.signing.signers import Signer
from mlci.evidence.statement import statement
from mlci.store import MANIFEST, FolderStore, put_artifact, read_layers

IMAGE = "sha256:" + "1" * 64
SAID = statement("https://example.org/v1", {"good": True}, {"image": IMAGE})
KINDS = ("ed25519", "ecdsa-p256")


def bundle(file: Path, payload: bytes = SAID) -> bytes:
    key = load_private(file)
    return key_bundle(payload, key.sign(pae(payload)), key.public.hint)


def changed(raw: bytes, **envelope: Any) -> bytes:
    document = json.loads(raw)
    document["dsseEnvelope"].update(envelope)
    return json.dumps(document).encode()


def reason(raw: bytes, trusted: Trusted, digest: str = IMAGE) -> str:
    with pytest.raises(Refused) as caught:
        signing.verified(raw, digest, trusted)
    return caught.value.reason


@pytest.fixture
def key(tmp_path: Path) -> Path:
    generate(tmp_path / "ci.key")
    return tmp_path / "ci.key"


@pytest.fixture
def ci(key: Path) -> Trusted:
    return Trusted({"ci": load_public(Path(f"{key}.pub"))})


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_key_signs_is_verified_by_its_public_half(tmp_path: Path, kind: Any) -> None:
    public = generate(tmp_path / "k", kind)
    assert load_public(tmp_path / "k.pub") == public
    found = signing.verified(bundle(tmp_path / "k"), IMAGE, Trusted({"me": public}))
    assert (found.signer, found.payload, found.statement.predicate) == ("me", SAID, {"good": True})


def test_ed25519_signs_the_same_bytes_to_the_same_bundle(key: Path) -> None:
    assert bundle(key) == bundle(key)


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
def test_keys_that_openssl_makes_are_used(tmp_path: Path, curve: str) -> None:
    file = tmp_path / "k"
    make = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-out", str(file)]
    subprocess.run(make, check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", str(file), "-pubout", "-out", f"{file}.pub"], check=True)
    file.chmod(0o600)
    assert signing.verified(bundle(file), IMAGE, Trusted({"me": load_public(Path(f"{file}.pub"))})).signer == "me"


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_verifies_the_signature_and_names_the_key_alike(tmp_path: Path, kind: Any) -> None:
    public = generate(tmp_path / "k", kind)
    envelope = json.loads(bundle(tmp_path / "k"))["dsseEnvelope"]
    (tmp_path / "signed").write_bytes(pae(base64.b64decode(envelope["payload"])))
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    raw = [] if kind == "ed25519" else ["-digest", "sha256"]
    verify = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "k.pub", "-rawin", *raw]
    subprocess.run([*verify, "-in", "signed", "-sigfile", "sig"], cwd=tmp_path, check=True, capture_output=True)
    der = ["openssl", "pkey", "-pubin", "-in", "k.pub", "-outform", "der", "-out", "k.der"]
    subprocess.run(der, cwd=tmp_path, check=True)
    shown = subprocess.check_output(["openssl", "dgst", "-sha256", "k.der"], cwd=tmp_path, text=True)
    assert shown.split()[-1] == public.fingerprint.removeprefix("sha256:")


@pytest.mark.parametrize("kind", KINDS)
def test_securesystemslib_verifies_the_envelope(tmp_path: Path, kind: Any) -> None:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

    public = generate(tmp_path / "k", kind)
    envelope = json.loads(bundle(tmp_path / "k"))["dsseEnvelope"]
    names = {"ed25519": ("ed25519", "ed25519"), "ecdsa-p256": ("ecdsa", "ecdsa-sha2-nistp256")}
    raw = public.der[-32:].hex() if kind == "ed25519" else public.pem().decode()
    key = SSlibKey("k", *names[kind], {"public": raw})
    envelope["signatures"][0]["keyid"] = "k"
    assert list(Envelope.from_dict(envelope).verify([key], 1)) == ["k"]


def test_sigstores_own_models_read_the_bundle_and_verify_it(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from sigstore.dsse import Envelope, Statement, _verify
    from sigstore_models.bundle.v1 import Bundle

    public = generate(tmp_path / "k", "ecdsa-p256")
    found = Bundle.from_json(bundle(tmp_path / "k"))
    assert found.media_type == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert found.verification_material.public_key.hint == public.hint
    assert _verify(load_pem_public_key(public.pem()), Envelope(found.dsse_envelope)) == SAID
    Statement(SAID)


def test_the_bundle_is_as_cosign_writes_it(key: Path) -> None:
    document = json.loads(bundle(key))
    hint = load_private(key).public.hint
    assert document["verificationMaterial"] == {"publicKey": {"hint": hint}, "tlogEntries": []}
    assert document["dsseEnvelope"]["payloadType"] == "application/vnd.in-toto+json"
    # cosign compares a `keyid` with a fingerprint of another kind, so there is none
    assert [set(signature) for signature in document["dsseEnvelope"]["signatures"]] == [{"sig"}]


def test_a_signature_of_another_key_is_told_from_one_that_nobody_knows(tmp_path: Path, key: Path, ci: Trusted) -> None:
    other = generate(tmp_path / "other")
    assert reason(bundle(tmp_path / "other"), ci) == "unknown signer"
    document = json.loads(bundle(tmp_path / "other"))
    document["verificationMaterial"]["publicKey"]["hint"] = load_private(key).public.hint
    assert reason(json.dumps(document).encode(), ci) == "bad signature"
    document["verificationMaterial"]["publicKey"]["hint"] = ""  # a hint is only a hint
    assert signing.verified(json.dumps(document).encode(), IMAGE, Trusted({"other": other})).signer == "other"


def test_a_changed_payload_is_refused(key: Path, ci: Trusted) -> None:
    swapped = SAID.replace(b"1" * 64, b"2" * 64)
    raw = changed(bundle(key), payload=base64.b64encode(swapped).decode())
    assert reason(raw, ci) == reason(raw, ci, "sha256:" + "2" * 64) == "bad signature"


def test_a_statement_about_another_digest_is_refused(key: Path, ci: Trusted) -> None:
    assert reason(bundle(key), ci, "sha256:" + "2" * 64) == "subject"
    sha1 = SAID.replace(b'"sha256":"' + b"1" * 64, b'"sha1":"' + b"1" * 40)
    assert reason(bundle(key, sha1), ci) == "subject"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"payloadType": "application/json"}, "payload type"),
        ({"payloadType": 7}, "malformed"),
        ({"signatures": []}, "signature count"),
        ({"signatures": "twice"}, "signature count"),
        ({"signatures": None}, "malformed"),
        ({"signatures": [7]}, "malformed"),
        ({"signatures": [{"sig": ""}]}, "bad signature"),
        ({"signatures": [{"sig": "AAAA"}]}, "bad signature"),
        ({"signatures": [{"sig": "AAA"}]}, "malformed"),
        ({"signatures": [{"sig": "A-_A"}]}, "malformed"),
        ({"payload": "eyJ"}, "malformed"),
        ({"payload": "e yJ9"}, "malformed"),
        ({"payload": ["e30="]}, "malformed"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_envelopes_that_are_not_as_they_should_be(tmp_path: Path, kind: Any, change: Any, expected: str) -> None:
    trusted = Trusted({"ci": generate(tmp_path / "ci.key", kind)})
    raw = bundle(tmp_path / "ci.key")
    if change.get("signatures") == "twice":
        change = {"signatures": json.loads(raw)["dsseEnvelope"]["signatures"] * 2}
    assert reason(changed(raw, **change), trusted) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "malformed"),
        (b"null", "malformed"),
        (b"\xff\xfe{}", "malformed"),
        (b"[" * 100_000, "malformed"),
        (b'{"mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1"}', "media type"),
        (b'{"mediaType": "a", "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}', "malformed"),
        (b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": []}', "malformed"),
        (b'{"mediaType": ' + b"9" * 5000 + b"}", "malformed"),
        (b" " * (MOST_BYTES + 1), "too large"),
    ],
)
def test_what_is_no_bundle_is_refused(ci: Trusted, raw: bytes, expected: str) -> None:
    assert reason(raw, ci) == expected


def test_a_bundle_cut_anywhere_is_refused(key: Path, ci: Trusted) -> None:
    raw = bundle(key)
    assert {reason(raw[:end], ci) for end in range(0, len(raw), 7)} == {"malformed"}


@pytest.mark.parametrize("material", [{}, {"certificate": {"rawBytes": "AAAA"}}, {"publicKey": 3}])
def test_a_bundle_without_a_key_or_with_no_real_certificate_is_refused(key: Path, ci: Trusted, material: Any) -> None:
    document = json.loads(bundle(key))
    document["verificationMaterial"] = material
    assert reason(json.dumps(document).encode(), ci) == "malformed"


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b"7",
        b'{"_type": "https://in-toto.io/Statement/v0.1"}',
        SAID.replace(b'"subject":[', b'"subject":7,"of":['),
        statement("https://example.org/v1", {}, {}),
        statement("https://example.org/v1", {}, {str(i): IMAGE for i in range(1025)}),
        SAID.replace(b"1" * 64, b"1" * 63),
        SAID.replace(b'"predicate":{', b'"predicate":{},"predicate":{'),
    ],
)
def test_a_signed_payload_that_is_no_statement_is_refused(key: Path, ci: Trusted, payload: bytes) -> None:
    assert reason(bundle(key, payload), ci) == "statement"


def test_a_key_is_written_for_its_owner_alone_and_never_over_another(tmp_path: Path) -> None:
    generate(tmp_path / "k")
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="is there already"):
        generate(tmp_path / "k")
    (tmp_path / "new.pub").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"new\.pub is there already"):
        generate(tmp_path / "new")
    with pytest.raises(WorldError, match="cannot write"):
        generate(tmp_path / "no folder" / "k")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(key: Path, mode: int) -> None:
    key.chmod(mode)
    with pytest.raises(WorldError, match="can be read by others"):
        load_private(key)


def test_a_passphrase_locks_a_key(tmp_path: Path) -> None:
    generate(tmp_path / "k", env={PASSPHRASE: "open sesame"})
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in (tmp_path / "k").read_bytes()
    public = load_private(tmp_path / "k", {PASSPHRASE: "open sesame"}).public
    assert public == load_public(tmp_path / "k.pub")
    with pytest.raises(WorldError, match="has a passphrase"):
        load_private(tmp_path / "k", {})
    with pytest.raises(WorldError, match="cannot be read") as caught:
        load_private(tmp_path / "k", {PASSPHRASE: "open barley"})
    assert "barley" not in caught.value.message + caught.value.help


def test_no_error_and_no_repr_says_what_is_in_a_private_key(key: Path) -> None:
    pem, secret = key.read_bytes(), key.read_text().splitlines()[1]
    for broken in (pem[:-40], pem.replace(b"BEGIN", b"BEGINN"), b"-----BEGIN X-----\n" + secret.encode()):
        with pytest.raises(WorldError) as caught:
            read_private(broken, "it")
        assert secret[8:20] not in str(caught.value) + caught.value.help
        assert caught.value.__cause__ is None
    assert secret not in repr(load_private(key))


def test_what_is_not_a_key_of_a_used_kind_is_refused(tmp_path: Path, key: Path) -> None:
    make = ["openssl", "genpkey", "-algorithm", "RSA", "-out", str(tmp_path / "rsa")]
    subprocess.run(make, check=True, capture_output=True)
    (tmp_path / "rsa").chmod(0o600)
    with pytest.raises(WorldError, match="of a kind that is not used"):
        load_private(tmp_path / "rsa")
    with pytest.raises(WorldError, match="is a private key"):
        load_public(key)
    with pytest.raises(WorldError, match="is not a public key"):
        load_public(KEYLESS / "trusted_root.json")
    with pytest.raises(WorldError, match="holds no key"):
        read_private(b"nothing", "it")
    with pytest.raises(WorldError, match="No such file"):
        load_private(tmp_path / "none")


def image_in(store: FolderStore) -> Any:
    return put_artifact(store, "application/vnd.example", [])


def signer_of(file: Path) -> Signer:
    key = load_private(file)
    return Signer(key.public.hint, lambda raws: [key_bundle(raw, key.sign(pae(raw)), key.public.hint) for raw in raws])


@pytest.mark.parametrize("kind", KINDS)
def test_bundles_are_referrers_with_cosigns_annotations_and_are_made_once(tmp_path: Path, kind: Any) -> None:
    store = FolderStore(tmp_path / "store")
    image = image_in(store)
    said = statement("https://example.org/v1", {}, {"image": image.digest})
    public = generate(tmp_path / "k", kind)
    assert attach(store, [said, said], image, signer_of(tmp_path / "k")) == 1
    assert attach(store, [said], image, signer_of(tmp_path / "k")) == 0
    (listed,) = store.referrers(image.digest, signing.BUNDLE)
    assert listed.media_type == MANIFEST
    assert listed.annotations["dev.sigstore.bundle.content"] == "dsse-envelope"
    assert listed.annotations["dev.sigstore.bundle.predicateType"] == "https://example.org/v1"
    (layer,) = read_layers(store.get_manifest(listed.digest))
    assert layer.media_type == signing.BUNDLE
    with store.open_blob(layer.digest) as stream:
        assert signing.verified(stream.read(), image.digest, Trusted({"me": public})).payload == said
    generate(tmp_path / "second")
    assert attach(store, [said], image, signer_of(tmp_path / "second")) == 1


BEACON = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/"
    "extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
KEYLESS = Path(__file__).parent / "keyless"  # a bundle that Sigstore's staging instance made, and its trusted root
ARTIFACT = "sha256:a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf"


def keyless(**change: Any) -> bytes:
    return changed((KEYLESS / "bundle.sigstore.json").read_bytes(), **change)


def beacon(name: str = BEACON, **issuer: str) -> Trusted:
    return Trusted({"beacon": Identity(name, **issuer)}, KEYLESS / "trusted_root.json")


def test_a_published_keyless_bundle_is_verified_without_a_network() -> None:
    found = signing.verified(keyless(), ARTIFACT, beacon())
    assert (found.signer, found.statement.predicate_type) == ("beacon", "https://slsa.dev/provenance/v1")


def test_a_keyless_bundle_of_somebody_else_or_changed_is_refused(ci: Trusted) -> None:
    assert reason(keyless(), ci, ARTIFACT) == "unknown signer"
    assert reason(keyless(), beacon(BEACON.replace("main", "dev")), ARTIFACT) == "unknown signer"
    assert reason(keyless(), beacon(issuer="https://accounts.google.com"), ARTIFACT) == "bad signature"
    assert reason(keyless(), beacon()) == "subject"
    assert reason(keyless(payload=base64.b64encode(SAID).decode()), beacon()) == "bad signature"


def test_two_envelopes_in_one_keyless_bundle_are_refused() -> None:
    document = json.loads(keyless())
    right = document.pop("dsseEnvelope")
    wrong = {**right, "payload": base64.b64encode(SAID).decode()}
    for envelopes in ((right, wrong), (wrong, right)):
        both = dict(zip(("dsseEnvelope", "dsse_envelope"), envelopes, strict=True))  # protobuf's JSON knows both names
        assert reason(json.dumps({**document, **both}).encode(), beacon(), ARTIFACT) == "malformed"


def test_a_key_bundle_does_not_pass_for_an_identity(key: Path) -> None:
    assert reason(bundle(key), beacon()) == "unknown signer"


def test_a_trusted_root_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "root.json").write_text("{}")
    with pytest.raises(WorldError, match=r"root\.json cannot be read"):
        signing.verified(keyless(), ARTIFACT, Trusted({"beacon": Identity(BEACON)}, tmp_path / "root.json"))
