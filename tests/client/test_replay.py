"""One stream over many connections, without any: what is sent again, what is forgotten, what is shown."""

from __future__ import annotations

import dataclasses

import pytest

from speechtune_client.backoff import Backoff, is_passing
from speechtune_client.errors import InvalidRequestError, NotPermittedError, OverloadedError, UnavailableError
from speechtune_client.events import Heartbeat, Resumed
from speechtune_client.replay import Replay
from speechtune_client.settings import Flush, UpdateCommands
from tests.support.client_events import beat, detection, speech, started

RATE = 32_000
SECOND = bytes(range(250)) * 128


def taken(replay):
    pieces = []
    while (piece := replay.take()) is not None:
        pieces.append(piece)
    return pieces


def sent(replay):
    return b"".join(piece for piece in taken(replay) if isinstance(piece, bytes))


@pytest.fixture
def replay():
    replay = Replay({}, 10.0)
    replay.connect()
    return replay


def test_the_first_connection_gets_everything_from_the_first_byte(replay):
    for _ in range(5):
        replay.put(SECOND)
    assert sent(replay) == SECOND * 5
    assert replay.take() is None
    replay.is_ended = True
    assert replay.is_drained


def test_after_a_break_all_that_is_not_confirmed_is_sent_again_and_a_second_before(replay):
    for _ in range(6):
        replay.put(SECOND)
    taken(replay)
    replay.heard(beat(4.0))
    settings = replay.connect()
    # On the grid of the model's frames, 32 ms, at most one frame before.
    assert settings["resume_offset"] == pytest.approx(3.0, abs=0.032)
    assert settings["resume_offset"] / 0.032 == pytest.approx(round(settings["resume_offset"] / 0.032), abs=1e-6)
    assert sent(replay) == (SECOND * 6)[round(settings["resume_offset"] * RATE) :]


def test_open_speech_is_sent_again_from_its_beginning(replay):
    for _ in range(8):
        replay.put(SECOND)
    taken(replay)
    replay.heard(speech(4.5))
    replay.heard(beat(7.0))
    assert replay.connect()["resume_offset"] == pytest.approx(3.5, abs=0.032)
    replay.heard(speech(4.5, 7.5))
    replay.heard(beat(8.0))
    assert replay.connect()["resume_offset"] == pytest.approx(7.0, abs=0.032)


def test_an_event_confirms_nothing_of_its_own_moment_for_others_of_it_may_be_on_their_way(replay):
    for _ in range(8):
        replay.put(SECOND)
    replay.heard(detection("yes", 3.0, 3.5, 4.0))
    assert replay.connect()["resume_offset"] == 0.0
    replay.heard(detection("no", 4.0, 4.5, 4.0))
    replay.heard(detection("yes", 5.0, 5.5, 6.0))
    assert replay.connect()["resume_offset"] == pytest.approx(3.0, abs=0.032)


def test_what_outlasts_the_window_is_lost_from_its_oldest_end_and_counted(replay):
    for _ in range(4):
        replay.put(SECOND)
    taken(replay)
    replay.heard(beat(3.0))
    for _ in range(21):
        replay.put(SECOND)
    assert replay.is_full
    settings = replay.connect()
    assert settings["resume_offset"] == pytest.approx(15.0, abs=0.5)
    assert replay._lost_seconds == pytest.approx(12.0, abs=0.5)
    held = sent(replay)
    assert (SECOND * 25).endswith(held)
    assert 9.0 < len(held) / RATE <= 10.0


def test_memory_stays_within_the_window_however_long_the_stream(replay):
    for second in range(1, 500):
        replay.put(SECOND)
        taken(replay)
        replay.heard(beat(float(second)))
        assert sum(len(piece) for _, piece in replay._pieces) <= 2 * RATE


def test_speech_that_never_ends_does_not_stop_the_source(replay):
    replay.heard(speech(1.0))
    for second in range(1, 100):
        assert not replay.is_full
        replay.put(SECOND)
        taken(replay)
        replay.heard(beat(float(second)))


def test_a_detection_that_was_shown_is_not_shown_again_and_one_that_was_not_is(replay):
    for _ in range(8):
        replay.put(SECOND)
    assert replay.heard(detection("yes", 5.0, 5.5, 5.7)) is not None
    replay.heard(speech(5.8))
    replay.connect()
    assert replay.heard(detection("yes", 5.016, 5.5, 5.732)) is None
    assert replay.heard(detection("no", 5.9, 6.3, 6.5)) is not None
    assert replay.heard(detection("yes", 6.9, 7.3, 7.5)) is not None


def test_the_rest_of_a_word_that_the_window_cuts_is_no_news(replay):
    for _ in range(8):
        replay.put(SECOND)
    replay.heard(detection("right", 3.8, 4.5, 4.7))
    replay.heard(beat(5.2))
    replay.connect()  # begins within the word
    assert replay.heard(detection("eight", 4.2, 4.5, 4.7)) is None


def test_the_first_server_that_answers_starts_the_stream_and_later_ones_resume_it():
    replay = Replay({}, 10.0)
    for _ in range(3):  # the first two find nobody
        replay.connect()
    assert replay.heard(started()) == started()
    replay.connect()
    resumed = replay.heard(started())
    assert (type(resumed), resumed.lost) == (Resumed, 0.0)


def test_what_was_lost_before_any_server_answered_lies_before_the_offset_of_the_start():
    replay = Replay({}, 10.0)
    replay.connect()
    for _ in range(21):
        replay.put(SECOND)
    assert replay.connect()["resume_offset"] == pytest.approx(11.0, abs=0.5)


def test_ids_are_those_of_one_long_stream(replay):
    replay.put(SECOND * 4)
    replay.connect()
    shown = replay.heard(dataclasses.replace(detection("yes", 2.0, 2.5, 3.0), event_id="16000-yes"))
    assert shown.event_id == "48000-yes"


def test_orders_keep_their_place_and_commands_that_were_updated_stay_so(replay):
    replay.put(SECOND)
    replay.put(UpdateCommands(("yes",)))
    replay.put(SECOND)
    replay.put(Flush())
    replay.put(UpdateCommands(("no",)))
    replay.put(SECOND)
    orders = [piece for piece in taken(replay) if not isinstance(piece, bytes)]
    assert orders == [UpdateCommands(("yes",)), Flush(), UpdateCommands(("no",))]
    replay.heard(beat(2.5))
    settings = replay.connect()
    assert settings["resume_offset"] == pytest.approx(1.5, abs=0.032)
    assert settings["commands"] == ("yes",)
    assert [piece for piece in taken(replay) if not isinstance(piece, bytes)] == [Flush(), UpdateCommands(("no",))]
    for _ in range(4):
        replay.put(SECOND)
    taken(replay)
    replay.heard(beat(7.0))
    assert replay.connect()["commands"] == ("no",)


def test_heartbeats_and_activity_are_shown_to_those_who_asked():
    quiet, curious = Replay({}), Replay({"speech_activity": True, "heartbeat_interval_ms": 1_000})
    for replay, shown in ((quiet, 0), (curious, 2)):
        replay.connect()
        replay.put(SECOND * 5)
        events = [speech(0.5), *(beat(0.25 * step) for step in range(1, 7))]
        assert sum(replay.heard(event) is not None for event in events) == shown
        assert replay.heard(Heartbeat(5.0, "DRAINING", audio_processed=2.0)) is not None


def test_a_rate_without_whole_frames_resumes_on_a_whole_value():
    for rate_hz, channels in ((44_100, 2), (11_025, 1), (8_001, 1)):
        replay = Replay({"sample_rate_hertz": rate_hz, "channels": channels})
        replay.connect()
        replay.put(bytes(2 * channels * rate_hz * 4))
        replay.heard(beat(3.3))
        offset = replay.connect()["resume_offset"]
        assert 1.8 < offset <= 2.3
        assert offset * rate_hz == pytest.approx(round(offset * rate_hz), abs=1e-6)


def test_a_window_too_small_for_the_lead_is_refused():
    for seconds in (1.0, 3.9, float("nan")):
        with pytest.raises(ValueError, match="at least 4"):
            Replay({}, seconds)


def test_waits_grow_to_ten_seconds_are_spread_and_begin_anew():
    longest, shortest = Backoff(draw=lambda: 1.0), Backoff(draw=lambda: 0.0)
    assert [longest.seconds(None) for _ in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0]
    assert [shortest.seconds(None) for _ in range(3)] == [0.125, 0.25, 0.5]
    assert Backoff(draw=lambda: 0.0).seconds(OverloadedError("RESOURCE_EXHAUSTED", "", retry_after=3.0)) >= 3.0
    assert [longest.seconds(None) for _ in range(5_000)] == [10.0] * 5_000
    longest.succeeded()
    assert longest.seconds(None) == 0.25
    assert is_passing(UnavailableError("UNAVAILABLE", ""))
    assert not is_passing(InvalidRequestError("INVALID_ARGUMENT", ""))
    assert not is_passing(NotPermittedError("UNAUTHENTICATED", ""))
