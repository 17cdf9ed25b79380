"""Exchange with Hugging Face `datasets`: its data sets become clips, clips become an audiofolder that it loads.

`datasets` would decode, and even encode, audio through torchcodec and FFmpeg; here it hands over paths and bytes, and
soundfile reads them. Nothing here reaches for the network.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechtune.data.sets.clips import Clip, ClipSet, Split, check_clip_label
from speechtune.errors import ConfigError, ManifestError
from speechtune.whole_files import write_whole, writing_whole_folder

_SPLIT_OF_NAME: dict[str, Split] = {"train": "train", "validation": "valid", "valid": "valid", "test": "test"}
_NAME_OF_SPLIT: dict[Split, str] = {"train": "train", "valid": "validation", "test": "test"}
_TEXT_COLUMNS = ("speaker", "session", "device", "room", "word")
_EMPTY = (None, "")
_TRUE = ("true", "1", "1.0", "yes")  # tables have no common way to say so
_METADATA_NAME = "metadata.jsonl"


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a data set; a column for speakers may be absent."""

    audio: str = "audio"
    label: str = "label"
    speaker: str = "speaker"


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

    The folder appears whole or not at all. Clips without a split go to `train`; noise is left out, for an audiofolder
    has no place for it.

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
        return Path(audio["path"])
    path = target.with_name(target.name + (Path(audio["path"] or "").suffix or ".wav"))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
    return path


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
