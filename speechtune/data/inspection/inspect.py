"""What is wrong with a data set, clip by clip and as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from speechtune.audio.sound_faults import SoundLimits, find_sound_faults, sound_notes
from speechtune.audio.timebase import ms_from_samples
from speechtune.audio.true_rate import PaceWatch
from speechtune.data.inspection.copies import find_copies
from speechtune.data.inspection.doubted_labels import doubts_of_labels, finding_of
from speechtune.data.inspection.inspected_clip import Embedder, InspectedClip, inspect_each
from speechtune.data.inspection.leaks import Leak, find_leaks
from speechtune.data.inspection.report import ClipReport, Finding, InspectionReport, SplitLeak
from speechtune.data.sets.clips import Clip, ClipSet, Split, combined_fingerprint, count_labels, read_clip
from speechtune.labels import SILENCE, UNKNOWN

_NARROW_HZ = 4_200.0  # a telephone's band, and that of 8 kHz
_WIDE_HZ = 6_000.0
_FEW_CLIPS = 5


def inspect_clips(
    clip_set: ClipSet,
    limits: SoundLimits | None = None,
    progress: Callable[[int], None] | None = None,
    embedder: Embedder | None = None,
) -> InspectionReport:
    """Read, measure, compare and judge every clip; nothing is changed and nothing raised for a clip's sake.

    `_silence_` is not blamed for being silent, nor `_unknown_` for being long. A clip is `narrow_band` only beside
    others that are not, for then a model may learn the microphone in place of the word.

    Args:
        clip_set: the data.
        limits: where a measure becomes a fault; none: the defaults.
        progress: told after each clip how many are done.
        embedder: hears which clips sound like another label; none: labels are not doubted.
    """
    limits = limits or SoundLimits()
    inspected: list[InspectedClip] = []
    findings: list[list[Finding]] = []
    for clip, one in zip(clip_set.clips, inspect_each(clip_set.clips, embedder), strict=True):
        inspected.append(one)
        findings.append(_own_findings(clip, one, limits))
        if progress is not None:
            progress(len(inspected))
    copies = find_copies([one.print for one in inspected], lambda place: read_clip(clip_set.clips[place]))
    doubts = doubts_of_labels(clip_set.clips, [one.embedding for one in inspected]) if embedder is not None else {}
    for found in (
        _narrow_band(clip_set.clips, inspected),
        _copies(clip_set, inspected, copies),
        {place: finding for place, one in doubts.items() if (finding := finding_of(one)) is not None},
    ):
        for place, more in found.items():
            findings[place] += [more]
    hashes = [one.content for one in inspected if one.content is not None]
    readable = [clip for clip, one in zip(clip_set.clips, inspected, strict=True) if one.error is None]
    notes = [_sound_notes(clip, one, limits) for clip, one in zip(clip_set.clips, inspected, strict=True)]
    return InspectionReport(
        root=clip_set.root,
        clips=tuple(
            ClipReport(clip, one.measures, tuple(found), doubts.get(place), notes[place])
            for place, (clip, one, found) in enumerate(zip(clip_set.clips, inspected, findings, strict=True))
        ),
        leaks=_leaks(clip_set, readable, inspected, copies),
        notes=(*clip_set.notes, *_pace(inspected), *_notes(clip_set, sum(map(bool, notes)))),
        fingerprint=combined_fingerprint(hashes, clip_set.clips) if len(hashes) == len(clip_set.clips) else None,
    )


def _own_findings(clip: Clip, one: InspectedClip, limits: SoundLimits) -> list[Finding]:
    """What is wrong with a clip by itself."""
    if one.measures is None:
        return [Finding("unreadable", one.error or "cannot be read")]
    findings = [Finding("not_as_it_says", note) for note in one.notes]
    if clip.sha256 is not None and clip.sha256 != one.file_hash:
        findings.append(Finding("altered", "its content is not what the manifest's sha256 says"))
    if clip.num_samples is not None and clip.num_samples != one.measures.num_samples:
        detail = f"it has {one.measures.num_samples} samples at 16 kHz, the manifest says {clip.num_samples}"
        findings.append(Finding("altered", detail))
    if clip.label != SILENCE:
        any_length_ms = math.ceil(ms_from_samples(one.measures.num_samples)) if clip.label == UNKNOWN else None
        faults = find_sound_faults(one.measures, limits, max_ms=any_length_ms)
        findings += [Finding(fault.kind, fault.detail) for fault in faults]
    return findings


def _sound_notes(clip: Clip, one: InspectedClip, limits: SoundLimits) -> tuple[str, ...]:
    return () if one.measures is None or clip.label == SILENCE else sound_notes(one.measures, limits)


def _copies(
    clip_set: ClipSet, inspected: Sequence[InspectedClip], copies: Sequence[tuple[int, int]]
) -> dict[int, Finding]:
    """The later ones of equal contents, and of contents that sound the same."""
    clips = clip_set.clips
    found: dict[int, Finding] = {}
    first_with: dict[str, int] = {}
    for place, one in enumerate(inspected):
        if one.content is not None and (first := first_with.setdefault(one.content, place)) != place:
            found[place] = Finding("duplicate", f"same content as {_named(clip_set, first, place)}")
    for earlier, later in copies:
        if later not in found and clips[later].label != SILENCE:
            found[later] = Finding("near_duplicate", f"a copy of {_named(clip_set, earlier, later)}")
    return found


def _named(clip_set: ClipSet, first: int, later: int) -> str:
    other, clip = clip_set.clips[first], clip_set.clips[later]
    return clip_set.name_of(other) + (
        "" if other.label == clip.label else f", which has another label ({other.label!r})"
    )


def _narrow_band(clips: Sequence[Clip], inspected: Sequence[InspectedClip]) -> dict[int, Finding]:
    """Clips without treble, unless the same person is heard with it elsewhere: then it is the word that has none."""
    widths = [None if one.measures is None else one.measures.bandwidth_hz for one in inspected]
    known = [width for width in widths if width is not None]
    if not known or float(np.median(known)) < _WIDE_HZ:
        return {}
    heard_wide = {
        _microphone(clip)
        for clip, width in zip(clips, widths, strict=True)
        if clip.speaker is not None and width is not None and width >= _WIDE_HZ
    }
    return {
        place: Finding("narrow_band", f"nothing above {width:.0f} Hz, unlike most of the set")
        for place, width in enumerate(widths)
        if width is not None
        and width < _NARROW_HZ
        and clips[place].label != SILENCE
        and _microphone(clips[place]) not in heard_wide
    }


def _microphone(clip: Clip) -> tuple[str | None, ...]:
    """Who speaks into what, as far as it is known."""
    return clip.speaker, clip.device, clip.session


def _leaks(
    clip_set: ClipSet, readable: Sequence[Clip], inspected: Sequence[InspectedClip], copies: Sequence[tuple[int, int]]
) -> tuple[SplitLeak, ...]:
    """What declared splits share with training: people, sessions, files, contents, and copies of a sound."""
    clips = clip_set.clips
    members: dict[Split | None, list[Clip]] = {}
    for clip in readable:
        members.setdefault(clip.split, []).append(clip)
    train = members.get("train", [])
    others: tuple[Split, ...] = ("valid", "test")
    leaks = [SplitLeak(side, leak) for side in others for leak in find_leaks(train, members.get(side, []))]
    for pair in copies:
        left, right = sorted((clips[place] for place in pair), key=lambda clip: clip.split != "train")
        is_known = inspected[pair[0]].content == inspected[pair[1]].content
        if left.split == "train" and right.split in ("valid", "test") and not is_known:
            leaks.append(SplitLeak(right.split, Leak("copy", clip_set.name_of(left), (left,), (right,))))
    return tuple(leaks)


def _pace(inspected: Sequence[InspectedClip]) -> tuple[str, ...]:
    """Whether the voices of the set are those of people: the rate of all its files may be untrue."""
    pace = PaceWatch(len(inspected))
    for one in inspected:
        if one.voice_hz is not None:
            pace.take(one.voice_hz)
    return pace.notes


def _notes(clip_set: ClipSet, num_quiet: int) -> list[str]:
    notes = []
    if num_quiet:
        clips = (
            "1 clip is quiet, but clear of its"
            if num_quiet == 1
            else f"{num_quiet} clips are quiet, but clear of their"
        )
        notes.append(f"{clips} noise: no fault, though a louder microphone is better")
    if few := [f"{label} ({count})" for label, count in count_labels(clip_set.clips).items() if count < _FEW_CLIPS]:
        notes.append(f"labels with fewer than {_FEW_CLIPS} clips: {', '.join(few)}")
    if len(clip_set.speakers) == 1 and not clip_set.num_without_speaker:
        notes.append(f"{clip_set.speakers[0]!r} is the only speaker: no score can be claimed for other people")
    return notes
