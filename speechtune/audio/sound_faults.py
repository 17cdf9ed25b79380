"""What is wrong with one recording of one word, from its samples alone. A recorder and an inspection judge alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.clicks import end_of_pop, find_clicks, late_start
from speechtune.audio.levels import FRAME_SAMPLES, SpeechLevels, bandwidth_hz, clipped_fraction, peak_dbfs, rms_dbfs
from speechtune.audio.timebase import ms_from_samples, samples_from_ms, seconds_from_samples
from speechtune.audio.voicing import voiced_frames

SoundFault = Literal[
    "silent",
    "no_speech",
    "quiet",
    "noisy",
    "clipped",
    "too_short",
    "too_long",
    "cut_off_start",
    "cut_off_end",
    "late_start",
    "clicks",
    "offset",
]

_EDGE_MS = 5
_ABRUPT_DB = -7.0
_DOUBTFUL_SNR_DB = 10.0
_VOICED_SHARE_OF_SPEECH, _VOICED_SHARE_OF_SOFT_SPEECH = 0.33, 0.5


@dataclass(frozen=True)
class SoundLimits:
    """Where a measure becomes a fault.

    The defaults accuse about one in twenty clips of Google Speech Commands, most of which are faulty indeed.
    """

    silent_peak_dbfs: float = -60.0
    quiet_speech_dbfs: float = -50.0
    clear_snr_db: float = 15.0
    """Speech so far over its background is clear however quiet it is: noise tells, the level alone does not."""
    noisy_snr_db: float = 6.0
    clipped_fraction: float = 0.002
    offset: float = 0.05
    min_speech_ms: int = 80
    max_ms: int = 5_000
    cut_off_edge_db: float = -7.0
    """Level of the first or last 5 ms, over the clip's loud frames, at which speech was going on there."""


@dataclass(frozen=True)
class SoundProperties:
    """The measures of one recording.

    Attributes:
        speech_dbfs: level while speech is on; None where none stands out from its background.
        snr_db: speech over background; None where there is no telling them apart, or no background.
        speech_samples: from the first to the last active frame, at 16 kHz; 0 if there is no speech.
        start_edge_db, end_edge_db: level of the first and the last 5 to 10 ms over that of the loud frames.
        bandwidth_hz: highest frequency that is heard; None for digital silence.
        offset: mean of the samples.
        click_samples: where clicks and pops lie.
        late_samples: exact zeros at the beginning, where they last 0.1 s or more.
        is_abrupt: whether what follows them begins with a pop, or as loud as speech.
    """

    num_samples: int
    rms_dbfs: float
    peak_dbfs: float
    speech_dbfs: float | None
    snr_db: float | None
    clipped_fraction: float
    speech_samples: int
    start_edge_db: float
    end_edge_db: float
    bandwidth_hz: float | None
    offset: float = 0.0
    click_samples: tuple[int, ...] = ()
    late_samples: int = 0
    is_abrupt: bool = False


@dataclass(frozen=True)
class Fault:
    """Something wrong with a recording: its kind, and a sentence with the figures."""

    kind: SoundFault
    detail: str


def sound_properties(samples: NDArray[np.float32]) -> SoundProperties:
    """Measure float32[N] at 16 kHz, N ≥ 1."""
    levels = SpeechLevels(samples)
    speech_dbfs, snr_db, speech_samples = _speech(levels)
    return SoundProperties(
        num_samples=len(samples),
        rms_dbfs=rms_dbfs(samples),
        peak_dbfs=peak_dbfs(samples),
        speech_dbfs=speech_dbfs,
        snr_db=snr_db,
        clipped_fraction=clipped_fraction(samples),
        speech_samples=speech_samples,
        start_edge_db=_edge_dbfs(levels.samples) - levels.loud_dbfs,
        end_edge_db=_edge_dbfs(levels.samples[::-1]) - levels.loud_dbfs,
        bandwidth_hz=bandwidth_hz(samples),
        offset=float(np.mean(samples, dtype=np.float64)),
        click_samples=tuple(find_clicks(samples).tolist()),
        late_samples=(late := late_start(samples)),
        is_abrupt=bool(late) and _is_abrupt(samples, late, levels),
    )


def _is_abrupt(samples: NDArray[np.float32], late: int, levels: SpeechLevels) -> bool:
    return end_of_pop(samples) > 0 or _edge_dbfs(levels.samples[late:]) - levels.loud_dbfs >= _ABRUPT_DB


def _speech(levels: SpeechLevels) -> tuple[float | None, float | None, int]:
    """Level, level over the background, and length of the speech.

    A clip cut close to its word has soft sounds where others have their background, or nothing soft at all; both are
    told from noise by their pitch.
    """
    active, snr_db = levels.range, levels.snr_db
    if active is None:
        is_all_speech = voiced_frames(levels.samples).mean() >= _VOICED_SHARE_OF_SPEECH
        return (rms_dbfs(levels.samples), None, len(levels.samples)) if is_all_speech else (None, None, 0)
    if snr_db is not None and snr_db < _DOUBTFUL_SNR_DB:
        voiced = voiced_frames(levels.samples)
        if voiced[~levels.active].mean() >= _VOICED_SHARE_OF_SOFT_SPEECH:
            return levels.speech_dbfs, None, FRAME_SAMPLES * int((voiced | levels.active).sum())
    return levels.speech_dbfs, snr_db, active[1] - active[0]


def _edge_dbfs(samples: NDArray[np.float32]) -> float:
    """Level of the first 5 ms; where they lie between two pulses of a low voice, up to 2 dB more by the first 10 ms."""
    edge = samples_from_ms(_EDGE_MS)
    short, long = rms_dbfs(samples[:edge]), rms_dbfs(samples[: 2 * edge])
    return max(short, min(long - 3.0, short + 2.0))


def find_sound_faults(measures: SoundProperties, limits: SoundLimits, max_ms: int | None = None) -> tuple[Fault, ...]:
    """The faults of a recording of one word or command; none: it may be kept.

    Args:
        measures: from `measure`.
        limits: where a measure becomes a fault.
        max_ms: another limit of the length than the one in `limits`.
    """
    if measures.peak_dbfs < limits.silent_peak_dbfs:
        return (Fault("silent", f"its peak is at {measures.peak_dbfs:.0f} dBFS"),)
    faults = [*_length_faults(measures, limits, limits.max_ms if max_ms is None else max_ms)]
    if measures.clipped_fraction >= limits.clipped_fraction:
        faults.append(Fault("clipped", f"{measures.clipped_fraction:.1%} of it lies on flat tops"))
    faults += _device_faults(measures, limits)
    if measures.speech_dbfs is None:
        faults.append(Fault("no_speech", "nothing stands out from a steady sound"))
        return tuple(faults)
    if measures.speech_dbfs < limits.quiet_speech_dbfs and not _is_clear(measures, limits):
        faults.append(Fault("quiet", f"speech is at {measures.speech_dbfs:.0f} dBFS"))
    if measures.snr_db is not None and measures.snr_db < limits.noisy_snr_db:
        faults.append(Fault("noisy", f"speech is {measures.snr_db:.0f} dB over its background"))
    for kind, edge_db, where in _edges(measures):
        if edge_db >= limits.cut_off_edge_db:
            faults.append(Fault(kind, f"its {where} {_EDGE_MS} ms are as loud as speech ({edge_db:+.0f} dB)"))
    return tuple(faults)


def sound_notes(measures: SoundProperties, limits: SoundLimits) -> tuple[str, ...]:
    """What is worth knowing of a recording and no fault, one sentence each; arguments as for `find_sound_faults`."""
    if measures.peak_dbfs < limits.silent_peak_dbfs or measures.speech_dbfs is None:
        return ()
    if measures.speech_dbfs >= limits.quiet_speech_dbfs or not _is_clear(measures, limits):
        return ()
    levels = f"speech is at {measures.speech_dbfs:.0f} dBFS, {measures.snr_db:.0f} dB over its background"
    return (f"quiet, but clear of its noise: {levels}",)


def _is_clear(measures: SoundProperties, limits: SoundLimits) -> bool:
    return measures.snr_db is not None and measures.snr_db >= limits.clear_snr_db


def _length_faults(measures: SoundProperties, limits: SoundLimits, max_ms: int) -> list[Fault]:
    length_ms, speech_ms = ms_from_samples(measures.num_samples), ms_from_samples(measures.speech_samples)
    if length_ms > max_ms:
        return [Fault("too_long", f"{length_ms / 1000:.1f} s, a command takes at most {max_ms / 1000:.1f} s")]
    if length_ms < limits.min_speech_ms:
        return [Fault("too_short", f"{length_ms:.0f} ms in all")]
    if 0 < speech_ms < limits.min_speech_ms:
        return [Fault("too_short", f"{speech_ms:.0f} ms of speech")]
    return []


def _device_faults(measures: SoundProperties, limits: SoundLimits) -> list[Fault]:
    """What the device did, whatever was said."""
    faults = []
    if abs(measures.offset) >= limits.offset:
        faults.append(Fault("offset", f"its samples lie about {measures.offset:+.2f}, not about 0 (a DC offset)"))
    if measures.is_abrupt:
        late = seconds_from_samples(measures.late_samples)
        faults.append(
            Fault("late_start", f"{late:.2f} s of exact zeros, then sound at once: the microphone came too late")
        )
    clicks = [
        place for place in measures.click_samples if not measures.is_abrupt or place > measures.late_samples + 800
    ]
    if clicks:
        number = "a click" if len(clicks) == 1 else f"{len(clicks)} clicks, the first"
        faults.append(Fault("clicks", f"{number} at {seconds_from_samples(clicks[0]):.2f} s"))
    return faults


def _edges(measures: SoundProperties) -> tuple[tuple[SoundFault, float, str], tuple[SoundFault, float, str]]:
    return (
        ("cut_off_start", measures.start_edge_db, "first"),
        ("cut_off_end", measures.end_edge_db, "last"),
    )
