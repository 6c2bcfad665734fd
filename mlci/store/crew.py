"""Some threads for the time of a task: transfers, and questions to a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from mlci.errors import Interrupted

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")
R = TypeVar("R")


class Crew:
    """Some threads that do one thing to many, until the first error, which stops them all."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._stop = Event()

    def each(self, act: Callable[[T], R], things: Sequence[T]) -> list[R]:
        """The results, in order; raises the first error."""
        from concurrent.futures import FIRST_EXCEPTION, wait

        if len(things) == 1:
            return [act(things[0])]
        futures = [self._pool.submit(act, thing) for thing in things]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                if future in done:
                    future.result()
        except BaseException:
            self._stop.set()
            for future in futures:
                future.cancel()
            raise
        return [future.result() for future in futures]

    def go_on(self) -> None:
        """To be called now and then in a long act; raises Interrupted when another one has failed."""
        if self._stop.is_set():
            raise Interrupted("the copy was stopped")


@contextmanager
def crew(workers: int) -> Iterator[Crew]:
    """Threads for the time of a `with`."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers, thread_name_prefix="copy") as pool:
        yield Crew(pool)
