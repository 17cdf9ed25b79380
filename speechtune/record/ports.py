"""The seams of a recording: what finds speech, what compares, what hears, what asks, what keeps.

The command line fills them with a voice activity model, an encoder, a microphone, a terminal and a folder; a test
with whatever it likes.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speechtune.record.prompts import Prompt
from speechtune.record.takes import Stretch, Take, TakeFault


class Choice(Enum):
    """What the operator decides, of a prompt or of a take."""

    GO = "go"
    """Record the prompt now."""
    KEEP = "keep"
    REDO = "redo"
    """Drop this take and record just this one again."""
    PLAY = "play"
    SKIP = "skip"
    """Go to the next prompt without a take; it comes again when the recording is resumed."""
    QUIT = "quit"
    """Leave; what is kept stays, and the recording can be resumed."""


class SpeechFinder(Protocol):
    """Finds the end of speech while a take is heard."""

    def restart(self) -> None:
        """A new take begins."""

    def receive(self, samples: NDArray[np.float32]) -> Stretch | None:
        """Take the next float32[N] at 16 kHz; give the first stretch of speech once it has certainly ended."""

    def end(self) -> Stretch | None:
        """No more samples: the first stretch of speech, None if nobody spoke."""


class Ear(Protocol):
    """Compares a take with those that were kept."""

    def compare(self, samples: NDArray[np.float32], label: str) -> tuple[TakeFault, ...]:
        """What is odd about float32[N] at 16 kHz beside the kept takes of its label and of the others."""

    def remember(self, samples: NDArray[np.float32], label: str) -> None:
        """A take was kept."""


class AudioSource(Protocol):
    """Where takes are heard from."""

    def start(self) -> bool:
        """Begin to hear a take; gives back once sound comes in. False when the source has no more."""

    def read(self) -> NDArray[np.float32] | None:
        """The next float32[N] at 16 kHz, N ≥ 1, waiting for it; None at the end of the source or of its file."""

    def stop(self) -> bool:
        """The take is over; what comes until the next `start` is not heard. True: samples of the take were lost."""

    @property
    def clipped_seconds(self) -> float:
        """How long the tops of the take that is over were flat, at the source's own rate; its samples do not show it.

        0 where that is not known.
        """

    def play(self, samples: NDArray[np.float32]) -> None:
        """Play float32[N] at 16 kHz and wait for its end."""


class Operator(Protocol):
    """Who is asked and told."""

    def announce(self, prompt: Prompt, position: int, num_prompts: int) -> Choice:
        """Show what is to be said, count down, and answer GO; or SKIP or QUIT."""

    def cue(self) -> None:
        """The source hears: show that it is time to speak."""

    def hearing(self, samples: NDArray[np.float32]) -> None:
        """Show the level of the latest samples."""

    def review(self, take: Take) -> Choice:
        """Show the verdict; answer KEEP, REDO, PLAY, SKIP or QUIT."""


class TakeStore(Protocol):
    """Where kept takes go."""

    def keep(self, take: Take) -> None:
        """Have the take on disk, whole, before this returns."""
