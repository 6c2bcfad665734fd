"""Many writers at once, and writers that are killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlci.store import FolderStore, put_artifact
from tests.unit.store.stores import image

HERE = str(Path(__file__).parent)
WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.unit.store.stores import blob, image
from mlci.store import FolderStore, put_artifact
store, name, rounds = FolderStore(Path(sys.argv[2])), sys.argv[3], int(sys.argv[4])
subject = image(store, "subject", tag="subject")
print("ready", flush=True)
for i in range(rounds):
    own = image(store, f"{name} {i}", tag=f"{name}-{i:06d}")
    store.put_manifest(store.get_manifest(own.digest).raw, own.media_type, tag="latest")
    put_artifact(store, "application/vnd.test.v1", [blob(store, f"{name} {i}".encode() * 9999)], subject=subject)
"""


def start(store: FolderStore, name: str, rounds: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", WRITER, HERE, str(store.root), name, str(rounds)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    writers = [start(store, f"w{n}", 12) for n in range(6)]
    for writer in writers:
        _, err = writer.communicate(timeout=120)
        assert writer.returncode == 0, err
    assert len(store.tags("w")) == 72
    assert len(store.referrers(store.resolve("subject"))) == 72
    assert store.resolve("latest") in {store.resolve(tag) for tag in store.tags("w")}
    assert store.verify() == []
    assert list((store.root / ".tmp").iterdir()) == []


def test_threads_that_share_a_store_lose_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    subject = image(store, "subject", tag="subject")

    def write(i: int) -> None:
        image(store, str(i), tag=f"t{i}")
        put_artifact(store, "application/vnd.test.v1", [], subject=subject, annotations={"n": str(i)})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    assert (len(store.tags("t")), len(store.referrers(subject.digest))) == (40, 40)
    assert store.verify() == []


def test_a_writer_killed_at_any_moment_leaves_a_whole_store(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    chance = random.Random(1)
    before = 0
    for n in range(20):
        with start(store, f"k{n}", 100_000) as writer:
            assert writer.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0, 0.06))
            writer.send_signal(signal.SIGKILL)
        assert store.verify() == []
        now = len(store.tags())
        assert now >= before
        before = now
    assert before  # they did write
    image(store, "after", tag="after")
    assert store.verify() == []


def test_a_reader_never_sees_a_tag_without_its_content(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    stop = threading.Event()
    seen = 0
    with start(store, "w", 60) as writer:
        threading.Thread(target=lambda: (writer.wait(), stop.set()), daemon=True).start()
        reader = FolderStore(store.root)
        while not stop.is_set():
            for tag in reader.tags()[-3:]:
                reader.get_manifest(tag)
                seen += 1
    assert writer.returncode == 0
    assert seen
