"""The plain driver of a session: answers its requests at once, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.streaming.config import Scorer
from speechtune.streaming.events import Event
from speechtune.streaming.session import Session
from speechtune.streaming.voice.activity import ActivityModel, ActivityRequest

SAMPLES_FORMAT = PcmFormat(PcmEncoding.FLOAT32, SAMPLE_RATE_HZ)
"""The stream format of a session that is given samples, float32 at 16 kHz."""

_CHUNK_SAMPLES = 16 * SAMPLE_RATE_HZ


def chunks_of(samples: NDArray[np.float32], num_samples: int = _CHUNK_SAMPLES) -> Iterator[NDArray[np.float32]]:
    """Cut float32[N] into chunks of `num_samples`, the last of which may be shorter; nothing is copied."""
    for start in range(0, len(samples), num_samples):
        yield samples[start : start + num_samples]


def advance(session: Session, scorer: Scorer, activity: ActivityModel) -> list[Event]:
    """Do all the work that waits in `session` and take its events."""
    while (request := session.next_request()) is not None:
        if isinstance(request, ActivityRequest):
            session.resolve(request, activity.probabilities(request))
        else:
            session.resolve(request, scorer.score(request.windows))
    return session.take_events()


def run_session(
    session: Session, scorer: Scorer, activity: ActivityModel, chunks: Iterable[bytes | NDArray[np.float32]]
) -> Iterator[Event]:
    """Feed `chunks`, as `Session.receive` takes them, to a fresh session, end it, and give its events as they come."""
    for chunk in chunks:
        session.receive(chunk)
        yield from advance(session, scorer, activity)
    session.end()
    yield from advance(session, scorer, activity)
