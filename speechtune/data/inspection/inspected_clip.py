"""One clip, read once: its measures, its content, its fingerprint, and how it sounds to an encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.fingerprint import SoundPrint, fingerprint_sound
from speechtune.audio.sound_faults import SoundProperties, sound_properties
from speechtune.audio.true_rate import voice_centroids_hz
from speechtune.data.sets.clips import Clip, content_hash, read_clip_sound, with_stretch
from speechtune.errors import AudioError

_BATCH = 64  # clips of like length are embedded together: of fewer there are few alike
_FEW_CLIPS = 30
"""Clips a label, on average, up to which they are listened to closely; with more, what all have in common tells."""


class Embedder(Protocol):
    """Hears what clips sound like; on as many cores as it likes."""

    def embed(self, clips: Sequence[NDArray[np.float32]], *, closely: bool) -> NDArray[np.float32]:
        """Clips float32[any] at 16 kHz to float32[B, E]; called from several threads at once.

        Listening closely takes longer and tells more; E is another one then.
        """

    def map(
        self, function: Callable[[Sequence[Clip]], list[InspectedClip]], batches: Iterable[Sequence[Clip]]
    ) -> Iterator[list[InspectedClip]]:
        """`function` of every batch, in order."""


@dataclass(frozen=True, eq=False)
class InspectedClip:
    """What reading a clip showed.

    Attributes:
        error: why it could not be read; then nothing else but perhaps the hashes is known.
        file_hash: of the whole file; None if even its bytes could not be read.
        content: hash of the clip, see `with_stretch`.
        print: None where there is nothing to know it again by.
        embedding: float32[E]; None without a embedder.
        notes: what is not as the file says, one sentence each.
        voice_hz: see `voice_centroids_hz`.
    """

    error: str | None
    file_hash: str | None
    content: str | None
    measures: SoundProperties | None
    print: SoundPrint | None
    embedding: NDArray[np.float32] | None
    notes: tuple[str, ...] = ()
    voice_hz: NDArray[np.float64] | None = None


def inspect_each(clips: Sequence[Clip], embedder: Embedder | None) -> Iterator[InspectedClip]:
    """Examine clips in their order; a clip that cannot be read is described, not raised.

    Without a embedder nothing is embedded, and one core works.
    """
    hash_of_file: dict[Path, str] = {}
    closely = len(clips) < _FEW_CLIPS * len({clip.label for clip in clips})

    def inspect_batch(batch: Sequence[Clip]) -> list[InspectedClip]:
        return _inspect_batch(batch, embedder, closely, hash_of_file)

    batches = (clips[start : start + _BATCH] for start in range(0, len(clips), _BATCH))
    for inspected in (map if embedder is None else embedder.map)(inspect_batch, batches):
        yield from inspected


def _inspect_batch(
    clips: Sequence[Clip], embedder: Embedder | None, closely: bool, hash_of_file: dict[Path, str]
) -> list[InspectedClip]:
    inspected: list[InspectedClip] = []
    samples: list[NDArray[np.float32] | None] = []
    for clip in clips:
        one, heard = _inspect_one(clip, hash_of_file)
        inspected.append(one)
        samples.append(heard)
    readable = [heard for heard in samples if heard is not None]
    if embedder is None or not readable:
        return inspected
    embeddings = iter(embedder.embed(readable, closely=closely))
    return [
        one if heard is None else replace(one, embedding=next(embeddings))
        for one, heard in zip(inspected, samples, strict=True)
    ]


def _inspect_one(clip: Clip, hash_of_file: dict[Path, str]) -> tuple[InspectedClip, NDArray[np.float32] | None]:
    file_hash = content = None
    try:
        file_hash = hash_of_file.get(clip.path) or content_hash(clip.path)
        hash_of_file[clip.path] = file_hash
        content = with_stretch(file_hash, clip)
        sound = read_clip_sound(clip)
        samples = sound.samples
    except AudioError as error:
        return InspectedClip(str(error), file_hash, content, None, None, None), None
    measures, print_ = sound_properties(samples), fingerprint_sound(samples)
    voice_hz = voice_centroids_hz(samples)
    return InspectedClip(None, file_hash, content, measures, print_, None, sound.notes, voice_hz), samples
