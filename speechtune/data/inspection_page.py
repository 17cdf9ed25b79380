"""An inspection as one page of HTML that needs nothing else: its players and spectrograms are inside."""

from __future__ import annotations

import base64
import importlib.resources
import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechtune.audio.timebase import SAMPLE_RATE_HZ, samples_from_ms, seconds_from_samples
from speechtune.data.clips import read_clip
from speechtune.data.inspection_report import ClipReport, InspectionReport
from speechtune.data.spectrograms import log_mel_image
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
    image: str | None
    audio: str | None


def render_page(report: InspectionReport) -> str:
    """The page as HTML; ten labels most in doubt and 200 clips with findings are heard and seen, the others counted."""
    import jinja2

    template = importlib.resources.files("speechtune.data").joinpath("inspection_page.html.j2").read_text("utf-8")
    table = report.num_clips_per_label_and_speaker()
    speakers = sorted({speaker for counts in table.values() for speaker in counts})
    page: str = (
        jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        .from_string(template)
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
        return _Shown(report, "", None, None)
    samples = read_clip(report.clip)[: samples_from_ms(_MAX_SHOWN_MS)]
    audio = io.BytesIO()
    soundfile.write(audio, np.clip(samples, -1.0, 1.0), SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    image = encode_png(_coloured(log_mel_image(samples)[::-1]))
    return _Shown(report, _figures(report), _base64(image), _base64(audio.getvalue()))


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


def _coloured(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """float32[H, W], 0 to 1, as uint8[H, W, 3]."""
    places = np.linspace(0.0, 1.0, len(_COLOURS))
    channels = [np.interp(image, places, [colour[channel] for colour in _COLOURS]) for channel in range(3)]
    coloured: NDArray[np.uint8] = np.stack(channels, axis=-1).round().astype(np.uint8)
    return coloured


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """uint8[H, W, 3] as a PNG file (ISO/IEC 15948)."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), dtype=np.uint8), pixels.reshape(height, width * 3)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
