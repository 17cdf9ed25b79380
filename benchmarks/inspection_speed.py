"""How many times faster than real time a data set is inspected, with and without doubting labels.

    python -m benchmarks.inspection_speed DATA [--speaker-pattern REGEX]

Imports and the loading of the encoder are not counted; wall time, and the processor time of all cores.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from speechtune.audio.timebase import seconds_from_samples
from speechtune.data.inspection.inspect import inspect_clips
from speechtune.data.inspection.inspected_clip import Embedder
from speechtune.data.sets.loading import load_clips
from speechtune.models.clip_embeddings import ClipEmbedder, ClipEncoder
from speechtune.models.encoders.loading import load_encoder


def main() -> int:
    parser = argparse.ArgumentParser(prog="inspection_speed")
    parser.add_argument("data", type=Path)
    parser.add_argument("--speaker-pattern")
    options = parser.parse_args()
    clip_set = load_clips(options.data, options.speaker_pattern)
    encoder = ClipEmbedder(ClipEncoder(load_encoder("whisper-tiny.en")))
    inspect_clips(clip_set.with_clips(clip_set.clips[:64]), embedder=encoder)
    embedders: dict[str, Embedder | None] = {"without encoder": None, "with tiny.en": encoder}
    for name, embedder in embedders.items():
        wall, cpu = time.perf_counter(), time.process_time()
        report = inspect_clips(clip_set, embedder=embedder)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        audio = seconds_from_samples(report.num_samples)
        print(
            f"{name}: {len(report.clips)} clips, {audio:.0f} s of audio in {wall:.2f} s "
            f"({audio / wall:.0f} x real time), "
            f"{cpu:.2f} s of processor ({audio / cpu:.0f} x on one core); {len(report.accused)} accused "
            f"({len(report.accused) / len(report.clips):.1%}): {report.num_findings}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
