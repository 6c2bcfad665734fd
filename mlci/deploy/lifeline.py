"""mlci's end of the dead-man's switch (`deadman`): started before a canary's traffic, told at every look, let go after.

It is only let go when the traffic was put where the journal says; whatever else ends mlci's part makes it act.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlci.deploy import deadman, envoy
from mlci.deploy.envoy_config import Wiring
from mlci.errors import WorldError
from mlci.files import write_atomic

_PROGRAM = Path(deadman.__file__)


class Lifeline:
    """One canary's guard; another is started when it was killed, or hangs itself."""

    def __init__(self, folder: Path, proxy: Path, lock: int) -> None:
        self._log, self._lock = folder / "guard.log", lock
        self._safe, self._routes = proxy / "safe.json", envoy.routes_file(proxy)
        self._guard: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._heard = self._beaten = 0.0

    @property
    def pid(self) -> int | None:
        """The guard's process."""
        return self._guard.pid if self._guard else None

    def start(self, stable: Wiring) -> None:
        """Watch from now on; without mlci the traffic goes by this wiring. Raises WorldError when it cannot start."""
        write_atomic(self._safe, envoy.routes_document(stable))
        self._spawn()
        deadline = time.monotonic() + deadman.LEASE
        while not self._answers():
            if time.monotonic() > deadline or self._guard is None or self._guard.poll() is not None:
                self._kill()
                raise WorldError("the canary's guard does not start", help=f"its log: {self._log}")
            self._say(deadman.HERE)
            time.sleep(0.01)

    def beat(self) -> None:
        """Say that mlci is here; a guard that died, or is silent for as long as mlci may be itself, is replaced.

        Not where it is mlci that stood still: then the guard has acted, and answers now.
        """
        if self._guard is None:
            return
        self._answers()
        late, self._beaten = time.monotonic() - self._beaten > deadman.LEASE, time.monotonic()
        self._say(deadman.HERE)
        if self._guard.poll() is not None or (not late and time.monotonic() - self._heard > deadman.LEASE):
            self._kill()
            self._spawn()

    def end(self, *, safely: bool) -> None:
        """Let it go; unless the traffic is where it should be, it puts it on stable first."""
        if self._guard is None or self._socket is None:
            return
        if safely:
            self._say(deadman.BYE)
        self._socket.close()
        try:
            self._guard.wait(deadman.LEASE)
        except subprocess.TimeoutExpired:
            self._kill()
        self._guard = self._socket = None

    def _spawn(self) -> None:
        ours, its = socket.socketpair()
        ours.setblocking(False)
        self._heard = self._beaten = time.monotonic()
        with its, self._log.open("ab") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_PROGRAM), str(self._safe), str(self._routes)],
                cwd="/",
                env={"PATH": os.defpath},  # what ends a cancelled job's processes finds them by their environment
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                pass_fds=(self._lock,),
            )
        self._socket = ours

    def _say(self, word: bytes) -> None:
        assert self._socket is not None
        with suppress(OSError):
            self._socket.send(word)

    def _answers(self) -> bool:
        assert self._socket is not None
        try:
            heard = self._socket.recv(4096)
        except OSError:
            return False
        if heard:
            self._heard = time.monotonic()
        return bool(heard)

    def _kill(self) -> None:
        if self._guard is not None and self._socket is not None:
            self._socket.close()
            self._guard.kill()
            self._guard.wait()


def fired(proxy: Path) -> bool:
    """Does the traffic go by what a guard put in place?"""
    with suppress(OSError):
        return (proxy / "safe.json").samefile(envoy.routes_file(proxy))
    return False


@contextmanager
def lifeline(folder: Path, proxy: Path, lock: int) -> Iterator[Lifeline]:
    """A lifeline that is not started yet, and that acts when the block ends without `end(safely=True)`."""
    line = Lifeline(folder, proxy, lock)
    try:
        yield line
    finally:
        line.end(safely=False)
