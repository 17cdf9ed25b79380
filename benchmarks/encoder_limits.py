"""Between which bounds any head works on the encoder as it is: no clip at all, and the test's own noise and words.

    python -m benchmarks.encoder_limits

The keyword clips of `speech_commands_dev`, as recorded and in noise at 5 dB as `benchmarks.few_shot` mixes it. `no
clip` compares the decoder's first-word state with its own vocabulary and nothing else, and takes the keyword whose
score is furthest above its mean over all clips. `half of the voices` is the product's head, trained on half of the
test's speakers in the test's own noise, some ninety clips a word, and asked about the other half, each half in turn:
what it misses is not in the embedding, or not in a form that a linear layer reads.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.recordings import DATA, KEYWORDS, in_half_a, noisy_clip, test_noises
from speechtune.audio.placement import place_by_energy
from speechtune.data.sets.clips import read_clip
from speechtune.data.sets.loading import load_clips
from speechtune.labels import LabelSet
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.classifier.labelled_rows import LabelledRows
from speechtune.models.encoders.loading import load_encoder
from speechtune.models.encoders.word_vectors import load_word_vectors
from speechtune.recipe import Recipe

_WINDOW = 16_000
_BATCH = 16


def main(argv: Sequence[str]) -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(argv)
    clips = [clip for clip in load_clips(DATA / "speech_commands_dev").clips if clip.label in KEYWORDS]
    targets = torch.tensor([KEYWORDS.index(clip.label) for clip in clips])
    in_a = torch.tensor([in_half_a(clip) for clip in clips])
    noises, classifier = test_noises(DATA), _classifier()
    for name, windows in (
        ("as recorded", [read_clip(clip) for clip in clips]),
        ("in noise at 5 dB", [noisy_clip(clip, number, noises) for number, clip in enumerate(clips)]),
    ):
        embeddings = _embedded(classifier, np.stack([place_by_energy(samples, _WINDOW) for samples in windows]))
        right = 0
        for tested in (in_a, ~in_a):
            settings, rows = Recipe().head, torch.nonzero(~tested)[:, 0]
            classifier.head.fit(LabelledRows.balanced(embeddings, targets, settings.class_balance, rows), settings)
            with torch.no_grad():
                found = classifier.head(embeddings[tested])[:, : len(KEYWORDS)].argmax(dim=1)
            right += int((found == targets[tested]).sum())
        unheard = _share_without_clips(embeddings[:, -classifier.encoder.hidden_size :], targets)
        print(f"{name}: no clip {unheard:.1f} %, half of the voices {100.0 * right / len(clips):.1f} %")
    return 0


def _share_without_clips(states: torch.Tensor, targets: torch.Tensor) -> float:
    vectors = load_word_vectors(Recipe().encoder.name, may_fetch=False)
    if vectors is None:
        raise SystemExit("the vocabulary of the default encoder is not at hand")
    scores = states @ torch.from_numpy(vectors.directions(KEYWORDS)).T
    return 100.0 * float(((scores - scores.mean(dim=0)).argmax(dim=1) == targets).float().mean())


def _classifier() -> KeywordClassifier:
    encoder, recipe = load_encoder(Recipe().encoder.name), Recipe()
    return KeywordClassifier(
        encoder,
        LabelSet(KEYWORDS, ()),
        _WINDOW,
        layers=(encoder.num_layers // 2, encoder.num_layers),
        num_segments=recipe.encoder.num_segments,
        uses_decoder=True,
        decoder_weight=recipe.head.decoder_weight,
    ).eval()


@torch.inference_mode()
def _embedded(classifier: KeywordClassifier, windows: NDArray[np.float32]) -> torch.Tensor:
    return torch.cat([classifier.embed(batch) for batch in torch.split(torch.from_numpy(windows), _BATCH)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
