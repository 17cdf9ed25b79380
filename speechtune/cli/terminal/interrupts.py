"""What is said when a person interrupts a verb: what became of the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Interrupted(Exception):  # noqa: N818 - it is no error
    """A verb was interrupted; the message says what is left of its work. No error of the tree: nothing went wrong."""


@contextmanager
def interruptible(left: str | Callable[[], str]) -> Iterator[None]:
    """Let an interrupt end the body with a sentence.

    Args:
        left: what is left of the work then, such as `model is not written`; asked when it happens.

    Raises:
        Interrupted: the body was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {left if isinstance(left, str) else left()}") from None
