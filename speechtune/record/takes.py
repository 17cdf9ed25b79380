"""A take: what was heard for a prompt, cut to the speech, and the verdict on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.sound_faults import (
    SoundFault,
    SoundLimits,
    SoundProperties,
    find_sound_faults,
    sound_notes,
    sound_properties,
)
from speechtune.audio.timebase import ms_from_samples, seconds_from_samples
from speechtune.record.prompts import Prompt

TakeFaultKind = SoundFault | Literal["speech_heard", "samples_lost", "unlike_siblings", "like_another"]

_MUTED_DBFS = -85.0  # below the noise of any converter: the last two bits of 16


class Stretch(NamedTuple):
    """Where speech lies, in samples at 16 kHz from the start of what was heard."""

    start_sample: int
    end_sample: int


@dataclass(frozen=True)
class TakeFault:
    """Something wrong with a take: its kind, and a sentence with the figures."""

    kind: TakeFaultKind
    detail: str


@dataclass(frozen=True, eq=False)
class Take:
    """One recording of one prompt, judged.

    Attributes:
        prompt: what it was recorded for.
        samples: float32[N] at 16 kHz, N ≥ 1, cut to the speech with a margin.
        measures: of `samples`.
        faults: what is wrong with it; none: it may be kept.
        notes: what is worth knowing and no fault, one sentence each.
    """

    prompt: Prompt
    samples: NDArray[np.float32]
    measures: SoundProperties
    faults: tuple[TakeFault, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.faults

    def with_faults(self, faults: tuple[TakeFault, ...]) -> Take:
        """The same take with more faults."""
        return replace(self, faults=(*self.faults, *faults))


def judge_take(
    prompt: Prompt,
    heard: NDArray[np.float32],
    stretch: Stretch | None,
    margin_samples: int,
    limits: SoundLimits | None = None,
) -> Take:
    """Cut what was heard and judge it.

    A command is cut to its speech with a margin, and judged as one; background stays as it is, and must hold sound and
    no speech.

    Args:
        prompt: what was to be recorded.
        heard: float32[N] at 16 kHz; N may be 0, where a source ended at once.
        stretch: where the speech lies; None if nobody spoke.
        margin_samples: kept before and after the speech, as far as it was heard.
        limits: where a measure becomes a fault; none: the defaults.
    """
    samples = heard if len(heard) else np.zeros(1, dtype=np.float32)
    if prompt.is_speech:
        return _judge_speech(prompt, samples, stretch, margin_samples, limits or SoundLimits())
    return _judge_background(prompt, samples, stretch, limits or SoundLimits())


def _judge_speech(
    prompt: Prompt, heard: NDArray[np.float32], stretch: Stretch | None, margin_samples: int, limits: SoundLimits
) -> Take:
    if stretch is None:
        measures = sound_properties(heard)
        silent = measures.peak_dbfs < limits.silent_peak_dbfs
        detail = f"{seconds_from_samples(len(heard)):.1f} s without speech"
        kind: TakeFaultKind = "silent" if silent else "no_speech"
        return Take(prompt, heard, measures, (TakeFault(kind, detail),))
    first, last = max(stretch.start_sample - margin_samples, 0), min(stretch.end_sample + margin_samples, len(heard))
    samples = heard[first:last].copy()
    measures = sound_properties(samples)
    # The margins do not count against a long command.
    max_ms = limits.max_ms + round(2 * ms_from_samples(margin_samples))
    faults = tuple(TakeFault(fault.kind, fault.detail) for fault in find_sound_faults(measures, limits, max_ms))
    return Take(prompt, samples, measures, faults, sound_notes(measures, limits))


def _judge_background(prompt: Prompt, heard: NDArray[np.float32], stretch: Stretch | None, limits: SoundLimits) -> Take:
    measures = sound_properties(heard)
    faults = []
    if measures.peak_dbfs <= _MUTED_DBFS:
        faults.append(TakeFault("silent", "nothing at all is heard; is the microphone muted?"))
    if measures.clipped_fraction >= limits.clipped_fraction:
        faults.append(TakeFault("clipped", f"{measures.clipped_fraction:.1%} of it lies on flat tops"))
    if stretch is not None:
        at = seconds_from_samples(stretch.start_sample)
        faults.append(TakeFault("speech_heard", f"somebody speaks at {at:.1f} s"))
    return Take(prompt, heard, measures, tuple(faults))
