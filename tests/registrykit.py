"""Registries for tests: Debian's docker-registry on a free port of loopback, and a proxy in front that misbehaves."""

from __future__ import annotations

import http.client
import itertools
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_NAMES = itertools.count()
_LISTENING = re.compile(r"listening on \S*?:(\d+)")


@dataclass(frozen=True)
class RunningRegistry:
    """A docker-registry (distribution 2.8.2) that runs; `host` is `127.0.0.1:PORT`, or a name for loopback."""

    host: str
    root: Path

    def repository(self, name: str = "test") -> str:
        """A reference to a repository that nobody else has."""
        return f"{self.host}/{name}-{next(_NAMES)}"

    def port(self) -> int:
        return int(self.host.rpartition(":")[2])


@contextmanager
def running_registry(root: Path, *, more: str = "", name: str = "127.0.0.1") -> Iterator[RunningRegistry]:
    """Start one with its files in `root`, and end it. `more` is YAML for its configuration: `auth:` or `http:` keys."""
    program = shutil.which("docker-registry")
    assert program, "install docker-registry (Debian's package has that name)"
    root.mkdir(parents=True, exist_ok=True)
    http_keys = "http: {addr: '127.0.0.1:0', secret: test}" if "http:" not in more else ""
    config = root / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {root / 'data'}}}, delete: {{enabled: true}}}}\n{http_keys}\n{more}\n"
    )
    log = root / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([program, "serve", str(config)], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        yield RunningRegistry(f"{name}:{_port(process, log)}", root)
    finally:
        process.terminate()
        process.wait(10)


def _port(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if found := _LISTENING.search(log.read_text()):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(log.read_text())


@dataclass
class Seen:
    """One request that came through the proxy: what was asked, what was answered, bytes of both bodies."""

    method: str
    path: str
    headers: dict[str, str]
    status: int = 0
    uploaded: int = 0
    downloaded: int = 0


@dataclass
class Fault:
    """What the proxy does to requests whose `METHOD PATH` matches, so many `times`, after letting `skip` through."""

    pattern: str
    act: Callable[[Exchange], None]
    times: int = 1_000_000
    skip: int = 0
    hits: int = 0


@dataclass
class Proxy:
    """Stands in front of a registry, writes down what passes, and does what its faults say."""

    upstream: str
    host: str = ""
    seen: list[Seen] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def repository(self, name: str = "test") -> str:
        """A reference to a repository that nobody else has, through this proxy."""
        return f"{self.host}/{name}-{next(_NAMES)}"

    def misbehave(
        self, pattern: str, act: Callable[[Exchange], None], *, times: int = 1_000_000, skip: int = 0
    ) -> Fault:
        """From now on; returns the fault, whose `hits` say how often it struck."""
        fault = Fault(pattern, act, times, skip)
        self.faults.append(fault)
        return fault

    def requests(self, pattern: str = "") -> list[Seen]:
        """What passed, by `METHOD PATH`."""
        return [one for one in self.seen if re.search(pattern, f"{one.method} {one.path}")]

    def uploaded(self) -> int:
        """Bytes of blobs that were sent through it."""
        return sum(one.uploaded for one in self.requests(r"^(PUT|PATCH) .*/blobs/uploads/"))

    def fault_for(self, what: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if re.search(fault.pattern, what):
                    if fault.skip > 0:
                        fault.skip -= 1
                    elif fault.hits < fault.times:
                        fault.hits += 1
                        return fault
        return None


class Exchange(BaseHTTPRequestHandler):
    """One request through the proxy; faults use what it can do."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: Proxy
    record: Seen

    def forward(
        self,
        *,
        take: int | None = None,
        give: int | None = None,
        change: Callable[[bytes], bytes] | None = None,
        headers: dict[str, str | None] | None = None,
    ) -> None:
        """Hand it on; cut the request after `take` bytes or the answer after `give`, change its body or its headers."""
        upstream = http.client.HTTPConnection(self.proxy.upstream, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != "connection":
                    upstream.putheader(name, value)
            upstream.endheaders()
            for chunk in self.body(take):
                upstream.send(chunk)
            if take is not None:
                raise ConnectionAbortedError
            answer = upstream.getresponse()
            self.give_back(answer, give, change, headers or {})
        finally:
            upstream.close()

    def forward_short(self, count: int) -> dict[str, str]:
        """Hand on only the first bytes of the body, as if they were all; returns the headers of the answer."""
        chunks = b"".join(self.body(count))[:count]
        self.record.uploaded = count
        upstream = http.client.HTTPConnection(self.proxy.upstream, timeout=60)
        start = (self.headers.get("Content-Range") or "0-").partition("-")[0]
        headers = {"Content-Range": f"{start}-{int(start) + count - 1}", "Content-Type": "application/octet-stream"}
        upstream.request(self.command, self.path, chunks, {**headers, "Host": self.headers["Host"]})
        answer = upstream.getresponse()
        answer.read()
        upstream.close()
        return dict(answer.getheaders())

    def body(self, most: int | None = None) -> Iterator[bytes]:
        """The bytes that are sent to us, as they come."""
        left = int(self.headers.get("Content-Length") or 0)
        while left and (most is None or self.record.uploaded < most):
            chunk = self.rfile.read1(min(left, 1 << 16))  # type: ignore[attr-defined]
            if not chunk:
                raise ConnectionAbortedError
            left -= len(chunk)
            self.record.uploaded += len(chunk)
            yield chunk

    def give_back(
        self,
        answer: http.client.HTTPResponse,
        most: int | None,
        change: Callable[[bytes], bytes] | None,
        headers: dict[str, str | None],
    ) -> None:
        self.begin(answer.status, {**dict(answer.getheaders()), **headers})
        if change is not None:
            self.write(change(answer.read()))
            return
        while chunk := answer.read1(1 << 16):
            if most is not None and self.record.downloaded + len(chunk) > most:
                self.write(chunk[: most - self.record.downloaded])
                raise ConnectionAbortedError
            self.write(chunk)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer without asking the registry; `_` in a header's name stands for `-`."""
        for _ in self.body():
            pass
        self.begin(status, {"Content-Length": str(len(body)), **{k.replace("_", "-"): v for k, v in headers.items()}})
        self.write(body)

    def hang(self) -> None:
        """Say nothing, until the test is over."""
        self.proxy.ended.wait()
        raise ConnectionAbortedError

    def begin(self, status: int, headers: dict[str, str | None]) -> None:
        self.record.status = status
        self.send_response_only(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()

    def write(self, chunk: bytes) -> None:
        if self.command != "HEAD":
            self.wfile.write(chunk)
            self.record.downloaded += len(chunk)

    def handle_any(self) -> None:
        self.record = Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        fault = self.proxy.fault_for(f"{self.command} {self.path}")
        self.proxy.seen.append(self.record)
        try:
            if fault:
                fault.act(self)
            else:
                self.forward()
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        return


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve on a free port of loopback in the background; gives the port."""
    server = _Server(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def proxy_before(upstream: str) -> Iterator[Proxy]:
    """A proxy in front of `HOST:PORT`, itself on 127.0.0.1."""
    proxy = Proxy(upstream)
    with serving(type("Handler", (Exchange,), {"proxy": proxy})) as port:
        proxy.host = f"127.0.0.1:{port}"
        try:
            yield proxy
        finally:
            proxy.ended.set()
