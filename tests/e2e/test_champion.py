"""Which model the gate compares with, and that a champion that cannot be had is never a pass."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from textwrap import indent

import pytest

from mlci.store import FolderStore, read_layers
from tests.conftest import Done, TinyProject

pytestmark = pytest.mark.e2e

CUT = "  staging:\n"
PLACES = "  staging:\n    requires: [validate, gate]\n  production:\n    requires: [validate, gate, staging]\n"


def only_tags(project: TinyProject) -> TinyProject:
    """The small project with environments that are tags only."""
    text = (project.root / "mlci.yaml").read_text()
    (project.root / "mlci.yaml").write_text(text.partition(CUT)[0] + PLACES)
    return project


@pytest.fixture
def quick(tiny: TinyProject) -> TinyProject:
    return only_tags(tiny)


@pytest.fixture(scope="module")
def shipped_once(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a model of 20 bins in production, made once."""
    root = tmp_path_factory.mktemp("shipped") / "tiny"
    shutil.copytree(tiny_source, root)
    ship(only_tags(TinyProject(root)), 20)
    return root


@pytest.fixture
def shipped(shipped_once: Path, tmp_path: Path) -> TinyProject:
    """A copy of that."""
    shutil.copytree(shipped_once, tmp_path / "shipped")
    return TinyProject(tmp_path / "shipped")


def bins(count: int) -> tuple[str, str]:
    return "--set", f"train.params.bins={count}"


def ship(quick: TinyProject, count: int, *more: str) -> str:
    """Take a model to production and return its image's digest."""
    done = quick.mlci("run", "--to", "production", "--json", *bins(count), *more)
    assert done.code == 0, done.err
    return done.json["steps"][-1]["receipt"]["predicate"]["facts"]["digest"]


def gate(quick: TinyProject, *arguments: str) -> Done:
    return quick.mlci("gate", "--json", *arguments)


def facts(done: Done) -> dict:
    return judged(done)["receipt"]["predicate"]["facts"]


def judged(done: Done) -> dict:
    return next(step for step in done.json["steps"] if step["name"] == "gate")


def store(quick: TinyProject) -> FolderStore:
    return FolderStore(quick.root / ".mlci" / "store")


def spoil(quick: TinyProject, digest: str) -> None:
    """Turn the bytes of a blob, its size kept."""
    blob = quick.root / ".mlci" / "store" / "blobs" / "sha256" / digest.removeprefix("sha256:")
    blob.chmod(0o644)
    blob.write_bytes(bytes(255 - byte for byte in blob.read_bytes()))


def test_the_first_model_has_no_champion_and_that_is_said_everywhere(quick: TinyProject) -> None:
    done = quick.mlci("run")
    assert done.code == 0, done.err
    assert "champion: none, nothing serves in production yet" in done.err
    predicate = gate(quick).json["steps"][-1]["receipt"]["predicate"]
    assert predicate["facts"]["champion"] is None
    assert predicate["facts"]["champion_is"] == "nothing serves in production yet"
    assert predicate["facts"]["holdout"]["models"] == 1
    said = {"level": "note", "title": "only min and max decide: nothing serves in production yet", "detail": ""}
    assert said in predicate["findings"]
    assert "nothing serves in production yet" in quick.mlci("report").out
    assert "nothing serves in production yet" in quick.mlci("report", "--format", "md").out


def test_the_champion_is_an_environment_a_tag_a_run_a_digest_or_its_beginning(quick: TinyProject) -> None:
    first, second = ship(quick, 20), ship(quick, 30)
    for reference, digest in {
        "production": second,
        "production-000001": first,
        "run-000001": first,
        "latest": second,
        first: first,
        first[:15]: first,
    }.items():
        done = gate(quick, "--champion", reference, *bins(25))
        assert done.code in (0, 1), done.err
        assert facts(done)["champion"] == digest
    assert judged(done)["reused"]  # the digest decides, however it was named
    assert facts(gate(quick, *bins(25)))["champion"] == second


def test_names_of_nothing_are_2_and_what_cannot_be_had_is_3(quick: TinyProject) -> None:
    ship(quick, 20, "--set", "gate.champion=null")
    for reference in ("staging2", "run-000099", "B.parquet", "sha256:" + "0" * 12):
        done = gate(quick, "--champion", reference, *bins(25))
        assert (done.code, judged(done)["status"]) == (2, "error"), done.err
        assert reference in done.err
    assert gate(quick, "--champion", "production", *bins(20)).code == 2  # its own image
    assert "the challenger's own image" in gate(quick, "--champion", "latest", *bins(20)).err
    for reference, wrong in (("sha256:" + "0" * 64, "cannot be had"), ("last-train", "it is not an image")):
        done = gate(quick, "--champion", reference, *bins(25))
        assert (done.code, judged(done)["status"]) == (3, "error"), done.err
        assert wrong in done.err


def test_a_comparison_on_request_is_no_evidence_for_a_promotion(quick: TinyProject) -> None:
    weak = ship(quick, 2, "--set", "gate.metrics.roc_auc.min=0.1")
    strong = ship(quick, 20)
    assert quick.mlci("run", *bins(3)).code == 1  # worse than what serves
    assert gate(quick, "--champion", weak, *bins(3)).code == 0
    assert quick.mlci("run", *bins(3)).code == 1
    assert gate(quick, "--champion", weak, *bins(20)).code == 0
    again = quick.mlci("promote", "production", "--from", strong)
    assert again.code == 0, again.err


@pytest.mark.parametrize("part", ["manifest", "layer", "config"])
@pytest.mark.parametrize("how", ["gone", "spoilt"])
def test_a_champion_whose_image_is_broken_stops_the_gate(shipped: TinyProject, part: str, how: str) -> None:
    digest = store(shipped).resolve("production") or ""
    manifest = store(shipped).get_manifest(digest)
    broken = {
        "manifest": digest,
        "layer": read_layers(manifest)[0].digest,
        "config": json.loads(manifest.raw)["config"]["digest"],
    }[part]
    if how == "gone":
        (shipped.root / ".mlci" / "store" / "blobs" / "sha256" / broken.removeprefix("sha256:")).unlink()
    else:
        spoil(shipped, broken)
    shutil.rmtree(shipped.root / ".mlci" / "images", ignore_errors=True)
    done = gate(shipped, *bins(25))
    assert (done.code, judged(done)["status"]) == (3, "error"), done.err
    assert f"the champion {digest[:19]} (serves in production)" in done.err
    assert "--set gate.champion=null" in done.err


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("raise SystemExit('no model here')", "no model here"),
        ("import time\ntime.sleep(100)", "did not end within 2 s"),
        ("pass", "wrote no predictions"),
        ("import pathlib\npathlib.Path(os.environ['MLCI_PREDICTIONS']).write_text('id,score')", "b'id,score'"),
        ("import missing_package", "No module named 'missing_package'"),
    ],
)
def test_a_champion_that_cannot_predict_stops_the_gate(quick: TinyProject, body: str, wrong: str) -> None:
    good = (quick.root / "predict.py").read_text()
    in_image = "import os\nif '/images/' in os.environ['MLCI_MODEL']:\n"
    (quick.root / "predict.py").write_text(in_image + indent(body, "    ") + "\n    raise SystemExit(0)\n" + good)
    ship(quick, 20)
    (quick.root / "predict.py").write_text(good)
    done = gate(quick, *bins(25), "--set", "gate.timeout=2s")
    assert (done.code, judged(done)["status"]) == (3, "error"), done.err
    assert wrong in done.err


def test_rows_of_a_champion_that_differ_stop_the_gate_and_are_not_kept(shipped: TinyProject) -> None:
    data = shipped.root / "data" / "holdout.parquet"
    other = Path(str(data) + ".other")
    digest = store(shipped).resolve("production")
    folder = shipped.root / ".mlci" / "images" / digest.removeprefix("sha256:") / "app"
    assert gate(shipped, *bins(25)).code == 0
    text = (folder / "predict.py").read_text()
    (folder / "predict.py").chmod(0o644)
    (folder / "predict.py").write_text(text.replace(".fetchall()", ".fetchall()[1:]"))
    data.rename(other)
    import duckdb

    duckdb.sql(f"COPY (SELECT id + 7 AS id, x, label FROM read_parquet('{other}')) TO '{data}' (FORMAT parquet)")
    for _ in range(2):
        done = gate(shipped, *bins(25))
        assert (done.code, judged(done)["status"]) == (3, "error"), done.err
        assert "the champion's predictions" in done.err
        assert "no prediction for 1 row" in done.err
    (folder / "predict.py").write_text(text)
    done = gate(shipped, *bins(25))
    assert done.code == 0, done.err
    found = facts(done)["holdout"]
    assert (found["same"], found["models"]) == (False, 1)
    assert found["champion_judged_on"] != found["digest"]
    assert "came through another holdout" in json.dumps(judged(done)["receipt"]["predicate"]["findings"])
    assert facts(done)["metrics"][0]["champion"]["value"] > 0.7


def test_a_champion_that_was_built_without_a_gate_is_an_error_with_the_way_out(quick: TinyProject) -> None:
    rules = (quick.root / "mlci.yaml").read_text()
    start, end = rules.index("gate:\n"), rules.index("image:\n")
    (quick.root / "mlci.yaml").write_text((rules[:start] + rules[end:]).replace("validate, gate", "validate"))
    ship(quick, 20)
    (quick.root / "mlci.yaml").write_text(rules)
    done = quick.mlci("run", "--to", "production", *bins(25))
    assert done.code == 3
    assert "it was built without a gate" in done.err
    assert "mlci run --to ENV --set gate.champion=null" in done.err
    ship(quick, 25, "--set", "gate.champion=null")
    ship(quick, 30)


def test_predictions_that_were_kept_and_are_broken_are_made_again(shipped: TinyProject) -> None:
    first = facts(gate(shipped, *bins(25)))
    (tag,) = store(shipped).tags("predictions-")
    spoil(shipped, store(shipped).resolve(tag))
    second = gate(shipped, *bins(30))
    assert second.code == 0, second.err
    assert facts(second)["metrics"][0]["champion"]["value"] == first["metrics"][0]["champion"]["value"]
    assert facts(second)["holdout"]["models"] == 3


def test_models_are_counted_once_each_however_often_they_are_judged(quick: TinyProject) -> None:
    counts = [facts(gate(quick, *bins(n), *more))["holdout"]["models"] for n, more in (
        (20, ()), (30, ()), (30, ("--force",)), (20, ("--set", "gate.metrics.roc_auc.min=0.6")), (40, ()),
    )]  # fmt: skip
    assert counts == [1, 2, 2, 2, 3]
