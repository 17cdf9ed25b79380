"""Exchange with Hugging Face `datasets`: its data sets become clips, clips become an audiofolder that it loads.

`datasets` would decode, and even encode, audio through torchcodec and FFmpeg; here it hands over paths and bytes, and
soundfile reads them. Nothing here reaches for the network, unless a data set of the hub is asked for by its id.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechtune.data.sets.clips import Clip, ClipSet, Split, check_clip_label
from speechtune.errors import ConfigError, ManifestError
from speechtune.whole_files import write_whole, writing_whole_folder

_SPLIT_OF_NAME: dict[str, Split] = {
    "train": "train",
    "validation": "valid",
    "valid": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
}
_NAME_OF_SPLIT: dict[Split, str] = {"train": "train", "valid": "validation", "test": "test"}
_TEXT_COLUMNS = ("speaker", "session", "device", "room", "word")
_EMPTY = (None, "")
_TRUE = ("true", "1", "1.0", "yes")  # tables have no common way to say so
_METADATA_NAME = "metadata.jsonl"
_CARD_NAME = "README.md"
_SAVED_NAMES = ("dataset_dict.json", "state.json")


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a data set; a column for speakers may be absent."""

    audio: str = "audio"
    label: str = "label"
    speaker: str = "speaker"


def load_dataset(
    source: str,
    out: Path,
    columns: Columns | None = None,
    *,
    configuration: str | None = None,
    revision: str | None = None,
) -> ClipSet:
    """Read a data set of `datasets`: a local folder, or one of the hub by its id.

    A folder is what `save_to_disk` wrote, a copy of a repository with Parquet files, or an audiofolder. Where no folder
    of the name is here, it is an id, which `datasets` downloads to its own cache.

    Args:
        source: the folder, or the id.
        out: where audio that lies in tables is written to.
        columns: see `clips_from_datasets`.
        configuration: of the data set, where it has several.
        revision: of the repository. Defaults to its main branch.

    Raises:
        ManifestError: neither a folder nor an id that can be loaded, or it has no audio or no labels.
    """
    folder = Path(source)
    if not folder.is_dir():
        return clips_from_datasets(_of_hub(source, configuration, revision), out, columns)
    if any((folder / name).is_file() for name in _SAVED_NAMES):
        return clips_from_datasets(_loaded_quietly(source, "load_from_disk", source), out, columns)
    if all(path.name == "metadata.parquet" for path in folder.rglob("*.parquet")):
        return load_audiofolder(folder, columns)
    with tempfile.TemporaryDirectory(prefix="speechtune-") as cache:
        path = str(folder.resolve())
        loaded = _loaded_quietly(source, "load_dataset", path, configuration, cache_dir=cache)
        return clips_from_datasets(loaded, out, columns)


def _of_hub(name: str, configuration: str | None, revision: str | None) -> Any:
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # it tells of every attempt to reach the hub
    return _loaded_quietly(name, "load_dataset", name, configuration, revision=revision)


def _loaded_quietly(source: str, function: str, *arguments: Any, **options: Any) -> Any:
    """What a function of `datasets` loads."""
    import datasets

    try:
        return getattr(datasets, function)(*arguments, **options)
    # datasets lets errors of many kinds through: its own, those of the hub, of the network and of pyarrow.
    except Exception as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise ManifestError(
            f"{source}: neither a folder here nor a data set that `datasets` loads ({reason})"
        ) from error


def load_audiofolder(folder: Path, columns: Columns | None = None) -> ClipSet:
    """Read a local audiofolder (label folders within split folders, or `metadata.jsonl`/`.csv`) through `datasets`.

    Raises:
        ManifestError: `datasets` cannot read it, or it has no labels.
    """
    if not folder.is_dir():
        raise ManifestError(f"{folder}: is not a folder; name one that holds an audiofolder")
    with tempfile.TemporaryDirectory(prefix="speechtune-") as cache:
        try:
            loaded = _build_audiofolder(str(folder.resolve()), cache)
        # datasets lets errors of many kinds through, its own and those of pyarrow and pandas.
        except Exception as error:
            cause = error.__cause__ or error
            raise ManifestError(f"{folder}: not an audiofolder that `datasets` reads ({cause})") from error
        return clips_from_datasets(loaded, folder, columns)


def _build_audiofolder(folder: str, cache: str) -> Any:
    """The `datasets.DatasetDict` of a folder; its audio is paths."""
    import datasets
    from datasets.data_files import DataFilesDict, get_data_patterns
    from datasets.packaged_modules.audiofolder.audiofolder import AudioFolder

    class PathOnlyAudio(datasets.Audio):  # type: ignore[misc]  # datasets has no types
        def encode_example(self, value: object) -> dict[str, object]:
            return {"bytes": None, "path": str(value)}

    files = DataFilesDict.from_patterns(get_data_patterns(folder), base_path=folder)
    builder = AudioFolder(cache_dir=cache, data_dir=folder, data_files=files)
    # Not a subclass: datasets replaces `open` and `Path` in the module of a builder's class, which would be this one.
    builder._base_feature = lambda: PathOnlyAudio(decode=False)
    bars_were_off = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        builder.download_and_prepare()
        return builder.as_dataset()
    finally:
        if not bars_were_off:
            datasets.enable_progress_bars()


def clips_from_datasets(dataset: Any, folder: Path, columns: Columns | None = None) -> ClipSet:
    """Clips of a `datasets.Dataset` or `DatasetDict`, whose split names are kept.

    Audio that lies in a local file stays there; audio that lies in the table is written below `folder`.

    Args:
        dataset: has a column of audio and one of labels (text or ClassLabel).
        folder: root of the clip set, and where audio is written to.
        columns: their names; none: `audio`, `label`, `speaker`.

    Raises:
        ManifestError: a column is missing, a row has no audio or no label; the message names the row.
    """
    columns = columns or Columns()
    parts: Mapping[str, Any] = dataset if isinstance(dataset, dict) else {str(dataset.split or "train"): dataset}
    clips: list[Clip] = []
    left_out: set[str] = set()
    for name, part in parts.items():
        known = {columns.audio, columns.label, columns.speaker, *_TEXT_COLUMNS, "synthetic"}
        left_out.update(set(part.column_names) - known)
        # A single split is what `datasets` calls everything where nobody has split anything.
        split = _SPLIT_OF_NAME.get(name) if len(parts) > 1 else None
        clips += _clips_of_part(name, split, part, folder, columns)
    if not clips:
        raise ManifestError(f"{folder}: the data set has no rows")
    notes = (f"columns left out: {', '.join(sorted(left_out))}",) if left_out else ()
    return ClipSet(folder, tuple(clips), notes=notes)


def write_audiofolder(clip_set: ClipSet, folder: Path) -> None:
    """Copy a clip set to an audiofolder, for `datasets.load_dataset("audiofolder", data_dir=folder)`.

    The folder appears whole or not at all, with a card that tells the hub what it is for. Clips without a split go to
    `train`; noise is left out, for an audiofolder has no place for it.

    Raises:
        ConfigError: the folder exists, or a clip is a stretch of a longer recording, which an audiofolder cannot say.
        ManifestError: a file cannot be copied.
    """
    if folder.exists():
        raise ConfigError(f"{folder}: exists; name a new folder")
    try:
        with writing_whole_folder(folder) as beside:
            lines: dict[str, list[str]] = {}
            for number, clip in enumerate(clip_set.clips):
                split = _NAME_OF_SPLIT[clip.split or "train"]
                text = json.dumps(_copied(clip, number, beside / split), ensure_ascii=False)
                lines.setdefault(split, []).append(f"{text}\n")
            for split, texts in lines.items():
                (beside / split / _METADATA_NAME).write_text("".join(texts), encoding="utf-8")
            (beside / _CARD_NAME).write_text(_card(clip_set, folder.resolve().name), encoding="utf-8")
    except OSError as error:
        raise ManifestError(
            f"{error.filename or folder}: cannot be made or copied ({error.strerror or error})"
        ) from error


def _clips_of_part(name: str, split: Split | None, part: Any, folder: Path, columns: Columns) -> Iterator[Clip]:
    from datasets import Audio, ClassLabel

    for column in (columns.audio, columns.label):
        if column not in part.column_names:
            raise ManifestError(
                f"{folder}, split {name!r}: has no column {column!r}, only {', '.join(part.column_names)}; "
                "name the columns, or give the clips labels"
            )
    feature = part.features[columns.label]
    texts = [key for key in _TEXT_COLUMNS if key not in (columns.audio, columns.label)]
    for number, row in enumerate(part.cast_column(columns.audio, Audio(decode=False))):
        where = f"{folder}, split {name!r}, row {number}"
        label = row[columns.label]
        if label is None:
            raise ManifestError(f"{where}: has no label")
        label = check_clip_label(feature.int2str(label) if isinstance(feature, ClassLabel) else str(label), where)
        path = _audio_file(row[columns.audio], folder / label / f"{name}-{number}", where)
        fields: dict[str, Any] = {key: str(row[key]) for key in texts if row.get(key) not in _EMPTY}
        if row.get(columns.speaker) not in _EMPTY:
            fields["speaker"] = str(row[columns.speaker])
        synthetic = str(row.get("synthetic")).strip().lower() in _TRUE
        if synthetic and split in ("valid", "test"):
            raise ManifestError(f"{where}: is synthetic and judges nothing; move it to the split 'train'")
        yield Clip(path, label, split=split, synthetic=synthetic, **fields)


def _audio_file(audio: Mapping[str, Any] | None, target: Path, where: str) -> Path:
    """Where the audio of a row lies; written to `target`, with its own suffix, if it lies in the table."""
    if not audio or (audio.get("path") is None and audio.get("bytes") is None):
        raise ManifestError(f"{where}: has no audio")
    content = audio.get("bytes")
    if content is None:
        if not (path := Path(audio["path"])).is_file():
            raise ManifestError(f"{where}: its audio {path} is not here")
        return path
    path = target.with_name(target.name + (Path(audio["path"] or "").suffix or ".wav"))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
    return path


def _card(clip_set: ClipSet, name: str) -> str:
    """The card of a data set in the hub's form."""
    words = ", ".join(sorted(clip_set.labels))
    return (
        "---\ntask_categories:\n- audio-classification\ntags:\n- keyword-spotting\n---\n\n"
        f"# {name}\n\n{len(clip_set.clips)} clips of {len(clip_set.speakers)} known speakers, each of one of these "
        f"labels: {words}.\n\nMade with speechtune. `_unknown_` is speech without a command, `_silence_` no speech.\n"
    )


def _copied(clip: Clip, number: int, folder: Path) -> dict[str, Any]:
    """The metadata of a clip after its file is copied. Every line has the same keys, as `datasets` needs it."""
    if clip.stretch != (0, None):
        raise ConfigError(
            f"{clip.path}: its clip {clip.label!r} is a stretch of it; cut it into a file of its own first"
        )
    name = Path(clip.label, f"{number:06d}-{clip.path.name}")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(clip.path, folder / name)
    texts = {column: getattr(clip, column) or "" for column in _TEXT_COLUMNS}
    return {"file_name": name.as_posix(), "label": clip.label, **texts, "synthetic": clip.synthetic}
