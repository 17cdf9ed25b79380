"""Detections over many connections: those of one unbroken stream, no less and no more."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from speechtune_client import CommandClient, CommandRule, Detection, DetectorSettings, Endpointing
from speechtune_client.errors import UnavailableError
from speechtune_client.listening import listen
from speechtune_client.replay import Replay
from speechtune_client.settings import Reset, UpdateCommands
from tests.support.client_events import beat, detection, started
from tests.support.serving import COMMANDS_CONTENT, server_in_thread
from tests.support.streaming import linear16, quiet, tone

SECOND = bytes(32_000)


def connected(*rules, **settings):
    replay = Replay({}, 30.0)
    replay.connect()
    replay.heard(started(*rules, **settings))
    for _ in range(12):
        replay.put(SECOND)
    return replay


def broken(replay, *rules, **settings):
    replay.connect()
    replay.heard(started(*rules, **settings))


def is_shown(replay, *event):
    return replay.heard(detection(*event)) is not None


def test_one_connection_hides_nothing_that_its_server_tells():
    replay = connected()
    assert is_shown(replay, "low", 1.72, 2.72, 2.72)
    assert is_shown(replay, "low", 2.39, 3.39, 3.39)
    assert is_shown(replay, "low", 2.40, 3.40, 3.40)


def test_each_of_two_that_overlap_is_found_again_by_itself_and_a_third_is_new():
    replay = connected()
    assert is_shown(replay, "low", 1.72, 2.72, 2.72)
    assert is_shown(replay, "low", 2.39, 3.39, 3.39)
    broken(replay)
    assert not is_shown(replay, "low", 2.40, 3.40, 3.40)
    assert is_shown(replay, "low", 3.06, 4.06, 4.06)
    broken(replay)
    assert not is_shown(replay, "low", 1.73, 2.73, 2.73)
    assert not is_shown(replay, "low", 2.40, 3.40, 3.40)
    assert not is_shown(replay, "low", 3.07, 4.07, 4.07)
    assert is_shown(replay, "low", 3.73, 4.73, 4.73)


def test_refractory_time_goes_on_over_a_break_for_its_own_keyword_and_ends_as_the_server_counts():
    replay = connected(refractory_ms=5_000)
    assert is_shown(replay, "low", 1.0, 1.5, 2.0)
    broken(replay, refractory_ms=5_000)
    assert not is_shown(replay, "low", 5.0, 5.5, 6.99)
    assert is_shown(replay, "high", 5.0, 5.5, 6.99)
    assert is_shown(replay, "low", 6.0, 6.5, 7.0)


def test_a_rule_of_its_own_counts_before_that_of_all_and_so_does_one_that_came_later():
    replay = connected(CommandRule("low", 0.5, 500), CommandRule("high", 0.5, 500))
    replay.put(UpdateCommands((CommandRule("high", refractory_ms=6_000), "low")))
    replay.put(SECOND)
    assert is_shown(replay, "low", 10.0, 10.5, 11.0)  # by the default: nobody gave this stream a rule
    assert is_shown(replay, "high", 12.0, 12.3, 12.5)
    broken(replay)
    assert is_shown(replay, "low", 12.0, 12.3, 12.5)
    assert not is_shown(replay, "high", 18.0, 18.3, 18.4)
    assert is_shown(replay, "high", 18.0, 18.4, 18.5)


def test_what_the_server_has_of_a_keyword_of_its_own_counts_before_that_of_all():
    replay = connected(CommandRule("low", 0.5, 0), CommandRule("high", 0.5, 3_000))
    assert is_shown(replay, "low", 1.0, 1.5, 2.0)
    assert is_shown(replay, "high", 1.0, 1.5, 2.0)
    broken(replay, CommandRule("low", 0.5, 0), CommandRule("high", 0.5, 3_000))
    assert is_shown(replay, "low", 2.0, 2.2, 2.4)
    assert not is_shown(replay, "high", 4.0, 4.5, 4.9)
    assert is_shown(replay, "high", 4.0, 4.5, 5.0)


def test_a_rule_of_the_stream_counts():
    replay = Replay({"commands": (CommandRule("low", refractory_ms=3_000), "high")}, 30.0)
    replay.connect()
    replay.heard(started())
    assert is_shown(replay, "low", 1.0, 1.5, 2.0)
    assert is_shown(replay, "high", 1.0, 1.5, 2.0)
    broken(replay)
    assert not is_shown(replay, "low", 4.0, 4.5, 4.9)
    assert is_shown(replay, "high", 4.0, 4.5, 4.9)


def test_a_reset_ends_refractory_time_over_a_break_too():
    replay = connected(refractory_ms=20_000)
    assert is_shown(replay, "low", 10.0, 10.5, 11.0)
    replay.put(Reset())  # at 12 s
    replay.put(SECOND * 3)
    replay.heard(beat(11.5))
    broken(replay, refractory_ms=20_000)
    assert not is_shown(replay, "low", 11.0, 11.7, 11.9)
    assert is_shown(replay, "low", 13.0, 13.5, 14.0)


@pytest.fixture(scope="module")
def client():
    with server_in_thread(max_in_flight_seconds=2.0) as server, CommandClient(server.address) as client:
        yield client


class BreaksOnce:
    """A client whose first connection breaks after so many events."""

    def __init__(self, client, num_events):
        self._client, self._num_left = client, num_events

    def stream(self, chunks, **stream_settings):
        for event in self._client.stream(chunks, **stream_settings):
            if self._num_left == 0:
                self._num_left = -1
                raise UnavailableError("UNAVAILABLE", "it broke")
            self._num_left -= 1
            yield event


def heard(client, content, num_events=-1, **settings):
    chunks = [content[start : start + 3_200] for start in range(0, len(content), 3_200)]
    events = listen(
        BreaksOnce(client, num_events), chunks, Replay(settings), None, live=False, sleep=lambda seconds: None
    )
    return [(one.label, one.start_offset, one.decision_offset) for one in events if isinstance(one, Detection)]


def plain(client, content, **settings):
    events = client.stream([content], **settings)
    return [(one.label, one.start_offset, one.decision_offset) for one in events if isinstance(one, Detection)]


def test_long_speech_gives_every_detection_of_the_plain_stream(client):
    parts = [(600, 24_000, 0.2), (250, 3_200, 0.6), (600, 7_000, 0.7), (250, 6_400, 0.9), (600, 24_000, 0.2)]
    content = linear16(np.concatenate([quiet(16_000), *(tone(*part) for part in parts), quiet(16_000)]))
    settings = {"detector": DetectorSettings(smoothing_windows=1, long_speech_caution=0.0)}
    expected = plain(client, content, **settings)
    assert len(expected) == 2
    for num_events in (-1, 8, 12, 14):
        assert heard(client, content, num_events, **settings) == expected


@pytest.mark.parametrize("num_events", range(3, 40, 6))
def test_a_break_repeats_no_keyword_within_its_refractory_time(client, num_events):
    detector = DetectorSettings(refractory_ms=3_600)  # a little more than the keywords are apart
    found = heard(client, COMMANDS_CONTENT * 4, num_events, detector=detector)
    for label in ("low", "high"):
        decided = [decision for one, _, decision in found if one == label]
        assert all(later - earlier >= 3.6 for earlier, later in itertools.pairwise(decided))
        assert decided


LONG_WORDS = linear16(np.tile(np.concatenate([quiet(16_000), tone(250, 40_000), quiet(9_000)]), 3))


@pytest.mark.parametrize(
    ("content", "endpointing"),
    [
        (COMMANDS_CONTENT * 4, Endpointing(preroll_ms=2_000, min_speech_ms=300)),
        (LONG_WORDS, Endpointing(min_speech_ms=1_600)),
    ],
)
def test_speech_that_is_long_in_being_found_begins_at_its_place_after_a_break_too(client, content, endpointing):
    expected = plain(client, content, endpointing=endpointing)
    assert len(expected) >= 3
    for num_events in range(2, 40, 4):
        assert heard(client, content, num_events, endpointing=endpointing) == expected
