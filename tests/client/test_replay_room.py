"""However small the room and long the speech: what is kept never makes source and server wait for each other."""

from __future__ import annotations

import numpy as np
import pytest

from speechtune_client import CommandClient, Detection, Ended, SpeechActivity
from speechtune_client.events import Heartbeat
from speechtune_client.pacing import PACING_INTERVAL_MS, bytes_per_second
from speechtune_client.replay import DEFAULT_REPLAY_SECONDS, LEAST_REPLAY_SECONDS, Replay
from tests.support.client_events import started
from tests.support.serving import server_in_thread
from tests.support.streaming import linear16, quiet, tone
from tests.support.waiting import in_time

FORMS = [(16_000, 1), (44_100, 2), (11_025, 1), (8_001, 1), (15_625, 1), (96_000, 8)]
FRAME_SECONDS = 0.032
RESAMPLER_SECONDS = 0.12


class Hearing:
    """A server at its least talkative: whole frames, a beat only when it is due, and speech from the start on."""

    def __init__(self, replay, rate, preroll_ms):
        self._replay, self._rate, self._preroll_ms = replay, rate, preroll_ms
        self.connect()

    def connect(self):
        self._origin = self._last_beat = self._replay.connect()["resume_offset"]
        self._received = 0
        self._replay.heard(started(preroll_ms=self._preroll_ms))
        self._replay.heard(SpeechActivity("SPEECH_STARTED", self._origin, None, None, audio_processed=self._origin))

    def hear(self):
        while (piece := self._replay.take()) is not None:
            self._received += len(piece)
        frames = max(int((self._received / self._rate - RESAMPLER_SECONDS) / FRAME_SECONDS), 0)
        processed = self._origin + frames * FRAME_SECONDS
        if processed - self._last_beat >= PACING_INTERVAL_MS / 1000:
            self._last_beat = processed
            self._replay.heard(Heartbeat(None, None, audio_processed=processed))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seconds", [LEAST_REPLAY_SECONDS, 5.5, DEFAULT_REPLAY_SECONDS])
@pytest.mark.parametrize("preroll_ms", [160, 2_000, 60_000])
def test_speech_without_end_never_stops_the_source(form, seconds, preroll_ms):
    rate_hz, channels = form
    settings = {"sample_rate_hertz": rate_hz, "channels": channels}
    rate = bytes_per_second(settings)
    replay = Replay(settings, seconds)
    server = Hearing(replay, rate, preroll_ms)
    for number, part in enumerate(replay.parts(bytes(40 * rate))):
        if number % 13 == 12:
            server.connect()
        server.hear()
        assert not replay.is_full
        replay.put(part)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("seconds", [LEAST_REPLAY_SECONDS, DEFAULT_REPLAY_SECONDS])
def test_a_word_of_twenty_seconds_is_heard_to_its_end_and_so_is_the_next(seconds, live):
    content = linear16(np.concatenate([quiet(16_000), tone(250, 320_000), quiet(16_000), tone(1000, 6_000)]))
    chunks = [content[start : start + 3_200] for start in range(0, len(content), 3_200)]
    heard = []
    with server_in_thread() as server, CommandClient(server.address) as client:
        assert not in_time(lambda: heard.extend(client.listen(chunks, replay_seconds=seconds, live=live)))
    assert {event.label for event in heard if isinstance(event, Detection)} == {"low", "high"}
    assert isinstance(heard[-1], Ended)
