"""A recording whose microphone and operator are a page: fills the seams of `record.ports` from a connection.

The page sends sound and choices whenever it likes; `run_recording` runs in a thread of its own and waits for them.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.levels import clipped_seconds, peak_dbfs
from speechtune.audio.resample import StreamResampler
from speechtune.audio.timebase import seconds_from_samples
from speechtune.labels import BACKGROUND_NOISE, UNKNOWN
from speechtune.record.driver import RecordingOutcome, run_recording
from speechtune.record.ports import Choice, Ear, SpeechFinder
from speechtune.record.prompts import OTHER_WORDS, Prompt, RecordingPlan, missing_prompts
from speechtune.record.session import RecordingSession
from speechtune.record.takes import Take
from speechtune.studio.aside import AsideTake
from speechtune.studio.takes import Origin, Takes

Message: TypeAlias = dict[str, Any]
Tell: TypeAlias = Callable[[Message], None]
"""Gives the page a message; from any thread, and at once."""

_LATE_SECONDS = 2.0
"""So long exact zeros are waited out: a wireless microphone gives nothing else at first."""
_MOST_WAITING_SECONDS = 60.0
"""Sound that nobody has taken yet; what comes on top of it is lost, and said to be."""
_FLOOR_DBFS = -99.0


class PageMicrophone:
    """The `AudioSource` that is a page: float32 samples of one channel at the rate of the page's sound card.

    Args:
        rate_hz: of the samples.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._blocks: queue.Queue[NDArray[np.float32] | None] = queue.Queue()
        self._resampler = StreamResampler(rate_hz)
        self._first: NDArray[np.float32] | None = None
        self._take: list[NDArray[np.float32]] = []
        self._is_heard = False
        self._has_lost = False
        self._is_closed = False

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Take float32[N] from the page; what no take is heard from is dropped."""
        if not self._is_heard or not len(samples):
            return
        if self._blocks.qsize() * len(samples) > _MOST_WAITING_SECONDS * self._rate_hz:
            self._has_lost = True
            return
        self._blocks.put(samples)

    def lost(self) -> None:
        """The page could not hear everything."""
        self._has_lost = True

    def close(self) -> None:
        """The page has gone."""
        self._is_closed = True
        self._blocks.put(None)

    def start(self) -> bool:
        """Hear what comes from now on; gives back at the first block that is not all zeros, or after two seconds."""
        self._resampler = StreamResampler(self._rate_hz)
        self._blocks = queue.Queue()
        self._has_lost, self._first, self._is_heard, self._take = False, None, True, []
        if self._is_closed:
            return False
        num_zeros = 0
        while num_zeros < _LATE_SECONDS * self._rate_hz:
            block = self._blocks.get()
            if block is None:
                return False
            self._first = block
            if block.any():
                break
            num_zeros += len(block)
        return True

    def read(self) -> NDArray[np.float32] | None:
        """The next samples at 16 kHz, waiting for them; None: the page has gone."""
        while True:
            block = self._blocks.get() if self._first is None else self._first
            self._first = None
            if block is None:
                return None
            self._take.append(block)
            samples = self._resampler.process(block)
            if len(samples):
                return samples

    def stop(self) -> bool:
        """The take is over; whether samples of it were lost."""
        self._is_heard = False
        return self._has_lost

    @property
    def clipped_seconds(self) -> float:
        """How long the tops of the take that is over were flat."""
        return clipped_seconds(self._take, self._rate_hz)

    def play(self, samples: NDArray[np.float32]) -> None:
        """The page plays takes by itself."""


class PageOperator:
    """The `Operator` and `TakeStore` that is a page.

    A good take is kept without asking; a faulty one is set aside, on disk, before it is shown.

    Args:
        tell: gives the page a message.
        takes: where faulty takes are set aside.
        origin: whose takes they are.
    """

    def __init__(self, tell: Tell, takes: Takes, origin: Origin) -> None:
        self._tell, self._takes, self._origin = tell, takes, origin
        self._choices: queue.Queue[Choice] = queue.Queue()
        self._is_closed = False
        self._aside: AsideTake | None = None

    def choose(self, choice: Choice) -> None:
        """The page's answer to what it was asked last."""
        self._choices.put(choice)

    def close(self) -> None:
        """The page has gone."""
        self._is_closed = True
        self._choices.put(Choice.QUIT)

    def announce(self, prompt: Prompt, position: int, num_prompts: int) -> Choice:
        """Show what is to be said, and wait until the page is ready for it."""
        self._tell({"event": "announce", **prompt_message(prompt), "position": position, "total": num_prompts})
        return self._answer((Choice.GO, Choice.SKIP, Choice.QUIT))

    def cue(self) -> None:
        """The microphone is heard."""
        self._tell({"event": "cue"})

    def hearing(self, samples: NDArray[np.float32]) -> None:
        """Show the level."""
        self._tell({"event": "level", "dbfs": round(max(peak_dbfs(samples), _FLOOR_DBFS), 1)})

    def review(self, take: Take) -> Choice:
        """Show the verdict."""
        if self._is_closed:
            return Choice.QUIT
        self._aside = None if take.is_good else self._takes.set_aside(take, self._origin)
        aside_id = None if self._aside is None else self._aside.id
        self._tell({"event": "verdict", **verdict_message(take), "aside": aside_id})
        if self._aside is None:
            return Choice.KEEP
        return self._answer((Choice.KEEP, Choice.REDO, Choice.SKIP, Choice.QUIT))

    def keep(self, take: Take) -> None:
        """Put the take into the data folder."""
        name = self._takes.add(take, self._origin)
        if self._aside is not None:
            self._takes.forget(self._aside.id)
            self._aside = None
        self._tell({"event": "kept", "name": name})

    def _answer(self, choices: Sequence[Choice]) -> Choice:
        while True:
            choice = self._choices.get()
            if choice in choices:
                return choice


def record_with_page(
    prompts: Sequence[Prompt],
    microphone: PageMicrophone,
    operator: PageOperator,
    finder: SpeechFinder,
    ear: Ear | None,
) -> RecordingOutcome:
    """Record `prompts`; to be called in a thread of its own, for it waits for the page.

    Raises:
        SpeechTuneError: as for `run_recording`.
    """
    return run_recording(RecordingSession(prompts, finder, ear), microphone, operator, operator)


def prompts_of(plan: RecordingPlan, takes: Takes, speaker: str | None, label: str | None) -> tuple[Prompt, ...]:
    """What to record now.

    Args:
        plan: what is wanted in the end.
        takes: what there is.
        speaker: who speaks.
        label: one more take of this label alone; None: all that is missing, background first and other words last.
    """
    done = takes.num_takes(speaker)
    if label is None:
        return tuple(sorted(missing_prompts(plan, done), key=_turn))
    if label == UNKNOWN:
        words = [word for word in OTHER_WORDS if word not in plan.commands]
        text: str | None = min(words, key=lambda word: done.get((UNKNOWN, word), 0))
    else:
        text = None if label == BACKGROUND_NOISE else label
    return (Prompt(label, text, done.get((label, text), 0) + 1),)


def _turn(prompt: Prompt) -> int:
    return 0 if prompt.text is None else 2 if prompt.label == UNKNOWN else 1


def prompt_message(prompt: Prompt) -> Message:
    """A prompt for the page."""
    return {"label": prompt.label, "text": prompt.text, "take": prompt.take}


def verdict_message(take: Take) -> Message:
    """A verdict for the page."""
    measures = take.measures
    return {
        **prompt_message(take.prompt),
        "good": take.is_good,
        "faults": [{"kind": fault.kind, "detail": fault.detail} for fault in take.faults],
        "notes": list(take.notes),
        "seconds": round(seconds_from_samples(measures.num_samples), 2),
        "peak_dbfs": round(max(measures.peak_dbfs, _FLOOR_DBFS), 1),
        "speech_dbfs": None if measures.speech_dbfs is None else round(measures.speech_dbfs, 1),
        "snr_db": None if measures.snr_db is None else round(measures.snr_db, 1),
    }
