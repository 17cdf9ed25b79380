"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speechtune.errors import ConfigError
from speechtune.models.backends import Backend
from speechtune.names import composed
from speechtune.whole_files import why_not_writable

MODEL_HELP = "Folder of a checkpoint, its name on the Hugging Face hub, or an exported .onnx file"

CheckpointArgument = Annotated[
    Path, typer.Argument(metavar="CKPT", help="Folder of a checkpoint, or its name on the Hugging Face hub.")
]
ModelArgument = Annotated[Path, typer.Argument(metavar="CKPT", help=f"{MODEL_HELP}.")]
DataArgument = Annotated[Path, typer.Argument(metavar="DATA", help="Folder per label, or a manifest (.jsonl, .csv).")]
NegativesOption = Annotated[
    list[Path] | None,
    typer.Option(help="Speech that holds no keyword: a folder or manifest. May be given several times."),
]
RoomOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="RECORDINGS",
        help="Recording, or folder of recordings, of the place where it will listen, with no command in it: the speech "
        "there becomes negatives, the rest background noise. May be given several times.",
    ),
]
SpeakerPatternOption = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Regular expression that finds the speaker in file names, by its group `speaker` or its first group.",
    ),
]
ChannelOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Take this channel, counted from 1. Defaults to the mean, or to the loudest where the channels cancel.",
    ),
]
SyntheticOption = Annotated[
    bool,
    typer.Option("--synthetic", help="Take synthetic clips too: to see that everything works, not how well it hears."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One setting of the recipe, such as augment.copies=20. May be given several times.",
    ),
]
MicrophoneOption = Annotated[
    str | None, typer.Option(help="Number or part of the name of the microphone. Defaults to the system's.")
]
BackendOption = Annotated[
    Backend | None,
    typer.Option(
        help="What runs the checkpoint. torch is the default. onnx is quicker on a CPU and gives the same events. "
        "onnx-int8 is the quickest. It and torch-bf16 give the events of a server with that backend.",
    ),
]
AddressOption = Annotated[str, typer.Option(metavar="HOST:PORT", help="Address of the server.")]

DEFAULT_ADDRESS = "127.0.0.1:50551"


def check_out_file(path: Path, option: str = "--out") -> None:
    """Refuse a file that cannot be written; ask before the work, not after it.

    Raises:
        ConfigError: a folder is there, its own folder is not, a file is on the way, or nothing may be written there.
    """
    reason = f"{path} is a folder" if path.is_dir() else why_not_writable(path.absolute().parent)
    if reason is not None:
        raise ConfigError(f"{option} {path}: cannot be written ({reason}); name a file")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{option} {path}: there is no folder {path.parent}; make it, or name another place")


def check_out_folder(path: Path) -> None:
    """The same for a folder that files are written into, whatever else is in it.

    Raises:
        ConfigError: a file is there or on the way, or nothing may be written there.
    """
    if reason := why_not_writable(path):
        raise ConfigError(f"--out {path}: cannot be written ({reason}); name a folder")


def keywords_from(text: str | None, option: str = "--keywords") -> tuple[str, ...] | None:
    """The keywords of a comma-separated list; none without one.

    Raises:
        ConfigError: the list is empty or holds an empty name.

    >>> keywords_from("yes, lights on")
    ('yes', 'lights on')
    """
    if text is None:
        return None
    keywords = tuple(composed(part.strip()) for part in text.split(","))
    if not all(keywords):
        raise ConfigError(f"{option} {text!r}: write them with commas between, for example yes,no,lights on")
    return keywords
