"""The driver `process`: an unpacked image's command, as a container would see it as far as that goes."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlci.deploy.drivers import Launch, alive, driver, last_words, process
from mlci.errors import UsageError, WorldError

TELL = """
import json, os, sys
found = {"env": dict(os.environ), "argv": sys.argv, "cwd": os.getcwd(), "path": sys.path, "version": sys.version}
try:
    import numpy
    found["numpy"] = True
except ImportError:
    found["numpy"] = False
import helper
found["helper"] = helper.__file__
print(json.dumps(found), flush=True)
"""


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Launch]:
    root = tmp_path / "root of image"
    for name in ("app", "deps", "models"):
        (root / name).mkdir(parents=True)
    (root / "app" / "tell.py").write_text(TELL)
    (root / "deps" / "helper.py").write_text("")
    config = {
        "Cmd": ["python", "/app/tell.py", "--model=/models/m.bin", "/etc/hosts", "http://host/app/x"],
        "Env": ["PYTHONPATH=/deps:/app", "MODEL=/models", "URL=http://host/models", "PORT=8080"],
        "WorkingDir": "/app",
    }
    launch = Launch(tmp_path / "run", "test", config, root)
    yield launch
    process.stop(launch.folder, 0)


def told(launch: Launch) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while alive(process, launch.folder):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return json.loads(last_words(process, launch.folder)[-1])


def test_the_command_sees_the_image_and_nothing_of_ours(image: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    ((host, port),) = process.start(image)
    found = told(image)
    assert host == "127.0.0.1"
    assert found["env"]["PORT"] == str(port)
    assert "SECRET_OF_OURS" not in found["env"]
    assert found["env"]["PYTHONPATH"] == f"{image.root}/deps:{image.root}/app"
    assert found["env"]["MODEL"] == f"{image.root}/models"
    assert found["env"]["URL"] == "http://host/models"
    assert found["cwd"] == str(image.root / "app")
    assert found["argv"][1:] == [f"--model={image.root}/models/m.bin", "/etc/hosts", "http://host/app/x"]


def test_python_is_of_the_same_version_with_only_the_images_packages(image: Launch) -> None:
    process.start(image)
    found = told(image)
    assert found["version"] == sys.version
    assert found["numpy"] is False
    assert found["helper"] == f"{image.root}/deps/helper.py"
    assert not any("site-packages" in entry and not entry.startswith(str(image.folder)) for entry in found["path"])


def test_an_image_without_a_command_or_a_folder_is_refused(image: Launch) -> None:
    with pytest.raises(WorldError, match="no command"):
        process.start(replace(image, image_config={}))
    with pytest.raises(WorldError, match="is not there"):
        process.start(replace(image, root=image.folder / "gone"))
    with pytest.raises(WorldError, match="working directory"):
        process.start(replace(image, image_config={"Cmd": ["python"], "WorkingDir": "/nowhere"}))


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_runs_is_left_and_what_is_missing_is_started(image: Launch) -> None:
    sleeps = replace(image, image_config={"Cmd": ["python", "-c", "import time; time.sleep(60)"]}, replicas=3)
    addresses = process.start(sleeps)
    assert len(set(addresses)) == 3
    before = process.observe(image.folder)
    assert [(one.number, one.running, one.address) for one in before] == [
        (number, True, at) for number, at in enumerate(addresses, 1)
    ]
    process.stop(image.folder, 0, [2])
    assert [one.number for one in process.observe(image.folder)] == [1, 3]
    assert process.start(replace(sleeps, addresses=addresses)) == addresses
    after = process.observe(image.folder)
    assert [one.pid for one in after][::2] == [one.pid for one in before][::2]
    assert after[1].running and after[1].pid != before[1].pid


def test_what_ends_is_started_again_only_once_it_is_to_be_kept(image: Launch) -> None:
    once = replace(image, image_config={"Cmd": ["python", "-c", "print('I was here')"]})
    process.start(once)
    eventually(lambda: not alive(process, image.folder))
    assert last_words(process, image.folder) == ["I was here"]
    sleeps = replace(image, image_config={"Cmd": ["python", "-c", "import time; time.sleep(60)"]})
    process.start(sleeps)
    process.keep(image.folder)
    (first,) = process.observe(image.folder)
    assert first.pid
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: process.observe(image.folder)[0].pid not in (None, first.pid))
    assert "ended with exit code 137, and is started again in 0 s" in last_words(process, image.folder)[-1]
    process.stop(image.folder, 5)
    assert process.observe(image.folder) == ()
    assert not any("started again in 1 s" in line for line in process.logs(image.folder, 1, tail=100))


def test_a_log_is_followed_until_its_writer_ends(image: Launch) -> None:
    talks = "import time\nfor n in range(5): print(n, flush=True); time.sleep(0.1)"
    process.start(replace(image, image_config={"Cmd": ["python", "-c", talks]}))
    assert list(process.logs(image.folder, 1, tail=100, follow=True)) == ["0", "1", "2", "3", "4"]
    assert list(process.logs(image.folder, 1, tail=2)) == ["3", "4"]
    assert list(process.logs(image.folder, 7, tail=2)) == []


def test_a_driver_that_is_not_there_yet_says_so() -> None:
    with pytest.raises(UsageError, match="not available yet"):
        driver("kubernetes")
    assert driver("process") is process
