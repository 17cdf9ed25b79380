"""Hours of sentences and noise with commands planted in them, one recording per noise level, and where they are.

    python -m data_scripts.mix_long_stream COMMANDS SENTENCES OUT --noise NOISE --snr-db 20,10,5,0 --minutes 40

COMMANDS is a data set (folder per label or manifest), SENTENCES a folder of recordings without commands, NOISE a
folder of background recordings. OUT receives `snr_20.flac` and `snr_20.txt` (an Audacity label track) for each level,
in the form that `speechtune evaluate --stream OUT` reads. No command clip is used twice, sentences come round again.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from data_scripts.mix_stream import write_truth
from speechtune.audio.files import read_audio
from speechtune.audio.timebase import SAMPLE_RATE_HZ, seconds_from_samples
from speechtune.data.sets.clips import Clip, read_clip
from speechtune.data.sets.loading import load_clips, load_negatives, load_noise
from speechtune.data.synthesis.planting import Planted, plant_commands
from speechtune.errors import ConfigError, ManifestError, SpeechTuneError
from speechtune.labels import RESERVED

_COMMANDS_PER_PART = 20
"""What is held in memory at once: about four minutes; each part has one background recording."""


@dataclass(frozen=True)
class Sources:
    """What a mix is made of; every clip is read when its turn comes.

    Attributes:
        commands: clips of keywords, in the order of their use.
        sentences: recordings without keywords, in the order of their use.
        noises: background recordings.
    """

    commands: tuple[Clip, ...]
    sentences: tuple[Clip, ...]
    noises: tuple[Path, ...]


def shuffled_sources(commands: Path, sentences: Path, noise: Path, seed: int) -> Sources:
    """Find the sources and bring commands and sentences into the seed's order.

    Raises:
        ManifestError: a folder cannot be read, or COMMANDS holds no recorded commands.
    """
    spoken = [clip for clip in load_clips(commands).clips if clip.label not in RESERVED and not clip.synthetic]
    if not spoken:
        raise ManifestError(f"{commands}: holds no commands that somebody recorded")
    rng = np.random.default_rng(seed)
    said = load_negatives(sentences).clips
    return Sources(
        commands=tuple(spoken[place] for place in rng.permutation(len(spoken))),
        sentences=tuple(said[place] for place in rng.permutation(len(said))),
        noises=load_noise(noise),
    )


def mixed_parts(
    sources: Sources, num_samples: int, snr_db: float, seed: int
) -> Iterator[tuple[NDArray[np.float32], tuple[Planted, ...], int]]:
    """Parts of one recording until it is `num_samples` long at least: samples, truth within the part, commands used.

    Raises:
        ConfigError: the commands run out first.
    """
    done = used = part = 0
    while done < num_samples:
        taken = sources.commands[used : used + _COMMANDS_PER_PART]
        if not taken:
            raise ConfigError(
                f"{len(sources.commands)} commands fill {seconds_from_samples(done) / 60:.0f} minutes; ask for fewer"
            )
        first = used % len(sources.sentences)
        sentences = [sources.sentences[(first + index) % len(sources.sentences)] for index in range(len(taken))]
        samples, truth = plant_commands(
            [(clip.label, read_clip(clip)) for clip in taken],
            [read_clip(clip) for clip in sentences],
            seed + part,
            noise=read_audio(sources.noises[part % len(sources.noises)]),
            noise_snr_db=snr_db,
        )
        yield samples, truth, len(taken)
        done, used, part = done + len(samples), used + len(taken), part + 1


def write_mix(sources: Sources, out: Path, num_samples: int, snr_db: float, seed: int) -> int:
    """Write one recording and its label track; return how many commands were used. Both appear whole or not at all.

    Raises:
        ConfigError: the commands run out first.
    """
    beside = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    written, truth = 0, list[Planted]()
    try:
        with soundfile.SoundFile(beside, "w", SAMPLE_RATE_HZ, 1, format="FLAC", subtype="PCM_16") as sound:
            for samples, planted, _ in mixed_parts(sources, num_samples, snr_db, seed):
                truth += [
                    replace(one, start_sample=one.start_sample + written, end_sample=one.end_sample + written)
                    for one in planted
                ]
                sound.write(samples)
                written += len(samples)
        write_truth(out.with_suffix(".txt"), truth)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    return len(truth)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the recordings and their truth; 0 if they are there, 2 if the input is at fault."""
    parser = argparse.ArgumentParser(prog="mix_long_stream", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("commands", type=Path, help="data set of the commands")
    parser.add_argument("sentences", type=Path, help="folder of recordings without commands")
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--noise", type=Path, required=True, help="folder of background recordings")
    parser.add_argument("--snr-db", default="20,10,5,0", help="levels of the speech over the noise, commas between")
    parser.add_argument("--minutes", type=float, default=40.0, help="length of each recording, at least")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    try:
        levels = [float(level) for level in options.snr_db.split(",")]
    except ValueError:
        parser.error("--snr-db: numbers with commas between, for example 20,10")
    try:
        _mix(options, levels)
    except SpeechTuneError as error:
        print(f"mix_long_stream: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _mix(options: argparse.Namespace, levels: Sequence[float]) -> None:
    sources = shuffled_sources(options.commands, options.sentences, options.noise, options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    for index, level in enumerate(levels):
        out = options.out / f"snr_{level:g}.flac"
        used = write_mix(sources, out, round(options.minutes * 60 * SAMPLE_RATE_HZ), level, options.seed + 1000 * index)
        sources = replace(sources, commands=sources.commands[used:])
        print(f"{out}: {used} commands")


if __name__ == "__main__":
    raise SystemExit(main())
