"""Make a manifest for a Hugging Face data set: by id, through `datasets`, or a local audiofolder.

    python -m data_scripts.import_datasets FOLDER_OR_ID --out DIR --audio audio --label label --speaker speaker_id

Audio that lies in a local file stays there; audio that lies in the table is written below DIR, decoded by nobody. An id
needs the network, or a data set that `datasets` has in its cache.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from data_scripts.importing import finish_import
from speechtune.data.sets.clips import ClipSet
from speechtune.data.sets.exchange import Columns, clips_from_datasets, load_audiofolder
from speechtune.data.sets.manifest import MANIFEST_NAME
from speechtune.errors import ManifestError


def import_datasets(source: str, out: Path, columns: Columns, configuration: str | None = None) -> ClipSet:
    """The clips of a local audiofolder, or of a data set by its id.

    Raises:
        ManifestError: neither, or a column is missing.
    """
    if Path(source).is_dir():
        return load_audiofolder(Path(source), columns)
    import datasets

    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # it tells of every attempt to reach the hub
    try:
        loaded = datasets.load_dataset(source, configuration)
    # datasets lets errors of many kinds through: its own, those of the hub and of the network.
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ManifestError(
            f"{source}: neither a folder here nor a data set that `datasets` loads ({reason})"
        ) from error
    return clips_from_datasets(loaded, out, columns)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the manifest; 0 if it is there, 2 if the data set is not what it should be."""
    parser = argparse.ArgumentParser(prog="import_datasets", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", help="a local audiofolder, or the id of a data set")
    parser.add_argument("--configuration", help="of the data set, where it has several")
    parser.add_argument("--audio", default="audio", help="column of the audio")
    parser.add_argument("--label", default="label", help="column of the labels")
    parser.add_argument("--speaker", default="speaker", help="column of the speakers, if there is one")
    parser.add_argument("--out", type=Path, required=True, help="folder for the manifest, and for audio from tables")
    options = parser.parse_args(argv)
    columns = Columns(options.audio, options.label, options.speaker)
    return finish_import(
        "import_datasets",
        lambda: import_datasets(options.source, options.out, columns, options.configuration),
        options.out / MANIFEST_NAME,
    )


if __name__ == "__main__":
    raise SystemExit(main())
