"""The plain driver of a session: answers its requests at once, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.streaming.activity import ActivityModel, ActivityRequest
from speechtune.streaming.config import Scorer
from speechtune.streaming.events import Event
from speechtune.streaming.session import Session

SAMPLES_FORMAT = PcmFormat(PcmEncoding.FLOAT32, SAMPLE_RATE_HZ)
"""The stream format of samples that are float32 at 16 kHz already."""

_CHUNK_SAMPLES = 16 * SAMPLE_RATE_HZ


def chunks_of(samples: NDArray[np.float32]) -> Iterator[bytes]:
    """Cut float32[N] at 16 kHz into byte chunks in `SAMPLES_FORMAT`."""
    for start in range(0, len(samples), _CHUNK_SAMPLES):
        yield samples[start : start + _CHUNK_SAMPLES].astype("<f4", copy=False).tobytes()


def advance(session: Session, scorer: Scorer, activity: ActivityModel) -> list[Event]:
    """Do all the work that waits in `session` and take its events."""
    while (request := session.next_request()) is not None:
        if isinstance(request, ActivityRequest):
            session.resolve(request, activity.judge(request))
        else:
            session.resolve(request, scorer.score(request.windows))
    return session.take_events()


def run_session(session: Session, scorer: Scorer, activity: ActivityModel, chunks: Iterable[bytes]) -> Iterator[Event]:
    """Feed `chunks` to a fresh session, end it, and give its events as they come."""
    for chunk in chunks:
        session.receive(chunk)
        yield from advance(session, scorer, activity)
    session.end()
    yield from advance(session, scorer, activity)
