"""A folder of mined stretches: FLAC clips, a manifest that makes them negatives, and a page that plays them.

`speechtune finetune DATA --negatives FOLDER` takes it as it is. Each line of the manifest tells the recording that its
clip was cut from (`source`) and, in columns of its own, where it begins there, the keyword that it fired or came
nearest to, the posterior, the threshold, and whether it fired.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from speechtune.audio.files import write_flac
from speechtune.data.inspection.player import ClipMedia
from speechtune.data.sets.clips import Clip, ClipSet
from speechtune.data.sets.manifest import MANIFEST_NAME, write_manifest
from speechtune.errors import ConfigError
from speechtune.evaluation.reports.media import clip_media
from speechtune.evaluation.reports.page import MinedRow, mined_page
from speechtune.evaluation.streams.mining import HardStretch, Mining
from speechtune.evaluation.streams.recordings import read_part
from speechtune.labels import UNKNOWN
from speechtune.whole_files import why_not_writable, writing_whole_folder

MINED_PAGE_NAME = "mined.html"
MAX_PLAYABLE = 300
"""Clips with a player on the page: about 80 kB each."""


@dataclass(frozen=True)
class Miner:
    """What listened: the checkpoint's name and digest."""

    model: str
    digest: str


Also = Callable[[Path, str, HardStretch], None]
"""Told the folder, a clip's name in it without suffix, and the stretch: to write something more beside the clip."""


def check_new_folder(folder: Path) -> None:
    """Refuse a place where a folder cannot be made; ask before listening, not after it.

    Raises:
        ConfigError: something is there already, other than an empty folder, or nothing may be written there.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"--out {folder}: holds something already; name a new folder")
    if reason := why_not_writable(folder):
        raise ConfigError(f"--out {folder}: cannot be written ({reason}); name a new folder")


def write_mined(folder: Path, mining: Mining, miner: Miner, also: Also | None = None) -> None:
    """Cut the stretches out of their recordings and write the folder, whole or not at all.

    Args:
        folder: is made; where there is one it must be empty.
        mining: at least one stretch.
        miner: what listened, for the record.
        also: called for every clip once it is written.

    Raises:
        ConfigError: as `check_new_folder`.
        UnreadableAudioError: a recording can no longer be read.
    """
    check_new_folder(folder)
    names = _names(len(mining.stretches))
    try:
        with writing_whole_folder(folder) as beside:
            clips, rows = [], []
            for number, (name, stretch) in enumerate(zip(names, mining.stretches, strict=True)):
                samples = read_part(stretch.recording, stretch.clip_start, stretch.clip_end)
                path = beside / f"{name}.flac"
                write_flac(path, samples)
                clips.append(_clip(path, len(samples), stretch, miner))
                rows.append(_row(path.name, stretch, clip_media(samples) if number < MAX_PLAYABLE else None))
                if also is not None:
                    also(beside, name, stretch)
            write_manifest(beside / MANIFEST_NAME, ClipSet(beside, tuple(clips)))
            (beside / MINED_PAGE_NAME).write_text(_page(folder, rows, mining, miner), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"--out {folder}: cannot be made ({error.strerror or error}); make room or name another place"
        ) from error


def _names(num_clips: int) -> list[str]:
    """As a server names what it keeps (`speechtune review` reads both): time in UTC, then the rank and chance."""
    now = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    return [f"{now}-{number:06x}{secrets.token_hex(5)}" for number in range(num_clips)]


def _clip(path: Path, num_samples: int, stretch: HardStretch, miner: Miner) -> Clip:
    return Clip(
        path=path,
        label=UNKNOWN,
        # One recording is one place and often one voice: its clips must not be parted between train and test.
        session=stretch.recording.name,
        num_samples=num_samples,
        source=stretch.recording.path,
        id=path.stem,
        extra=(
            ("x_offset_seconds", f"{stretch.offset_seconds:.3f}"),
            ("x_nearest", stretch.label),
            ("x_posterior", f"{stretch.confidence:.4f}"),
            ("x_threshold", f"{stretch.threshold:.4f}"),
            ("x_fired", "yes" if stretch.fired else "no"),
            ("x_model_digest", miner.digest),
        ),
    )


def _row(name: str, stretch: HardStretch, media: ClipMedia | None) -> MinedRow:
    return MinedRow(
        file=name,
        recording=stretch.recording.name,
        offset_seconds=stretch.offset_seconds,
        label=stretch.label,
        confidence=stretch.confidence,
        threshold=stretch.threshold,
        fired=stretch.fired,
        media=media,
    )


def _page(folder: Path, rows: Sequence[MinedRow], mining: Mining, miner: Miner) -> str:
    facts: dict[str, JsonValue] = {
        "model": miner.model,
        "digest": miner.digest,
        "folder": folder.name,
        "margin, logits": mining.margin,
        "left out: a command is said there": mining.num_on_words,
        "left out: there are stronger ones": mining.num_weaker,
    }
    title = f"What {miner.model} took for a command, or nearly"
    return mined_page(title, facts, rows)
