"""The two tasks that are set on Google Speech Commands: 12 labels and 35."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from speechtune.audio.stretches import count_samples
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.data.sets.clips import Clip, ClipSet, Split
from speechtune.labels import SILENCE, UNKNOWN

KEYWORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
_SHARE = 0.1
"""`_unknown_` and `_silence_` clips for each keyword clip, as in the official script."""


def twelve_labels(clip_set: ClipSet) -> ClipSet:
    """The ten keywords; the other words are `_unknown_`, and seconds of the noise are `_silence_`.

    In valid and test there are a tenth as many `_unknown_` clips as keyword clips, drawn by a hash of their names, as
    the official script draws them at random; training keeps them all. `_silence_` is a tenth too. Unlike the official
    script, a recording of noise serves one split only. Where a split has `_unknown_` or `_silence_` of its own, as the
    official test set has, it keeps those.
    """
    clips: list[Clip] = []
    noise_of = _share_out(clip_set.noise)
    splits: tuple[Split, ...] = ("train", "valid", "test")
    for split in splits:
        members = clip_set.in_split(split)
        keywords = [clip for clip in members if clip.label in KEYWORDS]
        wanted = math.ceil(_SHARE * len(keywords))
        given = [clip for clip in members if clip.label == UNKNOWN]
        words = [
            replace(clip, label=UNKNOWN, word=clip.label)
            for clip in members
            if clip.label not in (*KEYWORDS, UNKNOWN, SILENCE)
        ]
        if split != "train":
            words = [] if given else sorted(words, key=_draw_key)[:wanted]
        silence = [clip for clip in members if clip.label == SILENCE]
        clips += [*keywords, *given, *words, *(silence or _seconds_of(noise_of[split], wanted, split))]
    notes = ("_silence_ of a split is cut from recordings of noise that no other split has",) if clip_set.noise else ()
    return replace(clip_set, clips=tuple(clips), noise=tuple(noise_of["train"]), notes=(*clip_set.notes, *notes))


def all_words(clip_set: ClipSet) -> ClipSet:
    """Every word is a label: 35 in v0.02, 30 in v0.01. An `_unknown_` clip is one of its word; silence is left out."""
    words = (
        replace(clip, label=clip.word, word=None) if clip.label == UNKNOWN and clip.word is not None else clip
        for clip in clip_set.clips
    )
    return clip_set.with_clips(clip for clip in words if clip.label not in (UNKNOWN, SILENCE))


def _share_out(noise: Sequence[Path]) -> dict[Split, list[Path]]:
    """One recording for valid and one for test, if one is left for training; which ones, their names' hashes say."""
    ordered = sorted(noise, key=lambda path: hashlib.sha256(path.stem.encode()).hexdigest())
    if len(ordered) < 3:
        return {"train": ordered, "valid": [], "test": []}
    return {"train": ordered[2:], "valid": ordered[:1], "test": ordered[1:2]}


def _draw_key(clip: Clip) -> str:
    return hashlib.sha256(f"{clip.word}/{clip.path.name}".encode()).hexdigest()


def _seconds_of(recordings: Sequence[Path], wanted: int, split: Split) -> list[Clip]:
    """So many seconds, evenly spread over the recordings; they overlap where the recordings are too short."""
    clips = []
    for number, path in enumerate(recordings):
        count = wanted * (number + 1) // len(recordings) - wanted * number // len(recordings)
        room = count_samples(path) - SAMPLE_RATE_HZ
        if room < 0:
            continue
        starts = {room * place // max(count - 1, 1) for place in range(count)}
        clips += [
            Clip(path, SILENCE, split=split, start_sample=start, end_sample=start + SAMPLE_RATE_HZ)
            for start in sorted(starts)
        ]
    return clips


TASKS: dict[str, Callable[[ClipSet], ClipSet]] = {"12": twelve_labels, "35": all_words}
