"""Train, valid and test without a person on two sides.

Who goes where is decided by a hash of the speaker (or session) and a seed alone, so that adding clips or people moves
nobody, as in Google Speech Commands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from speechtune.data.sets.clips import Clip, Split, content_hashes, speakers_of
from speechtune.errors import ConfigError, UnreadableAudioError, UnsplittableError
from speechtune.labels import SILENCE

Separator = Literal["speaker", "session", "time"]


@dataclass(frozen=True)
class SplitFractions:
    """Shares of the speakers, each 0 to 1 and together 1; a split of share 0 stays empty."""

    train: float = 0.8
    valid: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        shares = (self.train, self.valid, self.test)
        if not (all(share >= 0.0 for share in shares) and abs(sum(shares) - 1.0) <= 1e-9):  # nor is one NaN
            raise ConfigError(f"split shares {shares}: none may be negative and together they are 1")


@dataclass(frozen=True)
class Splits:
    """Three sets of clips, each in the order of the whole.

    Attributes:
        by: what keeps them apart.
        claim: what a score on `test` says, and what it does not; for reports.
        warnings: what a person must be told loudly: why they are not kept apart better.
    """

    train: tuple[Clip, ...]
    valid: tuple[Clip, ...]
    test: tuple[Clip, ...]
    by: Separator
    claim: str
    warnings: tuple[str, ...] = ()

    def with_declared_splits(self) -> tuple[Clip, ...]:
        """All clips, each with its split declared: train, then valid, then test."""
        sides: tuple[tuple[Split, tuple[Clip, ...]], ...] = (
            ("train", self.train),
            ("valid", self.valid),
            ("test", self.test),
        )
        return tuple(replace(clip, split=split) for split, clips in sides for clip in clips)


_CLAIMS: dict[Separator, str] = {
    "speaker": "scores hold for people the model never heard",
    "session": "scores hold for new recordings of the same people; nothing is known of people the model never heard",
    "time": "scores hold for recordings of another half-hour; whether of other people or of another room, nobody knows",
}
_MIN_SPEAKERS = 3
_SECONDS_OF_A_GROUP = 1_800


def split_clips(clips: Sequence[Clip], fractions: SplitFractions, seed: int) -> Splits:
    """Split by speaker; where that cannot be, by recording session; else by the half-hour a file was written in.

    Every step down is a warning that says what can no longer be claimed.

    Raises:
        UnsplittableError: not even time tells the clips apart, or a split that was asked for stays empty.
        UnreadableAudioError: a file whose time or content is needed cannot be read.
    """
    spoken = [clip for clip in clips if not clip.synthetic and clip.label != SILENCE]
    speakers = speakers_of(spoken)
    warnings = []
    if len(speakers) >= _MIN_SPEAKERS and all(clip.speaker is not None for clip in spoken):
        return split_by_speaker(clips, fractions, seed)
    lacking = sum(clip.speaker is None for clip in spoken)
    why = f"{lacking} of {len(spoken)} clips have no speaker" if lacking else f"there are only {len(speakers)} speakers"
    warnings.append(f"{why}, so that the same people are on all sides: nothing can be claimed for new people")
    if spoken and all(clip.session is not None for clip in spoken):
        return _split(clips, [clip.session for clip in clips], "session", fractions, seed, warnings)
    warnings.append(
        "recording sessions are not known either, and files are split by the half-hour they were written in: copying "
        "or converting them destroys it; record with `speechtune record`, or give speakers or sessions in a manifest"
    )
    return _split(clips, [_half_hour(clip) for clip in clips], "time", fractions, seed, warnings)


def _half_hour(clip: Clip) -> str:
    try:
        return str(int(clip.path.stat().st_mtime) // _SECONDS_OF_A_GROUP)
    except OSError as error:
        raise UnreadableAudioError(f"{clip.path}: cannot be read ({error.strerror or error})") from error


def split_by_speaker(clips: Sequence[Clip], fractions: SplitFractions, seed: int) -> Splits:
    """Split so that no speaker is on two sides; where speakers are not all known, so that no session is.

    `_silence_` without a speaker is split by content. Synthetic clips train, they never judge.

    Raises:
        UnsplittableError: neither speakers nor sessions are known, or a split that was asked for stays empty; the
            message says what could not be claimed, and what to do.
        UnreadableAudioError: a silence clip cannot be read.
    """
    spoken = [clip for clip in clips if not clip.synthetic and clip.label != SILENCE]
    by = _what_separates(spoken)
    return _split(clips, [getattr(clip, by) for clip in clips], by, fractions, seed)


def _split(
    clips: Sequence[Clip],
    group_of: Sequence[str | None],
    by: Separator,
    fractions: SplitFractions,
    seed: int,
    warnings: Sequence[str] = (),
) -> Splits:
    """Put every clip where its group's hash says; clips without a group where their content's does."""
    sides: dict[Split, list[Clip]] = {"train": [], "valid": [], "test": []}
    for clip, group in zip(clips, group_of, strict=True):
        if clip.synthetic:
            sides["train"].append(clip)
        elif group is not None:
            sides[_side(group, fractions, seed)].append(clip)
        else:
            sides[_side(content_hashes([clip])[0], fractions, seed)].append(clip)
    groups = sorted(
        {
            group
            for clip, group in zip(clips, group_of, strict=True)
            if group is not None and not clip.synthetic and clip.label != SILENCE
        }
    )
    what = "half-hour" if by == "time" else by
    for side, members in sides.items():
        if getattr(fractions, side) > 0.0 and not any(clip.label != SILENCE for clip in members):
            raise UnsplittableError(
                f"{len(groups)} {what}s ({_some(groups)}): none falls to the {side} split, so that nothing could be "
                f"claimed from it; record more {what}s, give {side} a larger share, or take another seed"
            )
    return Splits(tuple(sides["train"]), tuple(sides["valid"]), tuple(sides["test"]), by, _CLAIMS[by], tuple(warnings))


def _what_separates(spoken: Sequence[Clip]) -> Literal["speaker", "session"]:
    if not spoken:
        raise UnsplittableError(
            "there are no recorded clips of speech to split; synthetic clips and silence judge nothing"
        )
    if all(clip.speaker is not None for clip in spoken):
        return "speaker"
    if all(clip.session is not None for clip in spoken):
        return "session"
    lacking = [clip for clip in spoken if clip.speaker is None]
    raise UnsplittableError(
        f"{lacking[0].path}: one of {len(lacking)} clips without a speaker, and sessions are not all known "
        "either; split at random, one person would be on both sides and no score could be claimed for new people; "
        "give --speaker-pattern, or speakers in a manifest"
    )


def _side(group: str, fractions: SplitFractions, seed: int) -> Split:
    share = _uniform(f"{seed}/{group}")
    if share < fractions.test:
        return "test"
    return "valid" if share < fractions.test + fractions.valid else "train"


def _uniform(text: str) -> float:
    """A number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode(errors="backslashreplace")).digest()[:6], "big") / 2**48


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")
