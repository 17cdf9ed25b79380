"""The few-shot figures of the documents, made by the library's own `finetune` on the recordings beside the repository.

    python -m benchmarks.few_shot [--method auto] [--seeds 5] [--shots 10,5,1] [--parts words,own-digits,new-digits]

`words`: k clips of each of ten keywords and twenty other words of `speech_commands_fewshot` (the 10-shot draw takes all
clips, so that its seeds vary augmentation and training alone), tested on all of `speech_commands_dev`, whose speakers
are others. `unseen` counts only the `_unknown_` words that are not among the twenty. `5 dB` adds two of the six noise
recordings to the keyword clips, at 5 dB below the loudest 400 ms of the word; training hears only the other four.
`own-digits`: FSDD, 5 clips a digit of one speaker against that speaker's other takes. `new-digits`: 10 clips a digit of
each of five speakers against the sixth. Every seed with each of the six.

Settings are the recipe's defaults. Mean and standard deviation over the seeds, in per cent.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.recordings import DATA, KEYWORDS, TEST_NOISE, noisy_clip, test_noises
from speechtune.data.sets.clips import Clip
from speechtune.data.sets.loading import load_clips
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.clips.scoring import answer_clips
from speechtune.evaluation.figures.confusion import closed_set_accuracy
from speechtune.evaluation.figures.detection import detection_at_far, threshold_for, unseen_negatives
from speechtune.labels import LabelSet
from speechtune.models.checkpoints.checkpoint import Checkpoint
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.scorers.second_look import with_second_look
from speechtune.recipe import Recipe
from speechtune.recipe_files import load_recipe
from speechtune.streaming.config import Scorer
from speechtune.training.finetune import TrainingData, finetune

Row = dict[str, float]
Embeddings = dict[bytes, torch.Tensor]


class CachingScorer:
    """A scorer that embeds a window once for all heads on the same encoder; `cache` is empty for each new encoder."""

    def __init__(self, classifier: KeywordClassifier, thresholds: dict[str, float], cache: Embeddings) -> None:
        self._classifier = classifier.eval()
        self.thresholds = thresholds
        self._cache = cache

    @property
    def labels(self) -> LabelSet:
        """See `Scorer`."""
        return self._classifier.labels

    @property
    def window_samples(self) -> int:
        """See `Scorer`."""
        return self._classifier.window_samples

    @torch.inference_mode()
    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Scorer`."""
        keys = [hashlib.blake2b(window.tobytes(), digest_size=16).digest() for window in windows]
        missing = [index for index, key in enumerate(keys) if key not in self._cache]
        for start in range(0, len(missing), 16):
            some = missing[start : start + 16]
            for index, row in zip(some, self._classifier.embed(torch.tensor(windows[some])), strict=True):
                self._cache[keys[index]] = row
        logits = self._classifier.head(torch.stack([self._cache[key] for key in keys]))
        posteriors: NDArray[np.float32] = self._classifier.posteriors_from_logits(logits).numpy()
        return posteriors


def main(argv: Sequence[str]) -> int:
    options = _options(argv)
    console = Console(width=140)
    rows: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, row in _measured(options, Path(scratch)):
            rows.setdefault(name, []).append(row)
            console.print(f"{name}: " + " ".join(f"{key} {value:.2f}" for key, value in row.items()), highlight=False)
            if options.json is not None:
                options.json.write_text(json.dumps(rows, indent=1))
    console.print(_table(rows))
    return 0


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0, help="to go on where an earlier run ended")
    parser.add_argument("--shots", default="10,5,1")
    parser.add_argument("--parts", default="words,own-digits,new-digits")
    parser.add_argument("--method", default=None, help="tune.method; none: the recipe's default")
    parser.add_argument("--set", action="append", default=[], help="one setting, such as augment.copies=20")
    parser.add_argument("--json", type=Path, default=None)
    return parser.parse_args(argv)


def _measured(options: argparse.Namespace, scratch: Path) -> Iterator[tuple[str, Row]]:
    overrides = list(options.set) + ([f"tune.method={options.method}"] if options.method else [])
    quiet = _training_noise(options.data, scratch)
    cache: Embeddings = {}
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    recipes = [load_recipe(None, [*overrides, f"seed={seed}"]) for seed in seeds]
    if "words" in options.parts:
        for shots in map(int, options.shots.split(",")):
            for recipe in recipes:
                yield f"{shots}-shot", _words(options.data, quiet, shots, recipe, scratch / "model", cache)
    if "digits" in options.parts:
        clips = load_clips(options.data / "fsdd", r"^(?P<speaker>[a-z]+)_").clips
        for recipe, speaker in itertools.product(recipes, sorted({clip.speaker or "" for clip in clips})):
            own = [clip for clip in clips if clip.speaker == speaker]
            others = [clip for clip in clips if clip.speaker != speaker]
            if "own-digits" in options.parts:
                train, test = [c for c in own if _take(c) < 5], [c for c in own if _take(c) >= 5]
                yield "digits, own speaker, 5", _digit_accuracy(train, test, recipe, scratch, cache)
            if "new-digits" in options.parts:
                train = [clip for clip in others if _take(clip) < 10]
                yield "digits, new speaker, 10", _digit_accuracy(train, own, recipe, scratch, cache)


def _training_noise(data: Path, scratch: Path) -> Path:
    folder = scratch / "noise"
    folder.mkdir()
    for path in sorted((data / "noise").glob("*.flac")):
        if path.stem not in TEST_NOISE:
            (folder / path.name).symlink_to(path.resolve())
    return folder


def _words(data: Path, noise: Path, shots: int, recipe: Recipe, out: Path, cache: Embeddings) -> Row:
    start = time.process_time()
    result = finetune(TrainingData(data / "speech_commands_fewshot", KEYWORDS, shots, noise=noise), out, recipe)
    seconds = time.process_time() - start
    test = load_clips(data / "speech_commands_dev").clips
    scorer = _scorer(result.checkpoint, cache)
    found = answer_clips(scorer, test)
    threshold_of = np.array([result.checkpoint.thresholds[keyword] for keyword in KEYWORDS])
    let_through = found.keyword_score >= threshold_of[found.best_keyword]
    row = {
        "closed": _percent(closed_set_accuracy(found)),
        "at 5 %": _percent(detection_at_far(found, 0.05).rate),
        "at 1 %": _percent(detection_at_far(found, 0.01).rate),
        "unseen": _percent(_detected_unseen(found, 0.01)),
        "own thresholds": _percent(float((let_through & (found.best_keyword == found.truth))[found.is_keyword].mean())),
        "false": _percent(float(let_through[found.is_unknown].mean())),
    }
    if shots == 10:
        row["5 dB"] = _percent(closed_set_accuracy(_in_noise(data, scorer, test)))
    return row | {"CPU s": seconds}


def _detected_unseen(found: Predictions, target: float) -> float:
    """As `detection_at_far`; where the target is less than one clip of an unseen word, none gets through."""
    threshold = threshold_for(found.keyword_score[unseen_negatives(found)], target)
    hits = (found.best_keyword == found.truth) & (found.keyword_score >= threshold)
    return float(hits[found.is_keyword].mean())


def _scorer(checkpoint: Checkpoint, cache: Embeddings) -> Scorer:
    """As `checkpoint.scorer`, with a cache: one of its own for a tuned encoder, one for all on the pretrained one."""
    classifier = checkpoint.classifier
    weights = b"".join(p.detach().numpy().tobytes() for p in classifier.encoder.parameters())
    which = hashlib.blake2b(weights + str(classifier.layers).encode(), digest_size=16).digest()
    if cache.get(b"encoder") is None or bytes(cache[b"encoder"].tolist()) != which:
        cache.clear()
        cache[b"encoder"] = torch.tensor(list(which), dtype=torch.uint8)
    caching = CachingScorer(classifier, dict(checkpoint.thresholds), cache)
    return with_second_look(caching, checkpoint.recipe.clip.second_look)


def _in_noise(data: Path, scorer: Scorer, test: Sequence[Clip]) -> Predictions:
    recordings = test_noises(data)
    keyword_clips = [clip for clip in test if clip.label in KEYWORDS]
    number = {clip: index for index, clip in enumerate(keyword_clips)}
    return answer_clips(scorer, keyword_clips, lambda clip: noisy_clip(clip, number[clip], recordings))


def _take(clip: Clip) -> int:
    return int(clip.path.stem.split("_")[1])


def _digit_accuracy(
    train: Sequence[Clip], test: Sequence[Clip], recipe: Recipe, scratch: Path, cache: Embeddings
) -> Row:
    manifest = scratch / "train.jsonl"
    lines = [{"path": str(clip.path.resolve()), "label": clip.label, "speaker": clip.speaker} for clip in train]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    start = time.process_time()
    result = finetune(TrainingData(manifest, noise=scratch / "noise"), scratch / "model", recipe)
    seconds = time.process_time() - start
    scorer = _scorer(result.checkpoint, cache)
    return {"closed": _percent(closed_set_accuracy(answer_clips(scorer, test))), "CPU s": seconds}


def _percent(share: float | None) -> float:
    if share is None:
        raise ValueError("the figure cannot be measured on this data")
    return 100.0 * share


def _table(rows: dict[str, list[Row]]) -> Table:
    columns = list(dict.fromkeys(key for some in rows.values() for row in some for key in row))
    table = Table("", "runs", *columns, box=None)
    for name, some in rows.items():
        cells = []
        for key in columns:
            values = [row[key] for row in some if key in row]
            cells.append(f"{np.mean(values):.1f} ± {np.std(values):.1f}" if values else "")
        table.add_row(name, str(len(some)), *cells)
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
