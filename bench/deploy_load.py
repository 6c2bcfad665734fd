"""A caller of many requests on a few connections, in a process of its own: `python -m bench.deploy_load PORT …`.

It sends until its standard input ends or the count is reached, and prints what became of the requests as JSON. A
request whose connection ends before its answer is lost; nothing is sent twice. With a rate the requests are due at
fixed times, and their latency counts from then.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
import time
from collections import Counter
from functools import partial

BODY = b'{"instances": [{"x": 1}]}'
GET = b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n"
POST = b"POST /predict HTTP/1.1\r\nhost: bench\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Caller(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.answer: asyncio.Future[int] | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self) -> asyncio.Future[int]:
        """The status to come; ConnectionError when the connection ends first."""
        assert isinstance(self._transport, asyncio.Transport)
        self.answer = asyncio.get_running_loop().create_future()
        self._transport.write(self._request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, mark, rest = self._buffer.partition(b"\r\n\r\n")
        if not mark or self.answer is None or self.answer.done():
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(rest) >= int(length or 0):
            self._buffer = b""
            self.answer.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError("ended"))
        self.answer = None


async def load(asked: argparse.Namespace, stop: threading.Event) -> dict[str, object]:
    """All of it."""
    count, rate, make = asked.count, asked.rate, partial(Caller, GET if asked.get else POST)
    loop, statuses, times = asyncio.get_running_loop(), Counter[str](), list[float]()
    begun, number = time.perf_counter(), 0

    async def work() -> None:
        nonlocal number
        _, caller = await loop.create_connection(make, "127.0.0.1", asked.port)
        while number < count and not stop.is_set():
            due = begun + number / rate if rate else time.perf_counter()
            number += 1
            if rate:
                await asyncio.sleep(due - time.perf_counter())
            try:
                status = str(await asyncio.wait_for(caller.send(), 90))
            except (ConnectionError, TimeoutError, asyncio.TimeoutError):
                status = "lost"
                _, caller = await loop.create_connection(make, "127.0.0.1", asked.port)
            statuses[status] += 1
            times.append(time.perf_counter() - due)

    await asyncio.gather(*(work() for _ in range(asked.connections)))
    seconds, times = time.perf_counter() - begun, sorted(times)
    ms = [1000 * times[min(len(times) - 1, int(q * len(times)))] for q in (0.5, 0.99)] if times else [0, 0]
    failed = sum(n for status, n in statuses.items() if status != "200")
    return {"requests": len(times), "failed": failed, "statuses": statuses, "seconds": seconds, "ms": ms}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.deploy_load", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--count", type=int, default=1 << 60)
    parser.add_argument("--rate", type=float, default=0.0, help="requests per second; 0: as fast as they are answered")
    parser.add_argument("--get", action="store_true", help="GET without a body")
    asked = parser.parse_args()
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    print(json.dumps(asyncio.run(load(asked, stop))))


if __name__ == "__main__":
    main()
