"""What is wrong with a data set, clip by clip and as a whole."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from speechtune.audio.judgement import SoundFault, SoundLimits, SoundMeasures, judge, measure
from speechtune.audio.timebase import ms_from_samples, seconds_from_samples
from speechtune.data.clips import (
    Clip,
    ClipSet,
    Split,
    combined_fingerprint,
    content_hash,
    count_labels,
    read_clip,
    stretch_hash,
)
from speechtune.data.leaks import Leak, find_leaks
from speechtune.errors import AudioError
from speechtune.labels import SILENCE, UNKNOWN

FindingKind = SoundFault | Literal["unreadable", "altered", "duplicate", "narrow_band"]

_NARROW_HZ = 4_200.0  # a telephone's band, and that of 8 kHz
_WIDE_HZ = 6_000.0
_FEW_CLIPS = 5


@dataclass(frozen=True)
class Finding:
    """Something wrong with a clip: its kind, and a sentence with the figures."""

    kind: FindingKind
    detail: str


@dataclass(frozen=True)
class ClipReport:
    """One clip, its measures (None: it could not be read) and what is wrong with it."""

    clip: Clip
    measures: SoundMeasures | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class SplitLeak:
    """Something that the training split shares with another one."""

    split: Split
    leak: Leak


@dataclass(frozen=True)
class InspectionReport:
    """A data set, judged.

    Attributes:
        root: the folder or manifest.
        clips: every clip, in the order of the set.
        leaks: what declared splits share with the training split; empty where no splits are declared.
        notes: about the set as a whole, one sentence each.
        fingerprint: the set's version; None if a file could not be read at all.
    """

    root: Path
    clips: tuple[ClipReport, ...]
    leaks: tuple[SplitLeak, ...]
    notes: tuple[str, ...]
    fingerprint: str | None

    @property
    def accused(self) -> tuple[ClipReport, ...]:
        """The clips with findings."""
        return tuple(report for report in self.clips if report.findings)

    @property
    def num_findings(self) -> dict[str, int]:
        """How many clips have each kind of finding, the commonest first."""
        return dict(Counter(finding.kind for report in self.clips for finding in report.findings).most_common())

    @property
    def num_samples(self) -> int:
        """Length of all readable clips together, at 16 kHz."""
        return sum(report.measures.num_samples for report in self.clips if report.measures is not None)

    def num_clips_per_label_and_speaker(self) -> dict[str, dict[str, int]]:
        """Clips per label and, within it, per speaker; "" stands for those without one. Both are sorted."""
        table: dict[str, Counter[str]] = {}
        for report in self.clips:
            table.setdefault(report.clip.label, Counter())[report.clip.speaker or ""] += 1
        return {label: dict(sorted(counts.items())) for label, counts in sorted(table.items())}

    def to_json(self) -> dict[str, Any]:
        """Everything, as what `json.dumps` takes."""
        return {
            "data": str(self.root),
            "fingerprint": self.fingerprint,
            "num_clips": len(self.clips),
            "num_clips_accused": len(self.accused),
            "seconds": round(seconds_from_samples(self.num_samples), 3),
            "num_findings": self.num_findings,
            "num_clips_per_label_and_speaker": self.num_clips_per_label_and_speaker(),
            "notes": list(self.notes),
            "leaks": [_leak_row(leak) for leak in self.leaks],
            "clips": [_clip_row(report) for report in self.clips],
        }


def inspect_clips(
    clip_set: ClipSet, limits: SoundLimits | None = None, progress: Callable[[], None] | None = None
) -> InspectionReport:
    """Read, measure and judge every clip; nothing is changed and nothing raised for a clip's sake.

    `_silence_` is not blamed for being silent, nor `_unknown_` for being long. A clip is `narrow_band` only beside
    others that are not, for then a model may learn the microphone in place of the word.

    Args:
        clip_set: the data.
        limits: where a measure becomes a fault; none: the defaults.
        progress: called after each clip.
    """
    judged = _Judge(limits or SoundLimits())
    reports: list[ClipReport] = []
    for clip in clip_set.clips:
        reports.append(judged.report(clip))
        if progress is not None:
            progress()
    reports = _with_narrow_band(reports)
    readable = [report.clip for report in reports if not _is_unreadable(report)]
    return InspectionReport(
        root=clip_set.root,
        clips=tuple(reports),
        leaks=_leaks_of_declared_splits(readable),
        notes=(*clip_set.notes, *_notes(clip_set)),
        fingerprint=judged.fingerprint(clip_set),
    )


class _Judge:
    """Judges clips one after the other; remembers what they hold, to know copies."""

    def __init__(self, limits: SoundLimits) -> None:
        self._limits = limits
        self._hash_of_file: dict[Path, str] = {}
        self._hash_of_clip: list[str] = []
        self._first_with: dict[str, Clip] = {}

    def report(self, clip: Clip) -> ClipReport:
        try:
            if clip.path not in self._hash_of_file:
                self._hash_of_file[clip.path] = content_hash(clip.path)
            findings = self._content_findings(clip, self._hash_of_file[clip.path])
            measures = measure(read_clip(clip))
        except AudioError as error:
            return ClipReport(clip, None, (Finding("unreadable", str(error)),))
        if clip.num_samples is not None and clip.num_samples != measures.num_samples:
            detail = f"it has {measures.num_samples} samples at 16 kHz, the manifest says {clip.num_samples}"
            findings.append(Finding("altered", detail))
        if clip.label != SILENCE:
            any_length_ms = math.ceil(ms_from_samples(measures.num_samples)) if clip.label == UNKNOWN else None
            faults = judge(measures, self._limits, max_ms=any_length_ms)
            findings += [Finding(fault.kind, fault.detail) for fault in faults]
        return ClipReport(clip, measures, tuple(findings))

    def fingerprint(self, clip_set: ClipSet) -> str | None:
        if len(self._hash_of_clip) < len(clip_set.clips):
            return None
        return combined_fingerprint(self._hash_of_clip, clip_set.clips)

    def _content_findings(self, clip: Clip, digest: str) -> list[Finding]:
        findings: list[Finding] = []
        if clip.sha256 is not None and clip.sha256 != digest:
            findings.append(Finding("altered", "its content is not what the manifest's sha256 says"))
        content = stretch_hash(digest, clip)
        self._hash_of_clip.append(content)
        first = self._first_with.setdefault(content, clip)
        if first is not clip:
            other = "" if first.label == clip.label else f", which has another label ({first.label!r})"
            findings.append(Finding("duplicate", f"same content as {first.path}{other}"))
        return findings


def _with_narrow_band(reports: list[ClipReport]) -> list[ClipReport]:
    widths = [_bandwidth_hz(report) for report in reports]
    known = [width for width in widths if width is not None]
    if not known or float(np.median(known)) < _WIDE_HZ:
        return reports
    return [
        ClipReport(report.clip, report.measures, (*report.findings, _narrow(width)))
        if width is not None and width < _NARROW_HZ and report.clip.label != SILENCE
        else report
        for report, width in zip(reports, widths, strict=True)
    ]


def _bandwidth_hz(report: ClipReport) -> float | None:
    return None if report.measures is None else report.measures.bandwidth_hz


def _narrow(width_hz: float) -> Finding:
    return Finding("narrow_band", f"nothing above {width_hz:.0f} Hz, unlike most of the set")


def _is_unreadable(report: ClipReport) -> bool:
    return any(finding.kind == "unreadable" for finding in report.findings)


def _leaks_of_declared_splits(clips: Iterable[Clip]) -> tuple[SplitLeak, ...]:
    members: dict[Split | None, list[Clip]] = {}
    for clip in clips:
        members.setdefault(clip.split, []).append(clip)
    train = members.get("train", [])
    others: tuple[Split, ...] = ("valid", "test")
    return tuple(SplitLeak(side, leak) for side in others for leak in find_leaks(train, members.get(side, [])))


def _notes(clip_set: ClipSet) -> list[str]:
    notes = []
    if few := [f"{label} ({count})" for label, count in count_labels(clip_set.clips).items() if count < _FEW_CLIPS]:
        notes.append(f"labels with fewer than {_FEW_CLIPS} clips: {', '.join(few)}")
    if len(clip_set.speakers) == 1 and not clip_set.num_without_speaker:
        notes.append(f"{clip_set.speakers[0]!r} is the only speaker: no score can be claimed for other people")
    return notes


def _leak_row(found: SplitLeak) -> dict[str, Any]:
    return {
        "kind": found.leak.kind,
        "what": found.leak.what,
        "split": found.split,
        "train": [str(clip.path) for clip in found.leak.train],
        "other": [str(clip.path) for clip in found.leak.test],
    }


def _clip_row(report: ClipReport) -> dict[str, Any]:
    measures = None if report.measures is None else asdict(report.measures)
    return {
        "path": str(report.clip.path),
        "label": report.clip.label,
        "speaker": report.clip.speaker,
        "findings": [asdict(finding) for finding in report.findings],
        "measures": measures
        and {name: round(value, 4) if isinstance(value, float) else value for name, value in measures.items()},
    }
