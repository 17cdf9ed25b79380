"""What `import speechtune` offers to a notebook: four functions, each of which calls one use case of the library.

Paths may be strings. Everything else is as the use case has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from speechtune.errors import ConfigError
from speechtune.extras import need
from speechtune.recipe import Recipe

if TYPE_CHECKING:
    from speechtune.evaluation.evaluate import Evaluation
    from speechtune.recognition import Recognizer
    from speechtune.training.finetune import FinetuneResult
    from speechtune.training.stages import Progress

AnyPath: TypeAlias = str | Path


def finetune(
    data: AnyPath,
    out: AnyPath,
    recipe: Recipe | AnyPath | None = None,
    *,
    keywords: Sequence[str] | None = None,
    shots: int | None = None,
    negatives: Sequence[AnyPath] = (),
    room: Sequence[AnyPath] = (),
    noise: AnyPath | None = None,
    speaker_pattern: str | None = None,
    start: AnyPath | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> FinetuneResult:
    """Fine-tune on a few clips of each command, and save the checkpoint to the folder `out`.

    >>> import speechtune
    >>> result = speechtune.finetune("clips", "model", "recipe.toml", keywords=["yes", "no"])
    >>> sorted(result.operating_point.thresholds)
    ['no', 'yes']

    Args:
        data: a folder for each command and for each other word, or a manifest (.jsonl, .csv).
        out: folder of the checkpoint.
        recipe: every setting, or a TOML file of them. Defaults to the defaults.
        keywords: the words to recognise; clips of other words become negatives. Defaults to every word of `data`.
        shots: how many clips of each keyword to draw. Defaults to all.
        negatives: folders or manifests of speech that holds no keyword.
        room: recordings of the place where the model will listen, with no keyword in them.
        noise: folder of background recordings.
        speaker_pattern: regular expression that finds the speaker in file names.
        start: a checkpoint to take encoder and window from, with their settings.
        device: auto, cpu or cuda.
        progress: told of every stage. Defaults to nobody.

    Raises:
        DataError, AudioError: the data cannot be read or learnt from; the message names folder, file and line.
        ModelError: the encoder cannot be had, or `out` cannot be replaced.
        MissingExtraError: the extra `train` is not installed.
        ConfigError: the recipe cannot be read, or settings do not fit together or this machine.
        TrainingDivergedError: the loss or the weights did not stay finite, or one class took all.
    """
    need("speechtune.finetune", "train")
    from speechtune.models.checkpoints.writing import check_destination
    from speechtune.recipe_files import load_recipe
    from speechtune.training.devices import parse_device
    from speechtune.training.finetune import TrainingData
    from speechtune.training.finetune import finetune as run
    from speechtune.training.stages import silent

    check_destination(Path(out))
    return run(
        TrainingData(
            Path(data),
            None if keywords is None else tuple(keywords),
            shots,
            tuple(map(Path, negatives)),
            _path(noise),
            speaker_pattern,
            room=tuple(map(Path, room)),
        ),
        Path(out),
        recipe if isinstance(recipe, Recipe) else load_recipe(_path(recipe)),
        progress or silent,
        start=_path(start),
        device=parse_device(device),
    )


def load(path: AnyPath, *, backend: str | None = None) -> Recognizer:
    """Open a checkpoint's folder or an exported `.onnx` file, ready to hear. An exported file needs no torch.

    >>> import speechtune
    >>> model = speechtune.load("model")
    >>> model.keywords
    ('yes', 'no')
    >>> found = model.recognize("yes.wav")
    >>> {score.label for score in found.scores} >= {"yes", "no"}
    True
    >>> stream = model.stream(rate_hz=48_000)
    >>> for chunk in [bytes(9_600), bytes(9_600)]:
    ...     for event in stream.feed(chunk):
    ...         print(event)
    >>> stream.finish()
    []

    Args:
        path: the folder, the file, or a model of the Hugging Face hub: `organisation/name`, where no folder of that
            name is here, or `hf://organisation/name`; `@revision` may follow. It is downloaded once.
        backend: what runs a checkpoint's folder: torch, onnx or onnx-int8. Defaults to torch.

    Raises:
        CheckpointNotFoundError: there is no model.
        CheckpointCorruptError: its files are damaged.
        CheckpointIncompatibleError: it is another program's model, or one of a newer version.
        HubUnavailableError: it is one of the hub, not on this machine yet, and the hub cannot be asked.
        MissingExtraError: it is a checkpoint's folder, and the extra `train` is not installed.
        ConfigError: a backend that is not there, or one for an exported file, which runs as it was exported.
    """
    from speechtune.models.backends import parse_backend
    from speechtune.models.opened import open_model
    from speechtune.recognition import Recognizer

    return Recognizer(open_model(Path(path), None if backend is None else parse_backend(backend)))


def push_to_hub(
    model: AnyPath,
    repository: str,
    *,
    private: bool | None = None,
    report: AnyPath | None = None,
    datasets: Sequence[str] = (),
    token: str | None = None,
    message: str | None = None,
) -> str:
    """Upload a checkpoint to the Hugging Face hub, with a card that tells its own figures.

    Args:
        model: folder of the checkpoint, or one that `speechtune export --format transformers` wrote.
        repository: organisation/name; it is made if it is not there.
        private: who may see a new repository: its owners alone, or everybody. Defaults to what the organisation has
            set.
        report: the folder that an evaluation of this checkpoint was written to; its figures go into the card.
        datasets: ids on the hub of what the checkpoint learnt from.
        token: of a user who may write there. Defaults to the variable HF_TOKEN, or to the login of this machine.
        message: of the commit.

    Returns:
        The address of the repository.

    Raises:
        ModelError: the folder is no sound checkpoint, or the hub cannot be reached.
        ConfigError: the repository cannot be called so, there is no token, the hub refuses it, or the report is of
            another checkpoint.
        ManifestError: the report cannot be read.
        MissingExtraError: the extra `train` is not installed.
    """
    from speechtune.evaluation.reports.card_figures import card_figures
    from speechtune.extras import need
    from speechtune.models.checkpoints.files import read_summary
    from speechtune.models.publishing import push_to_hub as push

    need("push_to_hub", "train")
    folder = Path(model)
    figures = () if report is None else card_figures(Path(report), read_summary(folder).digest)
    return push(
        folder, repository, private=private, token=token, message=message, figures=figures, datasets=tuple(datasets)
    )


def evaluate(
    model: AnyPath | Recognizer,
    clips: AnyPath | None = None,
    recordings: AnyPath | None = None,
    *,
    out: AnyPath | None = None,
    train: AnyPath | None = None,
    truth: AnyPath | None = None,
    conditions: bool = False,
    noise: AnyPath | None = None,
    synthetic: bool = False,
    speaker_pattern: str | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a model by clips that it never heard, by long recordings, or by both.

    >>> import speechtune
    >>> evaluation = speechtune.evaluate("model", "test-clips", out="report")
    >>> 0.0 <= evaluation.clips.metrics.closed_set_accuracy <= 1.0
    True

    Args:
        model: a checkpoint's folder, an exported file, or what `load` gave.
        clips: test clips: a folder for each word, or a manifest. Where it declares a test split, that alone is used.
        recordings: a long recording, or a folder of them, each with an Audacity label track (.txt) beside it where
            commands are said.
        out: folder for the figures and `report.html`. Defaults to writing nothing.
        train: the training clips, to look for leaks into the test.
        truth: the label track, or the folder of them. Defaults to those beside the recordings.
        conditions: score a part of the clips again in noise, in rooms, and at other speeds and levels.
        noise: folder of background recordings for that. Defaults to synthetic noise.
        synthetic: take synthetic clips too, which say nothing of people.
        speaker_pattern: regular expression that finds the speaker in file names.
        progress: told of every stage. Defaults to nobody.

    Raises:
        MissingExtraError: the extra `train` is not installed.
        ConfigError: neither clips nor recordings were given, or `out` cannot be written.
        DataError: no clip may judge, or a label track names a word that is not a keyword.
        AudioError, ModelError: the data or the model cannot be read.
        TrainingDivergedError: the model answers with numbers that are not finite.
    """
    need("speechtune.evaluate", "train")
    from speechtune.evaluation.evaluate import TestClips, TestRecordings
    from speechtune.evaluation.evaluate import evaluate as run
    from speechtune.evaluation.reports.folder import write_evaluation
    from speechtune.evaluation.systems import LocalSystem, open_system
    from speechtune.recognition import Recognizer
    from speechtune.whole_files import why_not_writable

    if out is not None and (reason := why_not_writable(Path(out))):
        raise ConfigError(f"out {out}: cannot be written ({reason}); name a folder")
    system = LocalSystem(model.model) if isinstance(model, Recognizer) else open_system(Path(model))
    evaluation = run(
        system,
        None
        if clips is None
        else TestClips(Path(clips), speaker_pattern, _path(train), conditions, _path(noise), synthetic),
        None if recordings is None else TestRecordings(Path(recordings), _path(truth)),
        progress=progress,
    )
    if out is not None:
        write_evaluation(evaluation, Path(out))
    return evaluation


def _path(path: AnyPath | None) -> Path | None:
    return None if path is None else Path(path)
