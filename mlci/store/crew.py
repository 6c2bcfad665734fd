"""Some threads for the time of a task: transfers, and questions to a registry.

They are daemons, and whoever waits for them looks up now and then: one that hangs on a connection keeps nobody from
ending, neither after an error of another one nor when a person has had enough.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, TypeVar

from mlci.errors import Interrupted

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
R = TypeVar("R")
LOOK_S = 0.2
"""Seconds between two looks of the one who waits."""
GRACE_S = 1.0
"""Seconds that the others get to end by themselves after an error."""


class Crew:
    """Some threads that do one thing to many, until the first error, which stops them all.

    `watch` is called while they are waited for, a few times a second; what it raises stops them too.
    """

    def __init__(self, workers: int, watch: Callable[[], None] = lambda: None) -> None:
        self._workers = workers
        self._watch = watch
        self._stop = Event()
        self._todo: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._threads: list[Thread] = []

    def each(self, act: Callable[[T], R], things: Sequence[T]) -> list[R]:
        """The results, in order; raises the first error."""
        from concurrent.futures import FIRST_EXCEPTION, wait

        futures = [self.submit(lambda thing=thing: act(thing)) for thing in things]  # type: ignore[misc]
        try:
            done, left = wait(futures, timeout=0)
            while True:
                for future in futures:
                    if future in done:
                        future.result()
                if not left:
                    return [future.result() for future in futures]
                done, left = wait(left, timeout=LOOK_S, return_when=FIRST_EXCEPTION)
                self._watch()
        except BaseException:
            self.stop()
            raise

    def submit(self, act: Callable[[], R]) -> Future[R]:
        """Let one of them do it."""
        from concurrent.futures import Future

        future: Future[R] = Future()
        self._todo.put((future, act))
        if len(self._threads) < self._workers:
            self._threads.append(Thread(target=self._work, daemon=True))
            self._threads[-1].start()
        return future

    def go_on(self) -> None:
        """To be called now and then in a long act; raises Interrupted when another one has failed."""
        if self._stop.is_set():
            raise Interrupted("the copy was stopped")

    def stop(self) -> None:
        """Nothing more is begun; what goes on ends when it next looks (`go_on`)."""
        self._stop.set()

    def end(self) -> None:
        """Let the threads go; what hangs is not waited for."""
        for _ in self._threads:
            self._todo.put(None)
        deadline = time.monotonic() + GRACE_S
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0) if self._stop.is_set() else None)

    def _work(self) -> None:
        while (todo := self._todo.get()) is not None:
            future, act = todo
            if self._stop.is_set() or not future.set_running_or_notify_cancel():
                future.cancel()
                continue
            try:
                future.set_result(act())
            except BaseException as error:  # it is raised where it is waited for
                future.set_exception(error)


@contextmanager
def crew(workers: int, watch: Callable[[], None] = lambda: None) -> Iterator[Crew]:
    """Threads for the time of a `with`."""
    hands = Crew(workers, watch)
    try:
        yield hands
    except BaseException:
        hands.stop()
        raise
    finally:
        hands.end()
