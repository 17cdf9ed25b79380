"""Phrases in talk: misses, false accepts an hour and half phrases, for models trained on ten clips of each.

    python -m benchmarks.talk prepare DATA OUT [--seeds 3] [--hours]
    speechtune finetune OUT/train/words_0.jsonl --keywords computer,smart_mirror,snowboy --out CKPT
    speechtune finetune OUT/train/alone_0.jsonl --out CKPT
    python -m benchmarks.talk measure CKPT... --mixes OUT/mixes

`prepare` keeps forty clips of each phrase of DATA/phrases_dev to be planted, and draws ten of the others for each seed:
alone, and with the words of DATA/speech_commands_fewshot as negatives. Nothing of what is planted or played as talk is
learnt from. The mixes: `pauses`, phrases between pauses inside sentences; `noise`, the same in noise at 10 dB;
`running`, phrases inside sentences with 0 to 50 ms round them; `halves`, the two words of `smart mirror` alone; `talk`,
no phrase at all: sentences, two people at once, digits and words strung together. Of the two hours that are played
about an hour and a half is independent talk: 43 minutes of sentences, the rest digits and words. With `--hours` there
is `varied` too: the same sentences eight times at other speeds and pitches, four times in noise, in three rooms, and
three voices at once, which makes close to six hours with `talk`, of which no more are independent.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from data_scripts.mix_stream import write_truth
from speechtune.audio.files import read_audio, write_flac
from speechtune.audio.levels import active_range
from speechtune.audio.resample import resample
from speechtune.audio.timebase import SAMPLE_RATE_HZ, samples_from_ms
from speechtune.data.sets.clips import Clip, read_clip
from speechtune.data.sets.loading import load_clips, load_negatives, load_noise
from speechtune.data.synthesis.planting import Planted, plant_commands, quietest_place
from speechtune.data.variation.rooms import draw_room, reverberate
from speechtune.data.variation.running_speech import faded, spoken_part
from speechtune.errors import SpeechTuneError
from speechtune.evaluation.streams.playback import play
from speechtune.evaluation.streams.recordings import find_recordings
from speechtune.evaluation.streams.scoring import score_streams
from speechtune.labels import SILENCE
from speechtune.models.opened import open_model
from speechtune.streaming.voice.activity import SileroActivity

MIXES = ("pauses", "noise", "running", "halves", "talk", "varied")
_SEED = 5
_NUM_PLANTED, _NUM_TAUGHT = 40, 10
_NOISE_SNR_DB = 10.0
_SPEEDS = (0.8, 0.85, 0.92, 0.96, 1.04, 1.08, 1.18, 1.25)
_VARIED_SNR_DB = (20.0, 10.0, 5.0, 0.0)
_HALF_PAUSE = samples_from_ms(750)

_Samples = NDArray[np.float32]


def prepare(data: Path, out: Path, num_seeds: int, *, with_hours: bool) -> None:
    """Write the training manifests and the mixes."""
    rng = np.random.default_rng(_SEED)
    of_phrase: dict[str, list[Clip]] = defaultdict(list)
    for clip in load_clips(data / "phrases_dev").clips:
        of_phrase[clip.label].append(clip)
    shuffled = {name: [clips[place] for place in rng.permutation(len(clips))] for name, clips in of_phrase.items()}
    words = load_clips(data / "speech_commands_fewshot").clips
    (out / "train").mkdir(parents=True, exist_ok=True)
    for seed in range(num_seeds):
        rng = np.random.default_rng(seed)
        taught: list[Clip] = []
        for clips in shuffled.values():
            rest = clips[_NUM_PLANTED:]
            taught += [rest[place] for place in rng.permutation(len(rest))[:_NUM_TAUGHT]]
        _write_manifest(out / "train" / f"alone_{seed}.jsonl", taught)
        _write_manifest(out / "train" / f"words_{seed}.jsonl", [*taught, *words])
    planted = [clip for clips in shuffled.values() for clip in clips[:_NUM_PLANTED]]
    planted = [planted[place] for place in rng.permutation(len(planted))]
    _write_mixes(data, out / "mixes", [(clip.label, read_clip(clip)) for clip in planted])
    if with_hours:
        _write_hours(data, out / "mixes")


def _write_manifest(path: Path, clips: Sequence[Clip]) -> None:
    rows = [{"path": str(clip.path.absolute()), "label": clip.label, "speaker": clip.speaker} for clip in clips]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _write_mixes(data: Path, out: Path, phrases: Sequence[tuple[str, _Samples]]) -> None:
    sentences = [read_clip(clip) for clip in load_negatives(data / "sentences_dev").clips]
    half = len(sentences) // 2
    noise = np.concatenate([read_audio(path) for path in load_noise(data / "noise")])
    _write(out, "pauses", "pauses", *plant_commands(phrases, sentences[:half], 1))
    noisy = plant_commands(phrases, sentences[half:], 2, noise=noise, noise_snr_db=_NOISE_SNR_DB)
    _write(out, "noise", "noise", *noisy)
    _write(out, "running", "running", *plant_commands(phrases, sentences[:half], 3, pause_ms=(0, 50)))
    parts = [part for name, samples in phrases if name == "smart_mirror" for part in _halves(samples)]
    gap = np.zeros(_HALF_PAUSE, dtype=np.float32)
    _write(out, "halves", "halves", np.concatenate([gap, *(piece for part in parts for piece in (part, gap))]), ())
    digits = [read_clip(clip) for clip in load_clips(data / "fsdd").clips[::2]]
    words = [read_clip(clip) for clip in load_clips(data / "speech_commands_dev").clips if clip.label != SILENCE][::2]
    one, other = (_strung(sentences, seed, (100, 500)) for seed in (7, 8))
    length = min(len(one), len(other)) // 2
    for name, samples in {
        "sentences": _strung(sentences[len(phrases) :], 4, (100, 500)),
        "digits": _strung(digits, 5, (0, 250)),
        "words": _strung(words, 6, (0, 150)),
        "two_at_once": 0.7 * (one[:length] + other[:length]),
    }.items():
        _write(out, "talk", name, samples, ())


def _write_hours(data: Path, out: Path) -> None:
    """Talk that tells little more than what it is made of, but passes through everything that speech is made to."""
    sentences = [read_clip(clip) for clip in load_negatives(data / "sentences_dev").clips]
    for number, speed in enumerate(_SPEEDS):
        # Heard at another rate than it has, speech is faster or slower, and its vocal tract shorter or longer.
        changed = [resample(sentence, round(SAMPLE_RATE_HZ * speed)) for sentence in sentences]
        _write(out, "varied", f"speed_{speed}", _strung(changed, 20 + number, (100, 500)), ())
    noise = np.concatenate([read_audio(path) for path in load_noise(data / "noise")])
    for number, snr_db in enumerate(_VARIED_SNR_DB):
        speech = _strung(sentences, 30 + number, (100, 500))
        under = np.resize(noise, len(speech)) * _rms(speech) / _rms(noise) * 10.0 ** (-snr_db / 20.0)
        _write(out, "varied", f"noise_{snr_db:g}", 0.5 * (speech + under), ())
    for number in range(3):
        room = reverberate(_strung(sentences, 40 + number, (100, 500)), draw_room(number))
        _write(out, "varied", f"room_{number}", room, ())
        voices = [_strung(sentences, 50 + 3 * number + voice, (100, 500)) for voice in range(3)]
        together = np.sum([0.5 * voice[: len(voices[0]) // 2] for voice in voices], axis=0)
        _write(out, "varied", f"three_at_once_{number}", together, ())


def _rms(samples: _Samples) -> float:
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean()))


def _write(out: Path, mix: str, name: str, samples: _Samples, truth: Sequence[Planted]) -> None:
    folder = out / mix
    folder.mkdir(parents=True, exist_ok=True)
    write_flac(folder / f"{name}.flac", np.clip(samples, -1.0, 1.0).astype(np.float32))
    write_truth(folder / f"{name}.txt", truth)
    print(f"{folder / name}: {len(samples) / SAMPLE_RATE_HZ / 60:.1f} minutes, {len(truth)} phrases")


def _halves(samples: _Samples) -> tuple[_Samples, _Samples]:
    start, end = active_range(samples) or (0, len(samples))
    spoken = samples[start:end]
    cut = quietest_place(spoken)
    return faded(spoken_part(spoken[:cut])), faded(spoken_part(spoken[cut:]))


def _strung(clips: Sequence[_Samples], seed: int, gap_ms: tuple[int, int]) -> _Samples:
    rng = np.random.default_rng(seed)
    parts: list[_Samples] = []
    for place in rng.permutation(len(clips)).tolist():
        parts += [spoken_part(clips[place]), np.zeros(samples_from_ms(int(rng.integers(*gap_ms))), dtype=np.float32)]
    return np.concatenate(parts)


def measure(checkpoints: Sequence[Path], mixes: Path) -> Table:
    """Listen to every mix with every checkpoint at its own thresholds."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("checkpoint", "mix", "phrases", "missed", "false", "hours", "an hour", "95 %"):
        table.add_column(heading, justify="left" if heading in ("checkpoint", "mix") else "right")
    for checkpoint in checkpoints:
        system = open_model(checkpoint)
        for mix in (mix for mix in MIXES if (mixes / mix).is_dir()):
            recordings = find_recordings(mixes / mix)
            heard = play(system.scorer, SileroActivity(), recordings, system.settings, exact_from=1.0)
            scores = score_streams(heard.streams, heard.labels.keywords)
            total, rate = scores.total, scores.total.alone_interval
            table.add_row(
                checkpoint.name,
                mix,
                str(total.num_spoken),
                "–" if total.false_reject_rate is None else f"{total.false_reject_rate:.1%}",
                str(total.num_alone),
                f"{scores.negative_hours:.2f}",
                "–" if total.alone_per_hour is None else f"{total.alone_per_hour:.2f}",
                "–" if rate is None else f"{rate.low:.1f}–{rate.high:.1f}",
            )
    return table


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the two steps; 0 if it came to its end, 2 if the input is at fault."""
    parser = argparse.ArgumentParser(prog="talk", description=(__doc__ or "").splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    first = steps.add_parser("prepare")
    first.add_argument("data", type=Path)
    first.add_argument("out", type=Path)
    first.add_argument("--seeds", type=int, default=3)
    first.add_argument("--hours", action="store_true", help="write the mix `varied` too")
    second = steps.add_parser("measure")
    second.add_argument("checkpoints", type=Path, nargs="+")
    second.add_argument("--mixes", type=Path, required=True)
    options = parser.parse_args(argv)
    try:
        if options.step == "prepare":
            prepare(options.data, options.out, options.seeds, with_hours=options.hours)
        else:
            Console(width=110).print(measure(options.checkpoints, options.mixes))
    except SpeechTuneError as error:
        print(f"talk: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
