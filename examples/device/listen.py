"""Spoken commands on a small device, without a server and without a network: onnxruntime, numpy, and a microphone.

    python listen.py MODEL.onnx              # the microphone, by the package sounddevice
    python listen.py MODEL.onnx CLIP.wav     # a file: 16-bit, 16 kHz, one channel

MODEL.onnx is what `speechtune export` wrote. Each command that is heard is one line: seconds, command, confidence.

A stretch of sound that rises out of the background and fits in one window is a command or none, and is decided once.
Longer speech is decided by windows in a row, which must be surer. The server's session does more: it tells speech from
other sounds, keeps quiet microphones loud, and recognises what a command is said over.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
import wave
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, when the package is loaded
import onnxruntime

RATE_HZ = 16_000
FRAME = 320  # 20 ms
RISE_DB = 10.0  # above the background: sound begins
FALL_DB = 20.0  # below its loudest 20 ms: it pauses, whatever the background is
BACKGROUND_FRAMES = 250  # the background is what a quarter of the last 5 s is below
HANGOVER_FRAMES = 12  # so much quiet ends it
PREROLL = 2_560  # soft consonants come before the sound rises
KEEP_WINDOWS = 3
DOUBT, MOVES = (0.05, 0.9), (-1_200, 1_200)  # a window in doubt is heard again, 75 ms earlier and later


class Model:
    """An exported model: windows to posteriors."""

    def __init__(self, path: str) -> None:
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the cores alone in the pauses
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        about = json.loads(self._session.get_modelmeta().custom_metadata_map["speechtune"])
        self.keywords: list[str] = about["keywords"]
        self.thresholds: dict[str, float] = about["thresholds"]
        self.window: int = about["window_samples"]
        self.detector: dict[str, float] = about["detector"]
        self._looks_twice: bool = about["second_look"]

    def score(self, window: np.ndarray) -> np.ndarray:
        """float32[N] to posteriors float32[K]: the keywords first, then unknown speech and silence."""
        once = self._look(window)
        if not self._looks_twice or not DOUBT[0] < once[: len(self.keywords)].max() < DOUBT[1]:
            return once
        looks = [once, *(self._look(cut(window, -move, len(window))) for move in MOVES)]
        mean = np.exp(np.mean(np.log(np.maximum(looks, 1e-12)), axis=0))
        return mean / mean.sum()

    def _look(self, window: np.ndarray) -> np.ndarray:
        return self._session.run(["posteriors"], {"waveforms": window[None]})[0][0]


class Listener:
    """Follows one stream of audio and gives what was said in it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._audio = np.zeros(0, dtype=np.float32)
        self._first = 0  # position of the oldest sample that is kept
        self._levels_db: deque[float] = deque(maxlen=BACKGROUND_FRAMES)
        self._began: int | None = None
        self._loudest_db = -math.inf
        self._quiet_frames = 0
        self._recent: deque[np.ndarray] = deque(maxlen=int(model.detector["smoothing_windows"]))
        self._next_hop = 0
        self._muted_until: dict[str, int] = {}

    def hear(self, frame: np.ndarray) -> Iterator[tuple[float, str, float]]:
        """Take 20 ms of audio, float32[320], -1 to 1; give seconds, command and confidence of what ends with it."""
        self._audio = np.concatenate([self._audio, frame])
        surplus = len(self._audio) - KEEP_WINDOWS * self._model.window
        if surplus > 0:
            self._audio, self._first = self._audio[surplus:], self._first + surplus
        end = self._first + len(self._audio)
        level_db = 10.0 * math.log10(float(np.mean(frame**2)) + 1e-10)
        self._levels_db.append(level_db)
        background_db = float(np.percentile(self._levels_db, 25))
        sounds = level_db > max(background_db + RISE_DB, self._loudest_db - FALL_DB)
        if self._began is None:
            if not sounds:
                return
            self._began, self._loudest_db, self._next_hop = end - FRAME - PREROLL, -math.inf, 0
            self._recent.clear()
        self._loudest_db = max(self._loudest_db, level_db)
        self._quiet_frames = 0 if sounds else self._quiet_frames + 1
        if end - self._began > self._model.window:
            yield from self._passing(end)
        if self._quiet_frames == HANGOVER_FRAMES:
            if end - self._began <= self._model.window + HANGOVER_FRAMES * FRAME:
                yield from self._whole(self._began, end)
            self._began, self._loudest_db = None, -math.inf

    def _whole(self, start: int, end: int) -> Iterator[tuple[float, str, float]]:
        """A short stretch, placed by its energy in the middle of its window."""
        piece = self._between(start, end)
        level = np.square(piece[: len(piece) // 400 * 400]).reshape(-1, 400).mean(axis=1)
        excess = np.maximum(level - np.median(level), 0.0) + 1e-12
        centre = start + int(np.average(np.arange(len(level)) * 400 + 199.5, weights=excess))
        window = self._between(centre - self._model.window // 2, centre + (self._model.window + 1) // 2)
        yield from self._decided(self._model.score(window), start, 0.0)

    def _passing(self, end: int) -> Iterator[tuple[float, str, float]]:
        """The newest window of long speech: the mean of several in a row, against a stricter threshold."""
        if end < self._next_hop:
            return
        self._next_hop = end + int(self._model.detector["hop_ms"]) * RATE_HZ // 1000
        start = end - self._model.window
        self._recent.append(self._model.score(self._between(start, end)))
        if len(self._recent) == self._recent.maxlen:
            yield from self._decided(np.mean(self._recent, axis=0), start, self._model.detector["long_speech_caution"])

    def _decided(self, posteriors: np.ndarray, start: int, caution: float) -> Iterator[tuple[float, str, float]]:
        best = int(np.argmax(posteriors[: len(self._model.keywords)]))
        keyword, confidence = self._model.keywords[best], float(posteriors[best])
        threshold = self._model.thresholds[keyword]
        if caution and 0.0 < threshold < 1.0:
            threshold = 1.0 / (1.0 + (1.0 - threshold) / threshold * math.exp(-caution))
        now = self._first + len(self._audio)
        muted_until = self._muted_until.get(keyword, 0)
        if confidence >= threshold:
            # Within long speech a word stays in several windows: it is told once.
            self._muted_until[keyword] = now + int(self._model.detector["refractory_ms"]) * RATE_HZ // 1000
            if now >= muted_until:
                yield max(start, 0) / RATE_HZ, keyword, confidence

    def _between(self, start: int, end: int) -> np.ndarray:
        return cut(self._audio, start - self._first, end - start)


def cut(samples: np.ndarray, start: int, size: int) -> np.ndarray:
    """float32[size] from `start`, which may lie outside; what is not there is zero."""
    window = np.zeros(size, dtype=np.float32)
    first, last = max(start, 0), min(start + size, len(samples))
    if first < last:
        window[first - start : last - start] = samples[first:last]
    return window


def frames_of_file(path: str) -> Iterator[np.ndarray]:
    """The file's audio and a second of silence after it, 20 ms at a time."""
    with wave.open(path) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE_HZ, 1, 2):
            sys.exit(f"{path}: is not 16-bit audio of 16 kHz and one channel; convert it first")
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / np.float32(32_768)
    padded = np.concatenate([samples, np.zeros(RATE_HZ + FRAME, dtype=np.float32)])
    for start in range(0, len(padded) // FRAME * FRAME, FRAME):
        yield padded[start : start + FRAME].astype(np.float32)


def frames_of_microphone() -> Iterator[np.ndarray]:
    """The microphone's audio, for ever."""
    try:
        import sounddevice  # noqa: PLC0415  (a file needs none)
    except (ImportError, OSError):
        sys.exit("no microphone: install sounddevice and PortAudio (libportaudio2), or name a WAV file")
    with sounddevice.InputStream(RATE_HZ, FRAME, channels=1, dtype="float32") as stream:
        while True:
            yield stream.read(FRAME)[0][:, 0]


def main(arguments: list[str]) -> None:
    """Listen until the audio ends, or for ever."""
    if len(arguments) not in (1, 2):
        sys.exit(__doc__)
    model = Model(arguments[0])
    frames: Iterable[np.ndarray] = frames_of_file(arguments[1]) if len(arguments) == 2 else frames_of_microphone()
    print(f"listening for: {', '.join(model.keywords)}", file=sys.stderr)
    listener, began, num_frames = Listener(model), time.perf_counter(), 0
    for frame in frames:
        num_frames += 1
        for seconds, keyword, confidence in listener.hear(frame):
            print(f"{seconds:8.2f}  {keyword}  {confidence:.2f}", flush=True)
    share = (time.perf_counter() - began) / (num_frames * FRAME / RATE_HZ)
    print(f"heard in {share:.1%} of the time it lasts", file=sys.stderr)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
