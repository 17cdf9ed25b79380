"""What an inspection finds of the faults that are planted in a data set, and how many clean clips it accuses.

    python -m benchmarks.planted_faults DATA [--speaker-pattern REGEX] [--of-each 5] [--seeds 8] [--first-seed 0]

Planted are clips driven into clipping, silenced, cut in the middle of the word, under a wrong label, copied byte for
byte, copied through codecs at half the level and with their start cut off, and one speaker on both sides of a split.
The last line adds up the seeds. No limit was chosen on seeds of 8 and above.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.data.inspection.inspect import inspect_clips
from speechtune.data.inspection.report import InspectionReport
from speechtune.data.sets.clips import Clip, ClipSet, Split, read_clip
from speechtune.data.sets.loading import load_clips
from speechtune.errors import AudioError
from speechtune.models.clip_embeddings import ClipEmbedder, ClipEncoder
from speechtune.models.encoders.loading import load_encoder

KINDS = {
    "clipped": {"clipped"},
    "silent": {"silent"},
    "cut off": {"cut_off_start", "cut_off_end"},
    "swapped label": {"sounds_like_another"},
    "copied": {"duplicate"},
    "copied through a codec": {"near_duplicate"},
}
"""The findings that each planted fault is to be found with."""

_FORMS: tuple[tuple[str, dict[str, str]], ...] = (
    (".flac", {"format": "FLAC", "subtype": "PCM_24"}),
    (".ogg", {"format": "OGG", "subtype": "VORBIS"}),
    (".opus", {"format": "OGG", "subtype": "OPUS"}),
    (".mp3", {"format": "MP3", "subtype": "MPEG_LAYER_III"}),
    (".wav", {"format": "WAV", "subtype": "PCM_16"}),
)
_WORD_SAMPLES = 1_600
_LEAK = "speaker on both sides"


class Planted(NamedTuple):
    """A set with faults in it, and which fault every planted file has."""

    clips: tuple[Clip, ...]
    fault_of: dict[Path, str]


def plant(clips: Sequence[Clip], folder: Path, num_of_each: int, seed: int = 0) -> Planted:
    """Plant each fault `num_of_each` times, in clips drawn by the seed; the new files lie in `folder`."""
    rng = np.random.default_rng(seed)
    order = [int(place) for place in rng.permutation(len(clips))]
    labels = sorted({clip.label for clip in clips})
    planted, fault_of = list(clips), {}
    for number in range(num_of_each):
        for fault in KINDS:
            place = order.pop()
            clip = clips[place]
            path = folder / clip.label / f"{place}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            if fault == "copied":
                shutil.copyfile(clip.path, path)
                planted.append(replace(clip, path=path))
            elif fault == "copied through a codec":
                suffix, form = _FORMS[number % len(_FORMS)]
                path = path.with_suffix(suffix)
                _write(path, 0.5 * read_clip(clip)[int(rng.integers(0, 500)) :], form)
                planted.append(replace(clip, path=path))
            else:
                other = labels[(labels.index(clip.label) + 1 + int(rng.integers(len(labels) - 1))) % len(labels)]
                _write(path, _spoilt(read_clip(clip), fault, rng), {})
                planted[place] = replace(clip, path=path, label=other if fault == "swapped label" else clip.label)
            fault_of[path] = fault
    return Planted(tuple(planted), fault_of)


def _spoilt(samples: NDArray[np.float32], fault: str, rng: np.random.Generator) -> NDArray[np.float32]:
    if fault == "clipped":
        driven: NDArray[np.float32] = np.clip(samples / np.abs(samples).max() * 5.0, -1.0, 1.0)
        return driven
    if fault == "silent":
        return (1e-4 * rng.standard_normal(len(samples))).astype(np.float32)
    if fault == "cut off":
        width = min(_WORD_SAMPLES, len(samples))
        loudest = int(np.argmax(np.convolve(np.square(samples), np.ones(width), "same")))
        return samples[loudest:] if 4 * loudest < 3 * len(samples) else samples[:loudest]
    return samples


def _write(path: Path, samples: NDArray[np.float32], form: dict[str, str]) -> None:
    soundfile.write(path, samples, SAMPLE_RATE_HZ, **form)


def split_with_a_leak(clips: Sequence[Clip]) -> tuple[tuple[Clip, ...], str]:
    """Every third speaker tests, but one clip of one of them trains; and who that is."""
    speakers = sorted({clip.speaker for clip in clips if clip.speaker is not None})
    testing = set(speakers[::3])
    sides: list[Split] = ["test" if clip.speaker in testing else "train" for clip in clips]
    leaking = next(clip for clip in clips if clip.speaker in testing)
    sides[list(clips).index(leaking)] = "train"
    return tuple(replace(clip, split=side) for clip, side in zip(clips, sides, strict=True)), str(leaking.speaker)


def missed(report: InspectionReport, planted: Planted) -> dict[str, list[Path]]:
    """The planted files that were not found with their fault, by fault."""
    found = {one.clip.path: {finding.kind for finding in one.findings} for one in report.clips}
    missing: dict[str, list[Path]] = defaultdict(list)
    for path, fault in planted.fault_of.items():
        if not KINDS[fault] & found[path]:
            missing[fault].append(path)
    return dict(missing)


def clean_accused(report: InspectionReport, planted: Planted) -> tuple[int, int]:
    """How many clips without a planted fault are accused, and how many there are."""
    clean = [one for one in report.clips if one.clip.path not in planted.fault_of]
    return sum(bool(one.findings) for one in clean), len(clean)


def _is_readable(clip: Clip) -> bool:
    try:
        return bool(read_clip(clip).any())
    except AudioError:
        return False


class Outcome(NamedTuple):
    """What was found of one planting; `num_found` by fault, the leak among them."""

    num_found: dict[str, int]
    num_accused: int
    num_clean: int


def outcome(clip_set: ClipSet, num_of_each: int, seed: int, embedder: ClipEmbedder) -> Outcome:
    """Plant by the seed, inspect, compare."""
    clips = [clip for clip in clip_set.clips if _is_readable(clip)]
    with tempfile.TemporaryDirectory() as folder:
        planted = plant(clips, Path(folder), num_of_each, seed)
        split, leaking = split_with_a_leak(planted.clips)
        report = inspect_clips(clip_set.with_clips(split), embedder=embedder)
        missing = missed(report, planted)
        found = {fault: num_of_each - len(missing.get(fault, [])) for fault in KINDS}
        leaks = {leak.leak.what for leak in report.leaks if leak.leak.kind == "speaker"}
        return Outcome({**found, _LEAK: int(leaks == {leaking})}, *clean_accused(report, planted))


def _told(name: str, found: Sequence[Outcome], num_of_each: int) -> str:
    planted = {**dict.fromkeys(KINDS, num_of_each * len(found)), _LEAK: len(found)}
    told = [f"{fault} {sum(one.num_found[fault] for one in found)}/{num}" for fault, num in planted.items()]
    accused, clean = sum(one.num_accused for one in found), sum(one.num_clean for one in found)
    return f"{name}: found {', '.join(told)}; clean clips accused {accused}/{clean} ({accused / clean:.1%})"


def main() -> int:
    parser = argparse.ArgumentParser(prog="planted_faults")
    parser.add_argument("data", type=Path)
    parser.add_argument("--speaker-pattern")
    parser.add_argument("--of-each", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    clip_set = load_clips(options.data, options.speaker_pattern)
    embedder = ClipEmbedder(ClipEncoder(load_encoder("whisper-tiny.en")))
    found = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        found.append(outcome(clip_set, options.of_each, seed, embedder))
        print(_told(f"seed {seed}", found[-1:], options.of_each), flush=True)
    print(_told(f"all {len(found)}", found, options.of_each))
    shares = [one.num_accused / one.num_clean for one in found]
    print(f"clean clips accused: {min(shares):.1%} to {max(shares):.1%}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
