"""Make a manifest for an unpacked Google Speech Commands folder (v0.01 or v0.02), with its official splits.

    python -m data_scripts.import_speech_commands FOLDER --out manifest.jsonl

The splits are those of `validation_list.txt` and `testing_list.txt`; what neither names is for training. Speakers are
read off the file names. No audio is copied.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from speechtune.data.clips import ClipSet, Split
from speechtune.data.folders import load_folder
from speechtune.data.manifest import write_manifest
from speechtune.errors import ManifestError, SpeechTuneError

_LISTS: dict[str, Split] = {"validation_list.txt": "valid", "testing_list.txt": "test"}


def import_speech_commands(folder: Path) -> ClipSet:
    """The clips of an unpacked archive, each with its speaker and official split, and its noise.

    Raises:
        ManifestError: not such a folder, or a list names a clip that is not there.
    """
    split_of = {path: split for name, split in _LISTS.items() for path in _listed(folder / name)}
    clip_set = load_folder(folder)
    names = {clip.path: clip.path.relative_to(folder).as_posix() for clip in clip_set.clips}
    if missing := sorted(split_of.keys() - set(names.values())):
        raise ManifestError(
            f"{folder}: {len(missing)} clips of its lists are not there, such as {missing[0]}; unpack the archive again"
        )
    return clip_set.with_clips(replace(clip, split=split_of.get(names[clip.path], "train")) for clip in clip_set.clips)


def _listed(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError as error:
        raise ManifestError(
            f"{path}: cannot be read ({error.strerror}); name the folder that the archive was unpacked to"
        ) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Write the manifest; 0 if it is there, 2 if the folder is not what it should be."""
    parser = argparse.ArgumentParser(prog="import_speech_commands", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="the folder that the archive was unpacked to")
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write, .jsonl or .csv")
    options = parser.parse_args(argv)
    try:
        clip_set = import_speech_commands(options.folder)
        write_manifest(options.out, clip_set)
    except SpeechTuneError as error:
        print(f"import_speech_commands: {error}", file=sys.stderr)
        return error.exit_code
    counts = Counter(clip.split for clip in clip_set.clips)
    sizes = ", ".join(f"{counts[split]} {split}" for split in ("train", "valid", "test"))
    print(f"{options.out}: {len(clip_set.labels)} labels, {len(clip_set.speakers)} speakers, {sizes}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
