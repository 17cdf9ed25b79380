"""An inspection as one page of HTML that needs nothing else: its players and spectrograms are inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from speechtune.audio.timebase import seconds_from_samples
from speechtune.data.inspection.player import ClipMedia, Palette, clip_media, page_environment
from speechtune.data.inspection.report import ClipReport, InspectionReport
from speechtune.data.sets.clips import read_clip
from speechtune.names import readable

_MAX_CLIPS = 200
_MAX_DOUBTED = 10
_MAX_SHOWN_MS = 5_000
_MAX_SPEAKERS = 12
# From dark blue over red to light yellow, even in lightness, so that it also reads in grey.
_COLOURS = ((0, 0, 20), (60, 15, 110), (140, 40, 130), (220, 70, 105), (252, 140, 90), (252, 250, 190))


@dataclass(frozen=True)
class _Shown:
    report: ClipReport
    measures: str
    media: ClipMedia | None


def render_page(report: InspectionReport) -> str:
    """The page as HTML; ten labels most in doubt and 200 clips with findings are heard and seen, the others counted."""
    table = report.num_clips_per_label_and_speaker()
    speakers = sorted({speaker for counts in table.values() for speaker in counts})
    page: str = (
        page_environment("speechtune.data.inspection")
        .get_template("page.html.j2")
        .render(
            report=report,
            minutes=seconds_from_samples(report.num_samples) / 60,
            doubted=[_shown(clip_report) for clip_report in report.most_doubted(_MAX_DOUBTED)],
            clips=[_shown(clip_report) for clip_report in report.accused_rarest_first[:_MAX_CLIPS]],
            num_left_out=max(len(report.accused) - _MAX_CLIPS, 0),
            table=table,
            speakers=speakers if len(speakers) <= _MAX_SPEAKERS else [],
        )
    )
    return readable(page)


def _shown(report: ClipReport) -> _Shown:
    if report.measures is None:
        return _Shown(report, "", None)
    return _Shown(report, _figures(report), clip_media(read_clip(report.clip), _palette(), max_ms=_MAX_SHOWN_MS))


def _figures(report: ClipReport) -> str:
    measures = report.measures
    if measures is None:
        return ""
    texts = [f"{seconds_from_samples(measures.num_samples):.2f} s", f"peak {measures.peak_dbfs:.0f} dBFS"]
    if measures.speech_dbfs is not None:
        texts.append(f"speech {measures.speech_dbfs:.0f} dBFS")
    if measures.snr_db is not None:
        texts.append(f"{measures.snr_db:.0f} dB over the background")
    if measures.bandwidth_hz is not None:
        texts.append(f"up to {measures.bandwidth_hz / 1000:.1f} kHz")
    return ", ".join(texts)


def _palette() -> Palette:
    places = np.linspace(0.0, 1.0, len(_COLOURS))
    levels = np.linspace(0.0, 1.0, 256)
    channels = [np.interp(levels, places, [colour[channel] for colour in _COLOURS]) for channel in range(3)]
    palette: Palette = np.stack(channels, axis=-1).round().astype(np.uint8)
    return palette
