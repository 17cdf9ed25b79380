"""Keeping the audio of detections and near misses, where the operator asks for it, so that people can learn from them.

Recognition never waits for it and never fails by it: hits are written by a thread of their own, and dropped when the
disk is full or slow. The folder stays within its bounds of bytes and age; the oldest goes first.
"""

from __future__ import annotations

import calendar
import logging
import math
import secrets
import stat
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.timebase import SAMPLE_RATE_HZ, samples_from_ms, seconds_from_samples
from speechtune.errors import ConfigError
from speechtune.labels import LabelSet
from speechtune.streaming.events import Detection, Rejected
from speechtune.streaming.windows import SampleBuffer
from speechtune.whole_files import PRIVATE
from speechtune_server.hits.files import Hit, HitScore, remove_hit, stored_bytes, stored_ids, write_hit

_MARGIN = samples_from_ms(200)
_LONGEST = samples_from_ms(5_000)
"""Of long speech the end is kept, where the decision fell."""
_HELD = _LONGEST + samples_from_ms(3_000)
_MAX_WAITING = 64
_PAUSE_SECONDS = 10.0
"""After a failure the disk is left alone for so long."""

_TIME_FORMAT = "%Y%m%dT%H%M%S"

_log = logging.getLogger(__name__)

Write = Callable[[Path, Hit, NDArray[np.float32]], int]


@dataclass(frozen=True)
class Origin:
    """Whose hits they are."""

    model: str
    model_digest: str
    session_id: str
    key: str


class _Stored(NamedTuple):
    """A hit on disk; `since` when, by the time that nobody sets: a clock that is set ages nothing."""

    id: str
    num_bytes: int
    since: float


class HitKeeper:
    """The folder of hits.

    Args:
        folder: made if it is not there, readable by this user alone; of one that is there and open to others the log
            tells. The files are this user's alone in any case.
        max_bytes: the folder's hits take no more.
        max_age_seconds: older hits are removed.
        write: puts a hit on disk.
        now: wall-clock time, seconds since 1970.
        elapsed: time that nobody sets, in seconds.

    Raises:
        ConfigError: the folder cannot be made or read.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        max_age_seconds: float,
        write: Write = write_hit,
        now: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self.num_kept = 0
        self.num_dropped = 0
        self._folder, self._max_bytes, self._max_age_seconds = folder, max_bytes, max_age_seconds
        self.now = now
        self._elapsed = elapsed
        self._write = write
        self._room = BoundedSemaphore(_MAX_WAITING)
        self._paused_until = -math.inf
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _tell_if_open(folder)
            self._stored = deque(self._found(hit_id) for hit_id in stored_ids(folder))
        except OSError as error:
            raise ConfigError(
                f"keep_hits {folder}: cannot be used ({error.strerror or error}); name another folder"
            ) from error
        self._num_bytes = sum(hit.num_bytes for hit in self._stored)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="speechtune-hits")
        self._last = self._thread.submit(self._guarded, self._prune)

    def recorder(self, labels: LabelSet, origin: Origin) -> HitRecorder:
        """What listens in on one stream."""
        return HitRecorder(self, labels, origin)

    def keep(self, hit: Hit, samples: NDArray[np.float32]) -> None:
        """Write it some time, or drop it; returns at once."""
        if self._elapsed() < self._paused_until or not self._room.acquire(blocking=False):
            self.num_dropped += 1
            return
        self._last = self._thread.submit(self._guarded, lambda: self._store(hit, samples))
        self._last.add_done_callback(self._done)

    def close(self, max_seconds: float = 10.0) -> bool:
        """Write what waits; False: a disk hangs, and the rest is lost with the process."""
        self._thread.shutdown(wait=False)
        return not wait([self._last], max_seconds).not_done

    def _done(self, _: object) -> None:
        self._room.release()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self.num_dropped += 1
            self._paused_until = self._elapsed() + _PAUSE_SECONDS
            _log.warning("hits cannot be kept in %s for now: %s", self._folder, error)

    def _store(self, hit: Hit, samples: NDArray[np.float32]) -> None:
        self._prune()
        size = self._write(self._folder, hit, samples)
        self._stored.append(_Stored(hit.id, size, self._elapsed()))
        self._num_bytes += size
        self.num_kept += 1
        self._prune()

    def _prune(self) -> None:
        oldest = self._elapsed() - self._max_age_seconds
        if self._num_bytes > self._max_bytes:
            self._count_again()
        while self._stored and (self._num_bytes > self._max_bytes or self._stored[0].since < oldest):
            remove_hit(self._folder, self._stored[0].id)
            self._num_bytes -= self._stored.popleft().num_bytes

    def _count_again(self) -> None:
        """Leave out what was reviewed meanwhile: it takes no room any more, and nothing need go in its place."""
        ids = set(stored_ids(self._folder))
        self._stored = deque(hit for hit in self._stored if hit.id in ids)
        self._num_bytes = sum(hit.num_bytes for hit in self._stored)

    def _found(self, hit_id: str) -> _Stored:
        """A hit of an earlier run: only its id says how old it is."""
        try:
            age_seconds = max(self.now() - seconds_of(hit_id), 0.0)
        except ValueError:  # digits that are no time
            age_seconds = 0.0
        return _Stored(hit_id, stored_bytes(self._folder, hit_id), self._elapsed() - age_seconds)


class HitRecorder:
    """Holds the last seconds of one stream, and keeps what lies around a hit."""

    def __init__(self, keeper: HitKeeper, labels: LabelSet, origin: Origin) -> None:
        self._keeper = keeper
        self._keywords = frozenset(labels.keywords)
        self._origin = origin
        self._buffer = SampleBuffer()

    def hear(self, start_sample: int, samples: NDArray[np.float32]) -> None:
        """Take the stream's audio as its session does: float32[N] at 16 kHz, and where in the stream it begins.

        After a flush or a reset that place may differ by a sample from where the audio before it ended.
        """
        missing = start_sample - self._buffer.end
        if missing > 0:
            self._buffer.append(np.zeros(missing, dtype=np.float32))
        self._buffer.append(samples[max(-missing, 0) :])
        self._buffer.forget_before(self._buffer.end - _HELD)

    def note(self, event: object) -> None:
        """Keep the audio of a detection, or of a rejection whose best label was a keyword."""
        if isinstance(event, Detection):
            alternatives = tuple(
                HitScore(label=score.label, confidence=score.confidence) for score in event.alternatives
            )
            self._keep(event, "detection", alternatives)
        elif isinstance(event, Rejected) and event.label in self._keywords:
            self._keep(event, "near miss", ())

    def _keep(self, event: Detection | Rejected, kind: str, alternatives: tuple[HitScore, ...]) -> None:
        end = min(event.end_sample + _MARGIN, self._buffer.end)
        start = max(event.start_sample - _MARGIN, end - _LONGEST, self._buffer.end - _HELD, 0)
        if end <= start:
            return
        origin = self._origin
        hit = Hit.model_validate(
            {
                "id": _new_id(self._keeper.now()),
                "kind": kind,
                "label": event.label,
                "confidence": round(event.confidence, 6),
                "threshold": round(event.threshold, 6),
                "alternatives": alternatives,
                "start": seconds_from_samples(event.start_sample),
                "end": seconds_from_samples(event.end_sample),
                "audio_start": start / SAMPLE_RATE_HZ,
                "model": origin.model,
                "model_digest": origin.model_digest,
                "session_id": origin.session_id,
                "key": origin.key,
            }
        )
        self._keeper.keep(hit, self._buffer.between(start, end).copy())


def _tell_if_open(folder: Path) -> None:
    """Say what others may do with the folder of hits; close the files that older versions left open to them."""
    others = stat.S_IRWXG | stat.S_IRWXO
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & others:
        _log.warning(
            "keep_hits %s: other users may look into this folder (mode %04o), which holds what people said; "
            "close it with: chmod 700 %s",
            folder,
            mode,
            folder,
        )
    for hit_id in stored_ids(folder):
        for path in (folder / f"{hit_id}.flac", folder / f"{hit_id}.json"):
            with suppress(PermissionError):  # another user's
                if path.is_file() and path.stat().st_mode & others:
                    path.chmod(PRIVATE)


def _new_id(seconds: float) -> str:
    """By chance, but in the order of time also within a second."""
    return f"{hit_time(seconds)}-{int(seconds % 1.0 * 1e6):05x}{secrets.token_hex(6)[:11]}"


def hit_time(seconds: float) -> str:
    """How an id begins: UTC, in an order that is the order of names."""
    return time.strftime(_TIME_FORMAT, time.gmtime(max(seconds, 0.0)))


def seconds_of(hit_id: str) -> float:
    """When, by its id, a hit was heard: seconds since 1970.

    Raises:
        ValueError: the id begins with no time.

    >>> seconds_of("19700102T000001-0000000000000000")
    86401.0
    """
    return float(calendar.timegm(time.strptime(hit_id.partition("-")[0], _TIME_FORMAT)))
