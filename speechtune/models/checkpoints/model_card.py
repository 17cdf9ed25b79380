"""The README of a checkpoint: a model card in the Hugging Face form, made of what is known and of nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from pydantic import JsonValue

from speechtune.audio.timebase import SAMPLE_RATE_HZ, ms_from_samples
from speechtune.errors import ConfigError
from speechtune.models.checkpoints.files import CARD_FILE, CheckpointDescription
from speechtune.models.encoders.packaged import PACKAGED_ENCODERS

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

_ORDER = ["library_name", "pipeline_tag", "tags", "base_model", "datasets", "metrics"]
_CROSS_FITTED = (
    ("closed_set_accuracy", "accuracy", "Accuracy, keywords alone, estimated"),
    ("detection_rate", "detection_rate", "Keywords detected at their thresholds, estimated"),
    ("false_accept_rate", "false_accept_rate", "Negative clips taken for a keyword, estimated"),
)
"""Fact of the training -> metric and words."""

_LIMITS = """## Where it fails

- It hears one window at a time: a command that is longer than the window is cut.
- It knows the voices, rooms and microphones of its recordings; far, noisy or unusual speech is heard less well.
- Words that sound like a command can pass for it. Words it was shown as negatives are told apart best.
- Confidences and thresholds were set on the recordings above. Measure on your own before relying on them:
  `speechtune evaluate CHECKPOINT DATA --out DIR`.
- It says which word was said, not who said it: it is no lock."""


@dataclass(frozen=True)
class CardFigure:
    """A figure as the hub's metadata have it.

    Attributes:
        metric: the hub's own name of it, such as `accuracy`, or ours.
        words: what a person reads, interval included.
        value: the share, or the rate.
        data: what it was measured on.
        data_kind: one word for it; figures of the same kind are of the same data.
    """

    metric: str
    words: str
    value: float
    data: str
    data_kind: str


def write_card(
    description: CheckpointDescription,
    name: str,
    *,
    figures: Sequence[CardFigure] = (),
    datasets: Sequence[str] = (),
    library: Literal["speechtune", "transformers"] = "speechtune",
) -> str:
    """The card as Markdown, with the hub's metadata before it.

    Args:
        description: of the checkpoint.
        name: of its folder or repository.
        figures: of an evaluation; what the checkpoint knows of itself stands before them.
        datasets: ids on the hub of what it learnt from.
        library: what the folder is for.
    """
    encoder_name = str(description.encoder["name"])
    known = (*own_figures(description.training), *figures)
    sections = [
        f"---\n{_metadata(library, encoder_name, name, known, datasets).to_yaml(original_order=_ORDER)}\n---",
        f"# {name}\n\nRecognises {len(description.keywords)} spoken commands in audio of {SAMPLE_RATE_HZ} Hz, mono. "
        "Made with speechtune from a pretrained speech encoder and recordings of each command.",
        _commands(description),
        "## What it is made of\n\n" + _table(("part", "what"), _parts(description, encoder_name)),
        "## Its making\n\n" + _facts(description.training),
        *([_figures(figures)] if figures else []),
        _usage(name) if library == "speechtune" else _usage_of_transformers(name),
        _LIMITS,
    ]
    return "\n\n".join(sections) + "\n"


def own_figures(training: Mapping[str, JsonValue]) -> tuple[CardFigure, ...]:
    """What a checkpoint's making says of how good it is: estimates, and named so."""
    found = []
    cross_fitted = training.get("cross_fitted")
    if isinstance(cross_fitted, dict):
        for fact, metric, words in _CROSS_FITTED:
            value = cross_fitted.get(fact)
            if isinstance(value, int | float):
                found.append(CardFigure(metric, words, value, "the training clips, each held out in turn", "training"))
    talk = training.get("false_accepts_on_talk")
    if isinstance(talk, dict) and isinstance(talk.get("per_hour"), int | float):
        heard = f"{talk.get('minutes_heard')} minutes of talk: {talk.get('talk')}"
        found.append(
            CardFigure(
                "false_accepts_per_hour", "False accepts an hour, estimated", _number(talk["per_hour"]), heard, "talk"
            )
        )
    return tuple(found)


def updated_metadata(card: str, *, figures: Sequence[CardFigure], datasets: Sequence[str], name: str) -> str:
    """A card that a person wrote or changed, with these figures and data sets among its metadata; its text stays.

    Raises:
        ConfigError: its metadata cannot be read.
    """
    from huggingface_hub import ModelCard

    try:
        changed = ModelCard(card)
    except Exception as error:  # of a YAML library that is not ours, and the hub's own
        raise ConfigError(f"{CARD_FILE}: its metadata cannot be read ({error}); correct them") from error
    data: Any = changed.data  # made of whatever keys the card has
    known = data.datasets or []
    data.datasets = list(dict.fromkeys([*([known] if isinstance(known, str) else known), *datasets])) or None
    if figures:
        data.eval_results = [*(data.eval_results or []), *map(_result, figures)]
        data.model_name = data.model_name or name
    return str(changed)


def _metadata(
    library: str, encoder_name: str, name: str, figures: Sequence[CardFigure], datasets: Sequence[str]
) -> ModelCardData:
    from huggingface_hub import ModelCardData

    base_model = None
    if encoder_name in PACKAGED_ENCODERS:
        base_model = PACKAGED_ENCODERS[encoder_name].origin
    elif encoder_name.count("/") == 1 and not encoder_name.startswith(("/", ".")):
        base_model = encoder_name
    return ModelCardData(
        library_name=library,
        pipeline_tag="audio-classification",
        tags=["speechtune", "keyword-spotting", "speech-commands"],
        base_model=base_model,
        datasets=list(datasets) or None,
        metrics=list(dict.fromkeys(figure.metric for figure in figures)) or None,
        model_name=name if figures else None,
        eval_results=[_result(figure) for figure in figures] or None,
    )


def _result(figure: CardFigure) -> EvalResult:
    from huggingface_hub import EvalResult

    return EvalResult(
        task_type="audio-classification",
        dataset_type=figure.data_kind,
        dataset_name=figure.data,
        metric_type=figure.metric,
        metric_name=figure.words,
        metric_value=figure.value,
    )


def _number(value: JsonValue) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _figures(figures: Sequence[CardFigure]) -> str:
    rows = [(figure.words, f"{figure.value:.4g}", figure.data) for figure in figures]
    return "## How good it is\n\n" + _table(("figure", "value", "measured on"), rows)


def _commands(description: CheckpointDescription) -> str:
    rows = [(keyword, f"{description.thresholds[keyword]:.3f}") for keyword in description.keywords]
    negatives = ", ".join(description.negatives)
    known = f"Negative words it was shown: {_escaped(negatives)}." if negatives else "It was shown no negative words."
    return (
        "## Commands\n\nA command is reported when its confidence (0 to 1) reaches its threshold.\n\n"
        + _table(("command", "threshold"), rows)
        + f"\n\nAnything else is `_unknown_`, and no speech is `_silence_`. {known}"
    )


def _parts(description: CheckpointDescription, encoder_name: str) -> list[tuple[str, str]]:
    layers = ", ".join(str(layer) for layer in description.layers)
    # A local folder's full path says more about somebody's machine than about the model.
    shown = PurePath(encoder_name).name if PurePath(encoder_name).is_absolute() else encoder_name
    versions = ", ".join(f"{library} {version}" for library, version in sorted(description.versions.items()))
    return [
        ("encoder", f"{shown} ({description.encoder['family']})"),
        ("layers pooled", layers),
        ("segments", str(description.num_segments)),
        ("decoder's state", "used" if description.uses_decoder else "not used"),
        ("window", f"{ms_from_samples(description.window_samples):g} ms"),
        ("libraries", versions),
    ]


def _facts(training: dict[str, JsonValue]) -> str:
    if not training:
        return "Nothing is recorded about it."
    rows = [(key.replace("_", " "), _shown(value)) for key, value in training.items()]
    return _table(("fact", "value"), rows)


def _shown(value: JsonValue) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _usage(name: str) -> str:
    return (
        "## Use\n\n```sh\n"
        f"speechtune recognize {json.dumps(name)} clip.wav     # one JSON line a file\n"
        f"speechtune serve {json.dumps(name)}                  # gRPC, streams and clips\n"
        "```\n\nIt needs no model hub: the encoder is inside. `recipe.toml` beside this card has every setting."
    )


def _usage_of_transformers(name: str) -> str:
    return (
        "## Use\n\n```python\nfrom transformers import pipeline\n\n"
        f'classify = pipeline("audio-classification", {json.dumps(name)}, trust_remote_code=True)\n'
        'print(classify({"raw": samples, "sampling_rate": 16_000}))\n```\n\n'
        "`samples` are float32, one channel. The modelling file beside this card is all that it needs besides torch, "
        "numpy and transformers. It answers for one window: listening to a stream and reporting at thresholds is what "
        "speechtune does. A command counts as said where its score reaches its threshold, `config.thresholds`."
    )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(map(_escaped, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    """Text that ends no table cell and starts no markup."""
    for character in "\\|<>*`[]":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())
