"""Plant commands inside sentences and noise, and write down where: a long recording whose truth is known.

    python -m data_scripts.mix_stream COMMANDS SENTENCES OUT.flac --count 30

COMMANDS is a data set (folder per label or manifest), SENTENCES a folder of recordings without commands. Beside
OUT.flac come OUT.jsonl (label, start_sample, end_sample at 16 kHz) and OUT.txt (an Audacity label track).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from speechtune.audio.files import read_audio, write_flac
from speechtune.audio.timebase import seconds_from_samples
from speechtune.data.sets.clips import read_clip
from speechtune.data.sets.loading import load_clips, load_negatives
from speechtune.data.synthesis.planting import Planted, plant_commands
from speechtune.errors import ManifestError, SpeechTuneError
from speechtune.labels import RESERVED
from speechtune.whole_files import write_whole


def write_truth(path: Path, truth: Sequence[Planted]) -> None:
    """Write the truth as JSONL, or as an Audacity label track if the name ends in `.txt`; whole or not at all."""
    if path.suffix.lower() == ".txt":
        lines = [
            f"{seconds_from_samples(planted.start_sample):.6f}\t{seconds_from_samples(planted.end_sample):.6f}"
            f"\t{planted.label}\n"
            for planted in truth
        ]
    else:
        lines = [json.dumps(asdict(planted), ensure_ascii=False) + "\n" for planted in truth]
    write_whole(path, "".join(lines))


def read_truth(path: Path) -> tuple[Planted, ...]:
    """Read a truth list in JSONL.

    Raises:
        ManifestError: a line is not of the form; the message names it.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(_planted(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1))


def _planted(line: str, where: str) -> Planted:
    try:
        planted = Planted(**json.loads(line))
        return Planted(str(planted.label), int(planted.start_sample), int(planted.end_sample))
    except (ValueError, TypeError) as error:
        raise ManifestError(f"{where}: not label, start_sample and end_sample ({error})") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Write the recording and its truth; 0 if they are there, 2 if the input is at fault."""
    parser = argparse.ArgumentParser(prog="mix_stream", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("commands", type=Path, help="data set of the commands")
    parser.add_argument("sentences", type=Path, help="folder of recordings without commands")
    parser.add_argument("out", type=Path, help="the recording to write, .flac")
    parser.add_argument("--count", type=int, default=30, help="how many commands to plant")
    parser.add_argument("--noise", type=Path, help="a recording to lay under it")
    parser.add_argument("--snr-db", type=float, default=25.0, help="level of the speech over the noise")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    if options.count < 1:
        parser.error("--count: at least 1")
    try:
        truth, num_samples = _mix(options)
    except SpeechTuneError as error:
        print(f"mix_stream: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{options.out}: {len(truth)} commands in {seconds_from_samples(num_samples):.1f} s")
    return 0


def _mix(options: argparse.Namespace) -> tuple[tuple[Planted, ...], int]:
    spoken = [clip for clip in load_clips(options.commands).clips if clip.label not in RESERVED and not clip.synthetic]
    if not spoken:
        raise ManifestError(f"{options.commands}: holds no commands that somebody recorded")
    rng = np.random.default_rng(options.seed)
    chosen = [spoken[place] for place in rng.integers(len(spoken), size=options.count)]
    sentences = load_negatives(options.sentences).clips
    order = rng.permutation(len(sentences))[: options.count]
    samples, truth = plant_commands(
        [(clip.label, read_clip(clip)) for clip in chosen],
        [read_clip(sentences[place]) for place in order],
        options.seed,
        noise=None if options.noise is None else read_audio(options.noise),
        noise_snr_db=options.snr_db,
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_flac(options.out, samples)
    write_truth(options.out.with_suffix(".jsonl"), truth)
    write_truth(options.out.with_suffix(".txt"), truth)
    return truth, len(samples)


if __name__ == "__main__":
    raise SystemExit(main())
