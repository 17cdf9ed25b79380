"""Make a manifest for one language of the Multilingual Spoken Words Corpus, with its official splits.

    python -m data_scripts.import_mswc FOLDER --language de --words ja,nein --out manifest.jsonl

FOLDER holds `clips/{word}/{name}.opus` and `{language}_splits.csv` with the columns SET, LINK, WORD, VALID, SPEAKER.
Clips that the corpus itself calls invalid, and those whose file is not there, are left out and counted.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

from data_scripts.importing import add_source, file_inside, finish_import, source_folder
from speechtune.data.sets.clips import Clip, ClipSet, Split, check_clip_label
from speechtune.errors import ManifestError

_SPLITS: dict[str, Split] = {"TRAIN": "train", "DEV": "valid", "TEST": "test"}
_COLUMNS = ("SET", "LINK", "WORD", "VALID", "SPEAKER")


def import_mswc(folder: Path, language: str, words: frozenset[str] | None) -> ClipSet:
    """The valid clips of one language, of all words or of some.

    Raises:
        ManifestError: the table is not there or not of its form, or nothing is left.
    """
    table = folder / f"{language}_splits.csv"
    clips = []
    num_invalid = num_missing = 0
    try:
        with table.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                if missing := [column for column in _COLUMNS if row.get(column) is None]:
                    raise ManifestError(f"{table}, line {number}: lacks {', '.join(missing)}")
                if words is not None and row["WORD"] not in words:
                    continue
                path = file_inside(folder / "clips", row["LINK"], f"{table}, line {number}")
                if row["VALID"].strip().lower() != "true":
                    num_invalid += 1
                elif row["SET"] not in _SPLITS:
                    raise ManifestError(f"{table}, line {number}: SET {row['SET']!r} is none of {', '.join(_SPLITS)}")
                elif not path.is_file():
                    num_missing += 1
                else:
                    label = check_clip_label(row["WORD"], f"{table}, line {number}")
                    clips.append(Clip(path, label, speaker=row["SPEAKER"] or None, split=_SPLITS[row["SET"]]))
    except OSError as error:
        raise ManifestError(f"{table}: cannot be read ({error.strerror}); name the language's folder") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{table}: not a table in UTF-8 ({error})") from error
    if not clips:
        raise ManifestError(f"{table}: no valid clip of these words is in {folder / 'clips'}; unpack the audio there")
    counted = ((num_invalid, "the corpus calls invalid"), (num_missing, "are listed and not there"))
    notes = tuple(f"left out: {number} clips that {why}" for number, why in counted if number)
    return ClipSet(folder, tuple(clips), notes=notes)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the manifest; 0 if it is there, 2 if the folder is not what it should be."""
    parser = argparse.ArgumentParser(prog="import_mswc", description=(__doc__ or "").splitlines()[0])
    add_source(parser, "the language's corpus")
    parser.add_argument("--language", required=True, help="such as de: begins the name of the table")
    parser.add_argument("--words", help="only these words, with commas between")
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write, .jsonl or .csv")
    options = parser.parse_args(argv)
    words = frozenset(options.words.split(",")) if options.words else None
    return finish_import(
        "import_mswc", lambda: import_mswc(source_folder(options, "clips"), options.language, words), options.out
    )


if __name__ == "__main__":
    raise SystemExit(main())
