"""The README of a checkpoint: a model card in the Hugging Face form, made of what is known and of nothing else."""

from __future__ import annotations

import json
from pathlib import PurePath

from pydantic import JsonValue

from speechtune.audio.timebase import SAMPLE_RATE_HZ, ms_from_samples
from speechtune.models.checkpoints.files import CheckpointDescription
from speechtune.models.encoders.packaged import PACKAGED_ENCODERS

_LIMITS = """## Where it fails

- It hears one window at a time: a command that is longer than the window is cut.
- It knows the voices, rooms and microphones of its recordings; far, noisy or unusual speech is heard less well.
- Words that sound like a command can pass for it. Words it was shown as negatives are told apart best.
- Confidences and thresholds were set on the recordings above. Measure on your own before relying on them:
  `speechtune evaluate CHECKPOINT DATA --out DIR`.
- It says which word was said, not who said it: it is no lock."""


def write_card(description: CheckpointDescription, name: str) -> str:
    """The card as Markdown.

    Args:
        description: of the checkpoint.
        name: of its folder.
    """
    encoder_name = str(description.encoder["name"])
    sections = [
        _front_matter(encoder_name),
        f"# {name}\n\nRecognises {len(description.keywords)} spoken commands in audio of {SAMPLE_RATE_HZ} Hz, mono. "
        "Made with speechtune from a pretrained speech encoder and recordings of each command.",
        _commands(description),
        "## What it is made of\n\n" + _table(("part", "what"), _parts(description, encoder_name)),
        "## Its making\n\n" + _facts(description.training),
        _usage(name),
        _LIMITS,
    ]
    return "\n\n".join(sections) + "\n"


def _front_matter(encoder_name: str) -> str:
    from huggingface_hub import ModelCardData

    base_model = None
    if encoder_name in PACKAGED_ENCODERS:
        base_model = PACKAGED_ENCODERS[encoder_name].origin
    elif encoder_name.count("/") == 1 and not encoder_name.startswith(("/", ".")):
        base_model = encoder_name
    data = ModelCardData(
        library_name="speechtune",
        pipeline_tag="audio-classification",
        tags=["keyword-spotting"],
        base_model=base_model,
    )
    return f"---\n{data.to_yaml(original_order=['library_name', 'pipeline_tag', 'tags', 'base_model'])}\n---"


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


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [head, ("---", "---"), *[(_escaped(left), _escaped(right)) for left, right in rows]]
    return "\n".join(f"| {left} | {right} |" for left, right in lines)


def _escaped(text: str) -> str:
    """Text that ends no table cell and starts no markup."""
    for character in "\\|<>*`[]":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())
