"""A line that signs: what it attaches, who may read it, and what `mlci verify` says of it."""

from __future__ import annotations

import json

from mlci.store import FolderStore
from tests.conftest import TinyProject

ENVIRONMENTS = "\nenvironments: {staging: {requires: [validate, gate]}, production: {requires: [staging]}}\n"
SIGNING = "\nsigning:\n  key: env:CI_KEY\n  signers: {ci: {public_key: keys/ci.pub}}\n"


def prepare(tiny: TinyProject) -> str:
    """With environments that are tags alone, signed by a key of the environment; the private key."""
    (tiny.root / "keys").mkdir()
    made = tiny.mlci("key", "new", "keys/ci", "--type", "ecdsa-p256")
    assert made.code == 0
    private = tiny.root / "keys" / "ci"
    pem = private.read_text()
    assert "PRIVATE" not in made.out + made.err
    private.unlink()
    text = (tiny.root / "mlci.yaml").read_text()
    (tiny.root / "mlci.yaml").write_text(
        text.partition("\nenvironments:")[0].replace("  champion: production\n", "") + ENVIRONMENTS + SIGNING
    )
    return pem


def test_a_run_with_a_key_leaves_signed_evidence_and_nothing_of_the_key(tiny: TinyProject) -> None:
    pem = prepare(tiny)
    unsigned = tiny.mlci("run", "--json")
    assert unsigned.code == 0
    assert tiny.mlci("verify").code == 1  # the signers are known, and none of them signed
    assert tiny.mlci("run", CI_KEY=pem).code == 0
    signed = tiny.mlci("verify", "--json")
    assert signed.code == 0
    said = {piece["name"]: piece for piece in signed.json["evidence"]}
    assert {"validate:train", "train", "gate", "build", "https://cyclonedx.org/bom"} < set(said)
    assert {piece["state"] for piece in said.values()} == {"signed"}
    before = referrers(tiny)
    assert tiny.mlci("run", CI_KEY=pem).code == 0
    assert referrers(tiny) == before
    for command in (("promote", "staging"), ("promote", "production"), ("promote", "staging")):
        assert tiny.mlci(*command, CI_KEY=pem).code == 0
    promoted = tiny.mlci("verify", "production", "--signer", "ci", "--json")
    assert promoted.code == 0
    assert {"promote:staging", "promote:production"} < {piece["name"] for piece in promoted.json["evidence"]}
    secret = pem.splitlines()[1].encode()
    files = [file for file in tiny.root.rglob("*") if file.is_file()]
    assert not [file for file in files if secret in file.read_bytes()]


def test_verify_says_what_does_not_hold(tiny: TinyProject) -> None:
    pem = prepare(tiny)
    assert tiny.mlci("run", CI_KEY=pem).code == 0
    assert tiny.mlci("key", "new", "other").code == 0
    stranger = tiny.mlci("verify", "latest", "--key", "other.pub")
    assert stranger.code == 1
    assert "0 of 7 are signed by other.pub" in stranger.out
    listed = next(d for d in referrers(tiny) if d.artifact_type == "application/vnd.cyclonedx+json")
    store = FolderStore(tiny.root / ".mlci" / "store")
    blob = json.loads(store.get_manifest(listed.digest).raw)["layers"][0]["digest"]
    file = tiny.root / ".mlci" / "store" / "blobs" / "sha256" / blob[7:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes().replace(b"CycloneDX", b"CycloneDY"))
    broken = tiny.mlci("verify")
    assert broken.code == 1
    assert "1 of 14 do not hold" in broken.out
    assert tiny.mlci("verify", "nothing").code == 2
    assert tiny.mlci("verify", "--signer", "nobody").code == 2
    assert tiny.mlci("verify", "--key", "other").code == 3  # a private key is not shown to anybody


def test_a_key_that_cannot_be_used_stops_the_build_before_anything_is_signed(tiny: TinyProject) -> None:
    prepare(tiny)
    assert tiny.mlci("key", "new", "mine").code == 0
    (tiny.root / "mine").chmod(0o644)
    failed = tiny.mlci("run", "--set", "signing.key=mine")
    assert failed.code == 3
    assert "can be read by others" in failed.err
    (tiny.root / "mine").chmod(0o600)
    carried = tiny.mlci("run", "--set", "signing.key=mine", "--set", "image.copy=[m*]")
    assert carried.code == 2
    assert "the private key would go into the image" in carried.err
    assert tiny.mlci("run", "--set", "signing.key=keyless").code == 0  # not in GitHub: not signed
    assert not [d for d in referrers(tiny) if "sigstore" in (d.artifact_type or "")]


def referrers(tiny: TinyProject) -> list:
    store = FolderStore(tiny.root / ".mlci" / "store")
    return store.referrers(store.resolve("latest"))
