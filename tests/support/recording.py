"""Stand-ins for the seams of a recording: a scripted finder, source, operator, store and ear."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from speechtune.record.ports import Choice
from speechtune.record.prompts import Prompt
from speechtune.record.takes import Stretch, Take, TakeFault

BLOCK = 1_600
QUIET = 4_800


class LoudnessFinder:
    """Speech is what is louder than 0.02; it ends after 0.3 s of quiet."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._heard = np.zeros(0, dtype=np.float32)

    def receive(self, samples: NDArray[np.float32]) -> Stretch | None:
        self._heard = np.concatenate([self._heard, samples])
        found = self.end()
        return found if found is not None and len(self._heard) - found.end_sample >= QUIET else None

    def end(self) -> Stretch | None:
        loud = np.flatnonzero(np.abs(self._heard) > 0.02)
        return Stretch(int(loud[0]), int(loud[-1]) + 1) if len(loud) else None


class ScriptedSource:
    """Plays one recording per take; of the takes numbered in `lossy` it says that samples were lost."""

    def __init__(self, recordings: Iterable[NDArray[np.float32]], lossy: Sequence[int] = ()) -> None:
        self._lossy, self._num_stopped = lossy, 0
        self._recordings = list(recordings)
        self._now = np.zeros(0, dtype=np.float32)
        self.played: list[NDArray[np.float32]] = []
        self.is_open = False
        self.flat_seconds = 0.0

    def start(self) -> bool:
        if not self._recordings:
            return False
        assert not self.is_open
        self.is_open = True
        self._now = self._recordings.pop(0)
        return True

    def read(self) -> NDArray[np.float32] | None:
        block, self._now = self._now[:BLOCK], self._now[BLOCK:]
        return block if len(block) else None

    def stop(self) -> bool:
        self.is_open = False
        self._num_stopped += 1
        return self._num_stopped in self._lossy

    @property
    def clipped_seconds(self) -> float:
        return self.flat_seconds

    def play(self, samples: NDArray[np.float32]) -> None:
        self.played.append(samples)


class ScriptedOperator:
    """Says GO to every prompt, and answers reviews from a list; when it is used up, KEEP."""

    def __init__(self, reviews: Sequence[Choice] = (), announcements: Sequence[Choice] = ()) -> None:
        self._reviews, self._announcements = list(reviews), list(announcements)
        self.announced: list[Prompt] = []
        self.reviewed: list[Take] = []
        self.num_heard = 0
        self.num_cues = 0

    def announce(self, prompt: Prompt, position: int, num_prompts: int) -> Choice:
        assert 1 <= position <= num_prompts
        self.announced.append(prompt)
        return self._announcements.pop(0) if self._announcements else Choice.GO

    def cue(self) -> None:
        self.num_cues += 1

    def hearing(self, samples: NDArray[np.float32]) -> None:
        self.num_heard += len(samples)

    def review(self, take: Take) -> Choice:
        self.reviewed.append(take)
        return self._reviews.pop(0) if self._reviews else Choice.KEEP


class ListStore:
    """Keeps takes in a list."""

    def __init__(self) -> None:
        self.takes: list[Take] = []

    def keep(self, take: Take) -> None:
        self.takes.append(take)


class CountingEar:
    """Finds every second take of a label odd."""

    def __init__(self) -> None:
        self.remembered: list[str] = []

    def compare(self, samples: NDArray[np.float32], label: str) -> tuple[TakeFault, ...]:
        return (TakeFault("unlike_siblings", "odd"),) if self.remembered.count(label) % 2 else ()

    def remember(self, samples: NDArray[np.float32], label: str) -> None:
        self.remembered.append(label)
