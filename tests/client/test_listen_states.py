"""Endless streams over real voice activity, which remembers: after a break they go on as if there had been none."""

from __future__ import annotations

import itertools
import json
import random

import numpy as np
import pytest
import soxr

from speechtune.streaming.voice.activity import SileroActivity
from speechtune_client import CommandClient, Detection, Ended, Rejected, Resumed, SpeechActivity
from speechtune_client.errors import InvalidRequestError
from speechtune_client.events import as_json
from speechtune_client.listening import listen
from speechtune_client.replay import Replay
from speechtune_client.settings import DetectorSettings, Flush, Reset, UpdateCommands
from tests.support.breaking import BreakingClient
from tests.support.serving import server_in_thread
from tests.support.streaming import linear16, talk

SETTINGS = {"detector": DetectorSettings(threshold=0.0), "rejections": True, "speech_activity": True}
CONTENT = linear16(talk(40))
CHUNKS = [CONTENT[start : start + 6_400] for start in range(0, len(CONTENT), 6_400)]


@pytest.fixture(scope="module")
def client():
    with (
        server_in_thread(activity=SileroActivity(), max_in_flight_seconds=2.0) as server,
        CommandClient(server.address) as client,
    ):
        yield client


def heard(client, chunks, breaks=(), seconds=30.0, **settings):
    flaky = BreakingClient(client, breaks)
    replay = Replay(SETTINGS | settings, seconds)
    events = list(listen(flaky, chunks, replay, None, live=False, sleep=lambda _: None))
    assert isinstance(events[-1], Ended)
    return events, flaky


def told(events):
    """What a user makes of events, to the last digit."""
    return [
        (event.event_id, event.start_offset, event.end_offset, event.decision_offset, event.confidence)
        if isinstance(event, Detection)
        else (event.event, event.start_offset, event.decision_offset)
        for event in events
        if isinstance(event, Detection | Rejected | SpeechActivity)
    ]


def detections(events):
    return [one for one in told(events) if len(one) == 5]


@pytest.fixture(scope="module")
def unbroken(client):
    return told(heard(client, CHUNKS)[0])


def test_ids_and_offsets_after_breaks_are_to_the_sample_those_of_an_unbroken_stream(client, unbroken):
    assert len([one for one in unbroken if len(one) == 5]) > 15
    rng = random.Random(3)
    for _ in range(3):
        events, flaky = heard(client, CHUNKS, [rng.randint(2, 60) for _ in range(6)])
        assert sum(isinstance(event, Resumed) for event in events) >= 3

        assert detections(events) == [one for one in unbroken if len(one) == 5]
        assert flaky.offsets == sorted(flaky.offsets)


def test_the_state_is_used_from_the_second_connection_on(client):
    settings = []

    class Watching(BreakingClient):
        def stream(self, chunks, **given):
            settings.append(given)
            return super().stream(chunks, **given)

    list(listen(Watching(client, [40]), CHUNKS, Replay(SETTINGS), None, live=False, sleep=lambda _: None))
    assert [bool(one["resume_state"]) for one in settings] == [False, True]
    assert all(one["listening_states"] for one in settings)


def test_orders_before_the_place_of_the_state_are_not_followed_again_and_later_ones_are(client):
    orders = {
        40: UpdateCommands(("low",)),
        90: Flush(),
        140: UpdateCommands(("low", "high")),
        200: Reset(),
        250: Flush(),
    }
    chunks = list(itertools.chain(*([orders[n], chunk] if n in orders else [chunk] for n, chunk in enumerate(CHUNKS))))
    plain = detections(heard(client, chunks)[0])
    assert {one[0].partition("-")[2] for one in plain if one[3] < 26.0} <= {"low", "high"}
    rng = random.Random(4)
    for _ in range(3):
        events, _ = heard(client, chunks, [rng.randint(10, 60) for _ in range(6)])
        assert detections(events) == plain


def test_speech_longer_than_what_is_kept_is_gone_on_with_without_a_state(client):
    long = linear16(talk(8))
    loud = bytes(long) * 3
    events, flaky = heard(client, [loud], [25, 25], 4.0)
    assert len(flaky.offsets) == 3
    assert detections(events)


def test_a_state_that_is_none_is_refused_by_name_and_one_of_another_version_is_left_aside(client):
    with pytest.raises(InvalidRequestError) as refused:
        list(client.stream(CHUNKS[:5], resume_state=b"\x01oops"))
    assert [violation.field for violation in refused.value.violations] == ["config.resume_state"]
    assert isinstance(list(client.stream(CHUNKS[:5], resume_state=b"\x09later"))[-1], Ended)


def test_states_come_to_who_asks_for_them_alone(client):
    for asked in (False, True):
        events = list(client.stream(CHUNKS[:60], heartbeat_interval_ms=250, listening_states=asked))
        beats = [event for event in events if event.event == "heartbeat"]
        assert any(beat.listening_state for beat in beats) is asked
        assert json.dumps([as_json(beat) for beat in beats])


@pytest.mark.parametrize("rate_hz", [8_000, 44_100])
def test_at_other_rates_too(client, rate_hz):
    samples = np.clip(soxr.resample(talk(20), 16_000, rate_hz), -1, 1)
    content, step = linear16(samples), rate_hz // 5 * 2
    chunks = [content[start : start + step] for start in range(0, len(content), step)]
    plain = detections(heard(client, chunks, sample_rate_hertz=rate_hz)[0])
    broken = detections(heard(client, chunks, [20, 30, 17], sample_rate_hertz=rate_hz)[0])
    assert [one[:4] for one in broken] == [one[:4] for one in plain]
    assert len(plain) > 5
