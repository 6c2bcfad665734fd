"""The driver `process`: an unpacked image's command, as a container would see it as far as that goes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlci.deploy.drivers import Launch, driver, process
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
    launch = Launch(tmp_path / "run", root, config)
    yield launch
    process.stop(launch.folder, 0)


def told(launch: Launch) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while process.alive(launch.folder):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return json.loads(process.tail(launch.folder)[-1])


def test_the_command_sees_the_image_and_nothing_of_ours(image: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    host, port = process.start(image)
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
        process.start(Launch(image.folder, image.root, {}))
    with pytest.raises(WorldError, match="is not there"):
        process.start(Launch(image.folder, image.root / "gone", image.image_config))
    with pytest.raises(WorldError, match="working directory"):
        process.start(Launch(image.folder, image.root, {"Cmd": ["python"], "WorkingDir": "/nowhere"}))


def test_a_driver_that_is_not_there_yet_says_so() -> None:
    with pytest.raises(UsageError, match="not available yet"):
        driver("kubernetes")
    assert driver("process") is process
