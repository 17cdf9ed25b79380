"""Files that are dropped on the page: each is heard as a take would be, and judged as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.files import MAX_CLIP_SECONDS, decode_audio
from speechtune.audio.sound_faults import SoundLimits
from speechtune.audio.timebase import ms_from_samples, samples_from_ms
from speechtune.labels import BACKGROUND_NOISE, UNKNOWN
from speechtune.record.ports import Choice, Ear, SpeechFinder
from speechtune.record.prompts import Prompt
from speechtune.record.session import Hear, RecordingSession, Review, TakeSettings
from speechtune.record.takes import Stretch, Take, judge_take
from speechtune.studio.takes import Origin, Takes

_BLOCK_MS = 32
_PAUSE_MS = 800
"""After each file, so that the end of its speech is certain."""
_TALK = SoundLimits(max_ms=round(1000 * MAX_CLIP_SECONDS))


def import_file(
    content: bytes, name: str, label: str, takes: Takes, origin: Origin, finder: SpeechFinder, ear: Ear | None
) -> tuple[Take, str | None]:
    """Hear a file for `label` and put it into the data folder, or set it aside where something is wrong with it.

    A command is cut to its speech; other speech and background stay as long as they are, for training cuts them.

    Args:
        content: the file's bytes.
        name: its name, for messages.
        label: what it is a take of.
        takes: where it goes.
        origin: whose it is.
        finder, ear: as for a recording.

    Returns:
        The take, and its name in the data folder; None: it is set aside.

    Raises:
        AudioError: it is no audio that can be read.
        ManifestError: it cannot be written.
    """
    samples = decode_audio(content, name)
    prompt = Prompt(label, None if label == BACKGROUND_NOISE else "" if label == UNKNOWN else label, 1)
    take = _heard(samples, prompt, finder, None if label == UNKNOWN else ear)
    if take.is_good:
        return take, takes.add(take, origin)
    takes.set_aside(take, origin)
    return take, None


def _heard(samples: NDArray[np.float32], prompt: Prompt, finder: SpeechFinder, ear: Ear | None) -> Take:
    pause = np.zeros(samples_from_ms(_PAUSE_MS) if prompt.is_speech else 0, dtype=np.float32)
    heard = np.concatenate([samples, pause])
    longest_ms = int(ms_from_samples(len(heard))) + 1
    session = RecordingSession([prompt], finder, ear, TakeSettings(max_take_ms=longest_ms, background_ms=longest_ms))
    session.choose(Choice.GO)
    for start in range(0, len(heard), samples_from_ms(_BLOCK_MS)):
        if isinstance(session.next_request(), Hear):
            session.hear(heard[start : start + samples_from_ms(_BLOCK_MS)])
    if isinstance(session.next_request(), Hear):
        session.source_ended()
    review = session.next_request()
    assert isinstance(review, Review)
    take = review.take
    if ear is not None and take.is_good and prompt.is_speech:
        ear.remember(take.samples, prompt.label)
    if prompt.label != UNKNOWN or any(fault.kind in ("silent", "no_speech") for fault in take.faults):
        return take
    whole = judge_take(prompt, samples, Stretch(0, len(samples)), 0, _TALK)
    # It is cut anyway: that it begins or ends inside a word is no fault of it.
    return replace(whole, faults=tuple(one for one in whole.faults if not one.kind.startswith("cut_off")))
