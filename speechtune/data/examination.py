"""One clip, read once: its measures, its content, its fingerprint, and how it sounds to an encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.fingerprint import SoundPrint, fingerprint_sound
from speechtune.audio.judgement import SoundMeasures, measure
from speechtune.audio.true_rate import voice_centroids_hz
from speechtune.data.clips import Clip, content_hash, read_clip_sound, with_stretch
from speechtune.errors import AudioError

_BATCH = 64  # clips of like length are embedded together: of fewer there are few alike
_FEW_CLIPS = 30
"""Clips a label, on average, up to which they are listened to closely; with more, what all have in common tells."""


class Listener(Protocol):
    """Hears what clips sound like; on as many cores as it likes."""

    def embed(self, clips: Sequence[NDArray[np.float32]], *, closely: bool) -> NDArray[np.float32]:
        """Clips float32[any] at 16 kHz to float32[B, E]; called from several threads at once.

        Listening closely takes longer and tells more; E is another one then.
        """

    def map(
        self, function: Callable[[Sequence[Clip]], list[Examined]], batches: Iterable[Sequence[Clip]]
    ) -> Iterator[list[Examined]]:
        """`function` of every batch, in order."""


@dataclass(frozen=True, eq=False)
class Examined:
    """What reading a clip showed.

    Attributes:
        error: why it could not be read; then nothing else but perhaps the hashes is known.
        file_hash: of the whole file; None if even its bytes could not be read.
        content: hash of the clip, see `with_stretch`.
        print: None where there is nothing to know it again by.
        embedding: float32[E]; None without a listener.
        notes: what is not as the file says, one sentence each.
        voice_hz: see `voice_centroids_hz`.
    """

    error: str | None
    file_hash: str | None
    content: str | None
    measures: SoundMeasures | None
    print: SoundPrint | None
    embedding: NDArray[np.float32] | None
    notes: tuple[str, ...] = ()
    voice_hz: NDArray[np.float64] | None = None


def examine(clips: Sequence[Clip], listener: Listener | None) -> Iterator[Examined]:
    """Examine clips in their order; a clip that cannot be read is described, not raised.

    Without a listener nothing is embedded, and one core works.
    """
    hash_of_file: dict[Path, str] = {}
    closely = len(clips) < _FEW_CLIPS * len({clip.label for clip in clips})

    def examine_batch(batch: Sequence[Clip]) -> list[Examined]:
        return _examine_batch(batch, listener, closely, hash_of_file)

    batches = (clips[start : start + _BATCH] for start in range(0, len(clips), _BATCH))
    for examined in (map if listener is None else listener.map)(examine_batch, batches):
        yield from examined


def _examine_batch(
    clips: Sequence[Clip], listener: Listener | None, closely: bool, hash_of_file: dict[Path, str]
) -> list[Examined]:
    examined: list[Examined] = []
    samples: list[NDArray[np.float32] | None] = []
    for clip in clips:
        one, heard = _examine_one(clip, hash_of_file)
        examined.append(one)
        samples.append(heard)
    readable = [heard for heard in samples if heard is not None]
    if listener is None or not readable:
        return examined
    embeddings = iter(listener.embed(readable, closely=closely))
    return [
        one if heard is None else replace(one, embedding=next(embeddings))
        for one, heard in zip(examined, samples, strict=True)
    ]


def _examine_one(clip: Clip, hash_of_file: dict[Path, str]) -> tuple[Examined, NDArray[np.float32] | None]:
    file_hash = content = None
    try:
        file_hash = hash_of_file.get(clip.path) or content_hash(clip.path)
        hash_of_file[clip.path] = file_hash
        content = with_stretch(file_hash, clip)
        sound = read_clip_sound(clip)
        samples = sound.samples
    except AudioError as error:
        return Examined(str(error), file_hash, content, None, None, None), None
    measures, print_ = measure(samples), fingerprint_sound(samples)
    voice_hz = voice_centroids_hz(samples)
    return Examined(None, file_hash, content, measures, print_, None, sound.notes, voice_hz), samples
