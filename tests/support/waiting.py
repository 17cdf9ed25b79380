"""Waiting for what may never end, so that it fails a test and does not hold it up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def in_time(work: Callable[[], Any], seconds: float = 20.0) -> list[BaseException]:
    """Do `work` in a thread; gives what it raised.

    Raises:
        AssertionError: it was not done in time; its thread is left to itself.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"not done within {seconds:g} s"
    return raised
