"""What an inspection found: clip by clip, of the splits, of the whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from speechtune.audio.sound_faults import SoundFault, SoundProperties
from speechtune.audio.timebase import seconds_from_samples
from speechtune.data.inspection.leaks import Leak
from speechtune.data.sets.clips import Clip, Split, name_in
from speechtune.names import readable

FindingKind = (
    SoundFault
    | Literal[
        "unreadable", "not_as_it_says", "altered", "duplicate", "near_duplicate", "narrow_band", "sounds_like_another"
    ]
)


@dataclass(frozen=True)
class Finding:
    """Something wrong with a clip: its kind, and a sentence with the figures."""

    kind: FindingKind
    detail: str


@dataclass(frozen=True)
class Doubt:
    """How many times as much as its own label the clip sounds like another one, `label`; below 1 all is well."""

    times: float
    label: str


@dataclass(frozen=True)
class ClipReport:
    """One clip, judged.

    Attributes:
        measures: None: it could not be read.
        findings: what is wrong with it.
        doubt: of its label; None where nobody listened, or where its label is no word or has too few clips.
        notes: what is worth knowing of its sound and no fault, one sentence each.
    """

    clip: Clip
    measures: SoundProperties | None
    findings: tuple[Finding, ...]
    doubt: Doubt | None = None
    notes: tuple[str, ...] = ()


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

    def name_of(self, report: ClipReport) -> str:
        """Where a clip lies, relative to the data set, below its label where its path does not tell that."""
        name, label = name_in(self.root, report.clip), report.clip.label
        return name if label in name.split("/") else f"{label}: {name}"

    @property
    def accused(self) -> tuple[ClipReport, ...]:
        """The clips with findings."""
        return tuple(report for report in self.clips if report.findings)

    @property
    def accused_rarest_first(self) -> tuple[ClipReport, ...]:
        """The same, those with a finding that few others have first: among hundreds they would be overlooked."""
        counts = self.num_findings
        return tuple(sorted(self.accused, key=lambda report: min(counts[found.kind] for found in report.findings)))

    def most_doubted(self, most: int) -> tuple[ClipReport, ...]:
        """The clips that sound more like another label than like their own, the worst first, accused of it or not."""
        doubted = [report for report in self.clips if report.doubt is not None and report.doubt.times > 1.0]
        return tuple(sorted(doubted, key=lambda report: -report.doubt.times if report.doubt else 0.0)[:most])

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
            "data": readable(str(self.root)),
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


def _leak_row(found: SplitLeak) -> dict[str, Any]:
    return {
        "kind": found.leak.kind,
        "what": found.leak.what,
        "split": found.split,
        "train": [readable(str(clip.path)) for clip in found.leak.train],
        "other": [readable(str(clip.path)) for clip in found.leak.test],
    }


def _clip_row(report: ClipReport) -> dict[str, Any]:
    measures = None if report.measures is None else asdict(report.measures)
    return {
        "path": readable(str(report.clip.path)),
        "label": report.clip.label,
        "speaker": report.clip.speaker,
        "findings": [asdict(finding) for finding in report.findings],
        "notes": list(report.notes),
        "doubt": report.doubt and {"times": round(report.doubt.times, 3), "label": report.doubt.label},
        "measures": measures
        and {name: round(value, 4) if isinstance(value, float) else value for name, value in measures.items()},
    }
