"""What old words lose when new ones are added: `speechtune add`, measured.

    python -m benchmarks.add_words [--seeds 3]

A checkpoint of eight commands is fine-tuned on `speech_commands_fewshot` without the clips of `stop` and `go`; then
these two are added. Clips of the old words and of `_unknown_` in `speech_commands_dev` are scored before and after:
detection rates are of the old words, and the threshold lets the same share of `_unknown_` clips through. `new` is the
detection rate of the added words. Per cent.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.recordings import DATA, KEYWORDS
from speechtune.data.sets.clips import Clip, ClipSet
from speechtune.data.sets.loading import load_clips
from speechtune.data.sets.manifest import write_manifest
from speechtune.evaluation.clips.scoring import answer_clips
from speechtune.evaluation.figures.detection import threshold_for
from speechtune.models.checkpoints.checkpoint import Checkpoint
from speechtune.recipe import Recipe
from speechtune.training.finetune import TrainingData, finetune
from speechtune.training.vocabulary import add_keywords

NEW = ("stop", "go")
OLD = tuple(word for word in KEYWORDS if word not in NEW)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(argv)
    table = Table("seed", "old at 5 %", "after", "old at 1 %", "after", "new at 5 %", "new at 1 %", box=None)
    pool, test = load_clips(DATA / "speech_commands_fewshot"), load_clips(DATA / "speech_commands_dev").clips
    with tempfile.TemporaryDirectory() as scratch:
        first, second = Path(scratch) / "first.jsonl", Path(scratch) / "second"
        write_manifest(first, _without_new(pool))
        for seed in range(options.seeds):
            recipe = Recipe(seed=seed)
            before = finetune(TrainingData(first, OLD), Path(scratch) / "old", recipe).checkpoint
            whole = TrainingData(DATA / "speech_commands_fewshot")
            after = add_keywords(Path(scratch) / "old", whole, NEW, second, recipe).checkpoint
            cells = [rate for far in (0.05, 0.01) for rate in (_rate(m, OLD, test, far) for m in (before, after))]
            cells += [_rate(after, NEW, test, far) for far in (0.05, 0.01)]
            table.add_row(str(seed), *(f"{100 * cell:.1f}" for cell in cells))
    Console(width=110).print(table)
    return 0


def _without_new(pool: ClipSet) -> ClipSet:
    kept = tuple(replace(clip, path=clip.path.resolve()) for clip in pool.clips if clip.label not in NEW)
    return replace(pool, clips=kept)


def _rate(model: Checkpoint, words: Sequence[str], test: Sequence[Clip], far: float) -> float:
    """Share of the clips of `words` that are detected rightly where `far` of the `_unknown_` clips are let through."""
    found = answer_clips(model.scorer(), [clip for clip in test if clip.label in (*words, "_unknown_")])
    threshold = threshold_for(found.keyword_score[found.is_unknown], far)
    hits = (found.best_keyword == found.truth) & (found.keyword_score >= threshold)
    return float(np.mean(hits[found.is_keyword]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
