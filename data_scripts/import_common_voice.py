"""Make a manifest for the single words of a Common Voice release: clips whose whole sentence is one word.

    python -m data_scripts.import_common_voice FOLDER --table validated.tsv --out manifest.jsonl

FOLDER is a language of the release: tables of tab-separated values with the columns client_id, path, sentence, and
`clips/`. The tables train, dev and test are its official splits; of `validated.tsv` nothing is declared.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Sequence
from pathlib import Path

from data_scripts.importing import add_source, file_inside, finish_import, source_folder
from speechtune.data.sets.clips import Clip, ClipSet, Split, check_clip_label
from speechtune.errors import ManifestError

_SPLIT_OF_TABLE: dict[str, Split] = {"train.tsv": "train", "dev.tsv": "valid", "test.tsv": "test"}
_ENDS = re.compile(r"^[^\w]+|[^\w]+$")


def import_common_voice(folder: Path, tables: Sequence[str], words: frozenset[str] | None) -> ClipSet:
    """The clips in which one word is said, in small letters; of all words or of some.

    Raises:
        ManifestError: a table is not there or not of its form, or nothing is left.
    """
    listed = [clip for table in tables for clip in _of_table(folder, table, words)]
    clips = tuple(clip for clip in listed if clip.path.is_file())
    if not clips:
        raise ManifestError(
            f"{folder}: no clip of one word in {', '.join(tables)}; is the audio in {folder / 'clips'}?"
        )
    num_missing = len(listed) - len(clips)
    notes = (f"left out: {num_missing} clips that are listed and not there",) if num_missing else ()
    return ClipSet(folder, clips, notes=notes)


def _of_table(folder: Path, name: str, words: frozenset[str] | None) -> list[Clip]:
    table = folder / name
    clips = []
    try:
        with table.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE), start=2):
                if any(row.get(column) is None for column in ("client_id", "path", "sentence")):
                    raise ManifestError(f"{table}, line {number}: lacks client_id, path or sentence")
                word = _ENDS.sub("", row["sentence"].strip()).lower()
                if not word or " " in word or (words is not None and word not in words):
                    continue
                path = file_inside(folder / "clips", row["path"], f"{table}, line {number}")
                label = check_clip_label(word, f"{table}, line {number}")
                clips.append(Clip(path, label, speaker=row["client_id"], split=_SPLIT_OF_TABLE.get(name)))
    except OSError as error:
        raise ManifestError(f"{table}: cannot be read ({error.strerror}); name the language's folder") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{table}: not a table in UTF-8 ({error})") from error
    return clips


def main(argv: Sequence[str] | None = None) -> int:
    """Write the manifest; 0 if it is there, 2 if the folder is not what it should be."""
    parser = argparse.ArgumentParser(prog="import_common_voice", description=(__doc__ or "").splitlines()[0])
    add_source(parser, "the language's release")
    parser.add_argument("--table", action="append", help="a table of it; may be given several times")
    parser.add_argument("--words", help="only these words, with commas between")
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write, .jsonl or .csv")
    options = parser.parse_args(argv)
    tables = options.table or ["validated.tsv"]
    words = frozenset(options.words.split(",")) if options.words else None
    return finish_import(
        "import_common_voice", lambda: import_common_voice(source_folder(options, "clips"), tables, words), options.out
    )


if __name__ == "__main__":
    raise SystemExit(main())
