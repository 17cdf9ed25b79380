"""Who speaks, read off file names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from speechtune.data.sets.clips import Clip
from speechtune.errors import ConfigError
from speechtune.labels import SILENCE

SPEECH_COMMANDS_NAME = re.compile(r"(?:^|/)(?:(?P<word>[^/]+)_)?(?P<speaker>[0-9a-f]{8})_nohash_\d+(?:\.wav)?$")
"""Names of Google Speech Commands: `<speaker>_nohash_<take>`; with `<word>_` before it where the label is no word.

Some files of its test set end in `.wav.wav`."""


def compile_speaker_pattern(pattern: str) -> re.Pattern[str]:
    r"""A regular expression with a group that is the speaker: the one named `speaker`, else the first.

    It is searched in a file's path below its label's folder, without the suffix and with '/' between folders.

    Raises:
        ConfigError: not a regular expression, or without a group.

    >>> compile_speaker_pattern(r"^([a-z]+)_\d+$").search("george_12")[1]
    'george'
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"speaker pattern {pattern!r}: not a regular expression ({error})") from error
    if not compiled.groups:
        raise ConfigError(
            f"speaker pattern {pattern!r}: put the speaker's part in a group, for example '^(?P<speaker>[a-z]+)_'"
        )
    return compiled


def fill_speakers(
    clips: Sequence[Clip], pattern: str | None, name_of: Callable[[Clip], str]
) -> tuple[tuple[Clip, ...], tuple[str, ...]]:
    """Give every clip without a speaker the one in its file's name.

    Args:
        clips: those that have a speaker keep it.
        pattern: as for `compile_speaker_pattern`; none: names of Speech Commands are recognised.
        name_of: the part of a clip's path in which the pattern is searched.

    Returns:
        The clips, in order, and notes for the reader: where speakers come from and how many clips have none.

    Raises:
        ConfigError: the pattern is of no use, or matches none of the clips.
    """
    lacking = [clip for clip in clips if clip.speaker is None]
    expression = SPEECH_COMMANDS_NAME if pattern is None else compile_speaker_pattern(pattern)
    filled = tuple(_filled(clip, expression, name_of) if clip.speaker is None else clip for clip in clips)
    num_found = len(lacking) - sum(clip.speaker is None for clip in filled)
    if pattern is not None and lacking and not num_found:
        raise ConfigError(
            f"speaker pattern {pattern!r}: matches none of {len(lacking)} file names, such as {name_of(lacking[0])!r}"
        )
    notes = []
    if num_found:
        source = "Speech Commands file names" if pattern is None else f"the pattern {pattern!r}"
        notes.append(f"speakers of {num_found} clips are read off {source}")
    if num_left := sum(clip.speaker is None and clip.label != SILENCE for clip in filled):
        notes.append(f"{num_left} of {len(clips)} clips have no known speaker")
    return filled, tuple(notes)


def _filled(clip: Clip, expression: re.Pattern[str], name_of: Callable[[Clip], str]) -> Clip:
    match = expression.search(name_of(clip))
    if match is None:
        return clip
    groups = match.groupdict()
    speaker = groups["speaker"] if "speaker" in groups else match[1]
    return replace(clip, speaker=speaker or None, word=clip.word or groups.get("word"))
