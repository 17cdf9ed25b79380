"""Copy a data set to an audiofolder, which Hugging Face `datasets` loads by `load_dataset("audiofolder", data_dir=…)`.

    python -m data_scripts.export_audiofolder DATA OUT

OUT appears whole or not at all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from speechtune.data.sets.exchange import write_audiofolder
from speechtune.data.sets.loading import load_clips
from speechtune.errors import SpeechTuneError


def main(argv: Sequence[str] | None = None) -> int:
    """Write the audiofolder; 0 if it is there, 2 if the input is at fault."""
    parser = argparse.ArgumentParser(prog="export_audiofolder", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder per label, or a manifest")
    parser.add_argument("out", type=Path, help="the folder to make")
    parser.add_argument("--speaker-pattern", help="regular expression that finds the speaker in file names")
    options = parser.parse_args(argv)
    try:
        clip_set = load_clips(options.data, options.speaker_pattern)
        write_audiofolder(clip_set, options.out)
    except SpeechTuneError as error:
        print(f"export_audiofolder: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{options.out}: {len(clip_set.clips)} clips")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
