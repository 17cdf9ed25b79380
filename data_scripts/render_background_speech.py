"""Render the background speech that ships with the package: many voices saying words and sentences of every day.

    python -m data_scripts.render_background_speech

Whoever fine-tunes on commands alone has no recording of anything else; these stretches teach what talk sounds like.
They train, and never judge. The texts lie in `data_scripts/background_speech` and were written for this purpose; the
voices are eSpeak NG's (extra `demo`) and, for a part of the English texts, those of the Debian package `flite`. What a
synthesiser says is not covered by its licence; the result is under this project's own.

Written are `speechtune/data/background/speech.ogg`, all stretches one after the other as Opus, and `speech.json`: text,
voice, first and last sample of each.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechtune.audio.files import read_audio
from speechtune.audio.timebase import SAMPLE_RATE_HZ, samples_from_ms
from speechtune.data.synthesis.voices import Voice, synthesize, voices
from speechtune.data.variation.running_speech import spoken_part
from speechtune.errors import ConfigError, SpeechTuneError
from speechtune.whole_files import write_whole

_TEXTS = Path(__file__).parent / "background_speech"
_TARGET = Path(__file__).parents[1] / "speechtune" / "data" / "variation" / "background"
_SEED = 20
_GAP = samples_from_ms(100)
"""Between two stretches, so that none runs into the next when the codec smears them."""
_FLITE_VOICES = ("rms", "slt", "awb", "kal16")
_FLITE_EVERY = 3
"""One English text in so many is said by Flite, whose voices were made of recordings of people."""
_COMPRESSION = 0.96


def texts() -> Iterator[tuple[str, str, bool]]:
    """Language (``en`` or eSpeak's name), text, and whether it is a single word; in the order of the files."""
    for name in ("words", "sentences.en", "sentences.other"):
        lines = (_TEXTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        for line in (line for line in lines if line and not line.startswith("#")):
            if name == "words":
                yield from (("en", word, True) for word in line.split())
            elif name == "sentences.en":
                yield "en", line, False
            else:
                language, text = line.split("\t")
                yield language, text, False


def say(language: str, text: str, number: int, rng: np.random.Generator) -> tuple[str, NDArray[np.float32]]:
    """The name of a voice, and what it says, float32[N] at 16 kHz without the quiet round it."""
    if language == "en" and number % _FLITE_EVERY == 0:
        name = _FLITE_VOICES[number // _FLITE_EVERY % len(_FLITE_VOICES)]
        return f"flite {name}", spoken_part(_flite(text, name))
    everybody = voices()
    drawn = everybody[int(rng.integers(len(everybody)))].varied(rng)
    voice = drawn if language == "en" else Voice(drawn.variant, language, drawn.words_per_minute, drawn.pitch)
    return f"espeak {voice.accent} {voice.variant}", spoken_part(synthesize(text, voice))


def _flite(text: str, name: str) -> NDArray[np.float32]:
    if shutil.which("flite") is None:
        raise ConfigError("flite is not installed; run: apt-get install flite")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        subprocess.run(["flite", "-voice", name, "-t", text, "-o", str(path)], check=True)
        return read_audio(path)


def render(target: Path) -> None:
    """Write both files into the folder `target`."""
    pieces: list[NDArray[np.float32]] = []
    index: list[dict[str, str | int | bool]] = []
    position = 0
    for number, (language, text, is_word) in enumerate(texts()):
        voice, samples = say(language, text, number, np.random.default_rng((_SEED, number)))
        index.append(
            {"text": text, "language": language, "voice": voice, "is_word": is_word}
            | {"start_sample": position, "end_sample": position + len(samples)}
        )
        pieces += [samples, np.zeros(_GAP, dtype=np.float32)]
        position += len(samples) + _GAP
    target.mkdir(parents=True, exist_ok=True)
    everything = np.clip(np.concatenate(pieces), -1.0, 1.0)
    with tempfile.TemporaryDirectory(dir=target) as folder:
        beside = Path(folder) / "speech.ogg"
        soundfile.write(
            beside, everything, SAMPLE_RATE_HZ, format="OGG", subtype="OPUS", compression_level=_COMPRESSION
        )
        beside.rename(target / "speech.ogg")
    write_whole(
        target / "speech.json", "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in index) + "\n]\n"
    )
    size = (target / "speech.ogg").stat().st_size
    print(f"{target}: {len(index)} stretches, {position / SAMPLE_RATE_HZ:.0f} s, {size / 1e6:.2f} MB")


def main(argv: Sequence[str] | None = None) -> int:
    """Render; 0 if it came to its end, 2 if the input is at fault."""
    parser = argparse.ArgumentParser(prog="render_background_speech", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=_TARGET, help="folder (default: where the package keeps it)")
    options = parser.parse_args(argv)
    try:
        render(options.out)
    except SpeechTuneError as error:
        print(f"render_background_speech: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
