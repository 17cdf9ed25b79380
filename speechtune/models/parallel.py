"""Batches on all cores: one thread of torch per batch in place of all threads on one.

A window is too little work to be shared out by torch itself: its threads wait for each other at every layer, and on a
machine that does something else besides they wait long. Whole batches need no waiting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

_AHEAD_PER_WORKER = 2


def map_batches(function: Callable[[Tensor], Tensor], batches: Iterable[Tensor]) -> Iterator[Tensor]:
    """`function` of every batch, in order, computed without gradients on as many cores as torch may use.

    A few batches are taken ahead of the one that is given out; memory does not grow with their number. The result of a
    batch does not depend on the number of cores.
    """
    num_workers = torch.get_num_threads()

    def run(batch: Tensor) -> Tensor:
        with torch.inference_mode():
            return function(batch)

    # While it lasts the caller's own thread uses one core too: what prepares the batches would fight for the others.
    _use_one_core()
    try:
        with ThreadPoolExecutor(num_workers, initializer=_use_one_core) as workers:
            pending: deque[Future[Tensor]] = deque()
            for batch in batches:
                pending.append(workers.submit(run, batch))
                if len(pending) > _AHEAD_PER_WORKER * num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
    finally:
        torch.set_num_threads(num_workers)


def _use_one_core() -> None:
    torch.set_num_threads(1)
