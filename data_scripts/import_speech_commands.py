"""Make a manifest for Google Speech Commands (v0.01 or v0.02), with its official splits.

    python -m data_scripts.import_speech_commands speech_commands_v0.02.tar.gz --out manifest.jsonl
    python -m data_scripts.import_speech_commands FOLDER --task 12 --test-set speech_commands_test_set_v0.02.tar.gz ...

An archive is checked against its published sum and unpacked beside the manifest (or to --unpack-to). The splits are
those of `validation_list.txt` and `testing_list.txt`; what neither names is for training. A folder without the lists is
split by the rule that they were made by: a hash of the speaker. A test-set archive is all test. Speakers are read off
the file names; no audio is copied.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_scripts.archives import Published, unpacked
from data_scripts.importing import finish_import
from data_scripts.speech_commands_tasks import TASKS
from speechtune.data.sets.clips import Clip, ClipSet, Split
from speechtune.data.sets.folders import load_folder
from speechtune.errors import ManifestError
from speechtune.labels import SILENCE, UNKNOWN

PUBLISHED = {
    # v0.01: torchaudio's datasets/speechcommands.py. v0.02: the same sum, with its size, in TensorFlow Datasets'
    # url_checksums/speech_commands.txt, which has the test set too. Of the v0.01 test set no sum was found.
    "speech_commands_v0.01.tar.gz": Published("743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d"),
    "speech_commands_v0.02.tar.gz": Published(
        "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58", 2_428_923_189
    ),
    "speech_commands_test_set_v0.02.tar.gz": Published(
        "cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df", 112_563_277
    ),
}
_LISTS: dict[str, Split] = {"validation_list.txt": "valid", "testing_list.txt": "test"}
_NUM_HASHES = 2**27
_VALID_PERCENT, _TEST_PERCENT = 10.0, 10.0


def import_speech_commands(folder: Path, task: str | None = None, test_set: Path | None = None) -> ClipSet:
    """The clips of an unpacked archive, each with its speaker and official split, and its noise.

    Args:
        folder: what a data or a test-set archive was unpacked to.
        task: one of `TASKS`; none: the labels are the folders.
        test_set: an unpacked test-set archive, which takes the place of the official test split.

    Raises:
        ManifestError: not such a folder, or a list names a clip that is not there.
    """
    clip_set = _with_splits(folder)
    if test_set is not None:
        test = _with_splits(test_set)
        if not _is_test_set(test_set):
            raise ManifestError(f"{test_set}: is no test set, which has {UNKNOWN} and {SILENCE} and no lists")
        others = [clip for clip in clip_set.clips if clip.split != "test"]
        heard = {clip.speaker for clip in others if clip.speaker is not None}.intersection(test.speakers)
        notes = (f"{len(heard)} speakers of the test set are in train or valid",) if heard else ()
        clip_set = replace(clip_set, clips=(*others, *test.clips), notes=(*clip_set.notes, *notes))
    return clip_set if task is None else TASKS[task](clip_set)


def _with_splits(folder: Path) -> ClipSet:
    clip_set = load_folder(folder)
    if _is_test_set(folder):
        return clip_set.with_clips(replace(clip, split="test") for clip in clip_set.clips)
    if not any((folder / name).is_file() for name in _LISTS):
        note = "the folder has no lists; clips are split by the hash of their speaker, as the lists were"
        clips = tuple(replace(clip, split=_split_of_speaker(clip)) for clip in clip_set.clips)
        return replace(clip_set, clips=clips, notes=(*clip_set.notes, note))
    split_of = {path: split for name, split in _LISTS.items() for path in _listed(folder / name)}
    names = {clip.path: clip.path.relative_to(folder).as_posix() for clip in clip_set.clips}
    if missing := sorted(split_of.keys() - set(names.values())):
        raise ManifestError(
            f"{folder}: {len(missing)} clips of its lists are not there, such as {missing[0]}; unpack the archive again"
        )
    return clip_set.with_clips(replace(clip, split=split_of.get(names[clip.path], "train")) for clip in clip_set.clips)


def _is_test_set(folder: Path) -> bool:
    has_lists = any((folder / name).exists() for name in _LISTS)
    return (folder / UNKNOWN).is_dir() and (folder / SILENCE).is_dir() and not has_lists


def _split_of_speaker(clip: Clip) -> Split:
    """Where the lists put a speaker: the rule is `which_set` in the README of the data set."""
    if clip.speaker is None:
        return "train"
    number = int(hashlib.sha1(clip.speaker.encode(), usedforsecurity=False).hexdigest(), 16) % _NUM_HASHES
    percent = number * 100.0 / (_NUM_HASHES - 1)
    if percent < _VALID_PERCENT:
        return "valid"
    return "test" if percent < _VALID_PERCENT + _TEST_PERCENT else "train"


def _listed(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read ({error}); unpack the archive again") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Write the manifest; 0 if it is there, 2 if the source is not what it should be."""
    parser = argparse.ArgumentParser(prog="import_speech_commands", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path, help="the archive, or the folder that it was unpacked to")
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write, .jsonl or .csv")
    parser.add_argument("--task", choices=TASKS, help="35: every word is a label; 12: ten words, unknown, silence")
    parser.add_argument("--test-set", type=Path, help="the official test set, archive or folder")
    parser.add_argument("--unpack-to", type=Path, help="folder for what archives hold; otherwise beside the manifest")
    parser.add_argument("--sha256", help="sum of the archive, in place of the published one")
    options = parser.parse_args(argv)
    beside = options.unpack_to or options.out.parent

    def make() -> ClipSet:
        folder = unpacked(options.source, beside / _stem(options.source), PUBLISHED, options.sha256)
        test_set = options.test_set and unpacked(options.test_set, beside / _stem(options.test_set), PUBLISHED)
        return import_speech_commands(folder, options.task, test_set)

    return finish_import("import_speech_commands", make, options.out)


def _stem(archive: Path) -> str:
    return archive.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz").removesuffix(".zip")


if __name__ == "__main__":
    raise SystemExit(main())
