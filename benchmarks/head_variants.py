"""What to read off the encoder, and what to decide by: heads on the same varied clips of `whisper-tiny.en`, compared.

    python -m benchmarks.head_variants [--shots 10] [--seeds 5]

Clips, copies, penalty and iterations are those of `finetune`; only what the row names differs. `mix` learns a weight
for each layer and `attention` a query that weighs the frames, both with their linear layer, by Adam. `prototypes` takes
the cosine to each class's mean in place of a linear layer. Tested on `speech_commands_dev` as `benchmarks.few_shot`
does; mean and standard deviation over the seeds, in per cent.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from benchmarks.recordings import DATA, KEYWORDS
from speechtune.audio.placement import place_by_energy
from speechtune.data.sets.clips import Clip, read_clip
from speechtune.data.sets.loading import load_clips
from speechtune.evaluation.answers.predictions import Predictions
from speechtune.evaluation.figures.confusion import closed_set_accuracy
from speechtune.evaluation.figures.detection import detection_at_far
from speechtune.labels import LabelSet
from speechtune.models.classifier.block_fit import Prior
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.classifier.head import KeywordHead
from speechtune.models.classifier.labelled_rows import LabelledRows
from speechtune.models.encoders.loading import load_encoder
from speechtune.recipe import Recipe
from speechtune.training.head.word_prior import word_prior
from speechtune.training.material.embedding_cache import EmbeddedClips, embed_clips
from speechtune.training.material.training_set import TrainingData, read_training_set
from speechtune.training.stages import silent

_WINDOW = 16_000
_ADAM_STEPS, _ADAM_RATE = 300, 1e-3
_COSINE_SHARPNESS = 10.0


@dataclass(frozen=True)
class Features:
    """Rows of clips, as the encoder hears them.

    Attributes:
        layers: float32[N, L, 5 · D], mean, deviation and three segment means of every layer.
        decoder: float32[N, D], what Whisper's decoder is about to say.
        frames: float32[N, T, D], of the last layer.
    """

    layers: Tensor
    decoder: Tensor
    frames: Tensor


Answer = Callable[[Features, Tensor, int, Features], Tensor]
"""Training features, their targets, number of classes, test features -> logits float32[N, C] of the test."""


class _AllFeatures(KeywordClassifier):
    """Gives the frames of the last layer behind the usual embedding, so that one pass serves every variant."""

    def __init__(self, labels: LabelSet) -> None:
        encoder = load_encoder("whisper-tiny.en")
        every = tuple(range(1, encoder.num_layers + 1))
        super().__init__(encoder, labels, _WINDOW, layers=every, num_segments=3, uses_decoder=True)
        self.pooled_size = self.embedding_size
        self.embedding_size += encoder.num_frames(_WINDOW) * encoder.hidden_size

    def embed_features(self, features: Tensor) -> Tensor:
        frames = self.encoder.encode(features, None)[-1]
        return torch.cat([super().embed_features(features), frames.flatten(1)], dim=1)

    def parted(self, rows: Tensor) -> Features:
        size, num_layers = self.encoder.hidden_size, self.encoder.num_layers
        layers = rows[:, : self.pooled_size - size].reshape(len(rows), num_layers, -1)
        decoder = rows[:, self.pooled_size - size : self.pooled_size]
        return Features(layers, decoder, rows[:, self.pooled_size :].reshape(len(rows), -1, size))


def linear(
    blocks: Callable[[Features], list[Tensor]], weights: Sequence[float] = (1.0,), prior: Prior | None = None
) -> Answer:
    """The product's own head on these blocks."""

    def answer(train: Features, targets: Tensor, num_classes: int, test: Features) -> Tensor:
        rows = blocks(train)
        head = KeywordHead([block.shape[1] for block in rows], num_classes, weights)
        settings = Recipe().head
        head.fit(LabelledRows.balanced(torch.cat(rows, dim=1), targets, settings.class_balance), settings, prior)
        with torch.no_grad():
            logits: Tensor = head(torch.cat(blocks(test), dim=1))
        return logits

    return answer


def prototypes(blocks: Callable[[Features], list[Tensor]], weights: Sequence[float]) -> Answer:
    """Cosine to the mean of each class, block by block."""

    def answer(train: Features, targets: Tensor, num_classes: int, test: Features) -> Tensor:
        total = torch.zeros(len(test.decoder), num_classes)
        for weight, known, asked in zip(weights, blocks(train), blocks(test), strict=True):
            mean, scale = known.mean(dim=0), known.std(dim=0) + 1e-5
            standard, directions = normalize((known - mean) / scale), normalize((asked - mean) / scale)
            centres = torch.zeros(num_classes, known.shape[1]).index_add_(0, targets, standard)
            total += weight * torch.log_softmax(_COSINE_SHARPNESS * directions @ normalize(centres).T, dim=1)
        return total

    return answer


class _LayerMix(nn.Module):
    def __init__(self, sample: Features, num_classes: int) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.zeros(sample.layers.shape[1]))
        self.register_buffer("mean", sample.layers.mean(dim=0))
        self.register_buffer("scale", sample.layers.std(dim=0) + 1e-5)
        self.linear = nn.Linear(sample.layers.shape[2], num_classes)

    def forward(self, heard: Features) -> Tensor:
        standard = (heard.layers - self.mean) / self.scale
        logits: Tensor = self.linear(torch.einsum("nlf,l->nf", standard, torch.softmax(self.mix, dim=0)))
        return logits


class _Attention(nn.Module):
    def __init__(self, sample: Features, num_classes: int) -> None:
        super().__init__()
        size = sample.frames.shape[2]
        self.register_buffer("mean", sample.frames.mean(dim=(0, 1)))
        self.register_buffer("scale", sample.frames.std(dim=(0, 1)) + 1e-5)
        self.query = nn.Linear(size, 4)
        self.linear = nn.Linear(4 * size, num_classes)

    def forward(self, heard: Features) -> Tensor:
        standard = (heard.frames - self.mean) / self.scale
        pooled = torch.einsum("ntd,nth->nhd", standard, torch.softmax(self.query(standard), dim=1))
        logits: Tensor = self.linear(pooled.flatten(1))
        return logits


def by_adam(make: Callable[[Features, int], nn.Module]) -> Answer:
    """Trained on all rows at once, with the same penalty as the linear heads."""

    def answer(train: Features, targets: Tensor, num_classes: int, test: Features) -> Tensor:
        torch.manual_seed(0)
        network = make(train, num_classes)
        weights = torch.bincount(targets, minlength=num_classes).clamp(min=1).float().pow(-0.5)
        optimiser = torch.optim.Adam(network.parameters(), lr=_ADAM_RATE)
        rng = torch.Generator().manual_seed(0)
        for _ in range(_ADAM_STEPS):
            rows = torch.randint(len(targets), (256,), generator=rng)
            part = Features(train.layers[rows], train.decoder[rows], train.frames[rows])
            loss = cross_entropy(network(part), targets[rows], weights)
            penalty = sum(parameter.square().sum() for parameter in network.parameters() if parameter.ndim > 1)
            optimiser.zero_grad()
            (loss + Recipe().head.l2 / 2 * penalty / 100).backward()
            optimiser.step()
        with torch.no_grad():
            logits: Tensor = network(test)
        return logits

    return answer


def _ours(heard: Features) -> list[Tensor]:
    return [heard.layers[:, 1], heard.layers[:, -1], heard.decoder]


_OUR_WEIGHTS = (1.0, 1.0, 2.0)
VARIANTS: dict[str, Answer] = {
    "last layer: mean": linear(lambda heard: [heard.layers[:, -1, :384]]),
    "last layer: mean, deviation": linear(lambda heard: [heard.layers[:, -1, :768]]),
    "last layer: mean, deviation, segments": linear(lambda heard: [heard.layers[:, -1]]),
    "last layer: attention": by_adam(_Attention),
    "middle layer: mean, deviation, segments": linear(lambda heard: [heard.layers[:, 1]]),
    "mix of all layers": by_adam(_LayerMix),
    "decoder": linear(lambda heard: [heard.decoder]),
    "middle, last, decoder: one linear layer": linear(lambda heard: [torch.cat(_ours(heard), dim=1)]),
    "middle, last, decoder: prototypes": prototypes(_ours, _OUR_WEIGHTS),
    "middle, last, decoder: a linear layer each": linear(_ours, _OUR_WEIGHTS),
}
ONE_CLASS = "the same, all negative words one class"
WITH_NAMES = "the same, drawn to the decoder's own words (ours)"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args(argv)
    test = load_clips(DATA / "speech_commands_dev").clips
    heard: Features | None = None
    rows: dict[str, list[list[float]]] = {}
    for seed in range(options.seeds):
        recipe = Recipe(seed=seed)
        read = read_training_set(
            TrainingData(DATA / "speech_commands_fewshot", KEYWORDS, options.shots, noise=DATA / "noise"),
            recipe,
            silent,
        )
        classifier = _AllFeatures(read.labels).eval()
        heard = heard or classifier.parted(_embed_test(classifier, test))
        embedded = embed_clips(classifier, read, recipe, silent)
        prior = word_prior(classifier, read.clips, recipe.head, may_fetch=False)
        for name, found in _answers(classifier, embedded, heard, test, prior):
            rates = [detection_at_far(found, target).rate for target in (0.05, 0.01)]
            row = [closed_set_accuracy(found), *rates]
            rows.setdefault(name, []).append([100.0 * (value or 0.0) for value in row])
    Console(width=120).print(_table(rows))
    return 0


def _answers(
    classifier: _AllFeatures, embedded: EmbeddedClips, heard: Features, test: Sequence[Clip], prior: Prior | None
) -> Iterator[tuple[str, Predictions]]:
    train, targets, labels = classifier.parted(embedded.embeddings), embedded.targets, classifier.labels
    to_label = torch.from_numpy(np.eye(len(labels.labels), dtype=np.float32)[labels.label_of_class])
    ours = linear(_ours, _OUR_WEIGHTS)
    for name, answer in (VARIANTS | {WITH_NAMES: linear(_ours, _OUR_WEIGHTS, prior)}).items():
        logits = answer(train, targets, len(labels.classes), heard)
        yield name, _predictions(torch.softmax(logits / _temperature(name), dim=1) @ to_label, labels, test)
    merged = torch.from_numpy(labels.label_of_class)[targets]
    logits = ours(train, merged, len(labels.labels), heard)
    yield ONE_CLASS, _predictions(torch.softmax(logits / _temperature(ONE_CLASS), dim=1), labels, test)


def _temperature(name: str) -> float:
    """The sum of the blocks' weights, so that none is surer for having more of them."""
    return sum(_OUR_WEIGHTS) if any(part in name for part in ("each", "the same", "prototypes")) else 1.0


@torch.inference_mode()
def _embed_test(classifier: _AllFeatures, test: Sequence[Clip]) -> Tensor:
    windows = [place_by_energy(read_clip(clip), _WINDOW) for clip in test]
    parts = (np.stack(windows[start : start + 16]) for start in range(0, len(windows), 16))
    return torch.cat([classifier.embed(torch.from_numpy(part)) for part in parts])


def _predictions(posteriors: Tensor, labels: LabelSet, test: Sequence[Clip]) -> Predictions:
    words, ids = (
        tuple(clip.word or clip.label for clip in test),
        tuple(f"{clip.label}/{clip.path.stem}" for clip in test),
    )
    return Predictions(labels, posteriors.clamp(0.0, 1.0).numpy(), words, ids)


def _table(rows: dict[str, list[list[float]]]) -> Table:
    table = Table("head", "closed", "at 5 %", "at 1 %", box=None)
    for name, some in rows.items():
        columns = np.array(some).T
        table.add_row(name, *(f"{np.mean(column):.1f} ± {np.std(column):.1f}" for column in columns))
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
