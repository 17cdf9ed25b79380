"""Work on all cores: one thread of torch per piece of work in place of all threads on one piece.

A window is too little work to be shared out by torch itself: its threads wait for each other at every layer, and on a
machine that does something else besides they wait long. Whole batches need no waiting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

_AHEAD_PER_WORKER = 2

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def map_on_cores(function: Callable[[Piece], Result], pieces: Iterable[Piece]) -> Iterator[Result]:
    """`function` of every piece, in order, computed on as many cores as torch may use.

    A few pieces are taken ahead of the one whose result is given out; memory does not grow with their number. A result
    does not depend on the number of cores. Modes of torch that belong to a thread, such as `inference_mode`, are the
    function's own affair.
    """
    num_workers = torch.get_num_threads()
    # While it lasts the caller's own thread uses one core too: what prepares the pieces would fight for the others.
    with one_core(), ThreadPoolExecutor(num_workers, initializer=_use_one_core) as workers:
        pending: deque[Future[Result]] = deque()
        try:
            for piece in pieces:
                pending.append(workers.submit(function, piece))
                if len(pending) > _AHEAD_PER_WORKER * num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()  # who is interrupted, or takes no more, does not wait for what nobody has begun


@contextmanager
def one_core() -> Iterator[None]:
    """While it lasts, torch works on one core, in the calling thread."""
    num_threads = torch.get_num_threads()
    _use_one_core()
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def _use_one_core() -> None:
    torch.set_num_threads(1)
