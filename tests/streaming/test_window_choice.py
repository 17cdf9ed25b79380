"""Windows are left out only where no detection can come of them, whatever they hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechtune.audio.pcm import PcmEncoding, PcmFormat
from speechtune.labels import LabelSet
from speechtune.recipe import DetectorSettings
from speechtune.streaming.config import CommandRule, SessionConfig
from speechtune.streaming.decision import LongUtteranceEnded, Step, WindowScored, decided
from speechtune.streaming.events import Detection, Event, Interim, Rejected
from speechtune.streaming.session import ScoreRequest, Session
from speechtune.streaming.voice.activity import ActivityAnswer, ActivityRequest

LABELS = LabelSet(("go", "stop"), ("_unknown_",))
RATE = 16_000
WINDOW = RATE


class Speech:
    """Loud sound is speech: the frames of the recordings here hold either one or the other."""

    def probabilities(self, request: ActivityRequest) -> ActivityAnswer:
        loud = (np.abs(request.frames).max(axis=1) > 0.01).astype(np.float32)
        return ActivityAnswer(loud, request.state)


class Script:
    """Posteriors of a window by the hundred milliseconds that it ends in: a window always has the same."""

    def __init__(self, scores: np.ndarray) -> None:
        silence = np.zeros((len(scores), 1))
        self.scores = np.hstack([scores, silence]).astype(np.float32)
        self.num_scored = 0

    def score(self, windows: np.ndarray) -> np.ndarray:
        self.num_scored += len(windows)
        # The sound carries its own place: its level grows with every sample.
        places = ((np.abs(windows).max(axis=1) - 0.3) * 1e6 / 1_600).astype(int)
        return self.scores[places % len(self.scores)]


def recording(stretches: list[int]) -> np.ndarray:
    """Stretches of sound, so many tenths of a second each, half a second of silence between them."""
    pieces = [np.zeros(RATE // 2, dtype=np.float32)]
    for tenths in stretches:
        pieces += [np.ones(tenths * RATE // 10, dtype=np.float32), np.zeros(RATE // 2, dtype=np.float32)]
    mask = np.concatenate(pieces)
    return mask * (0.3 + 1e-6 * np.arange(len(mask), dtype=np.float32))


def play(
    samples: np.ndarray, script: Script, config: SessionConfig, chunk: int, **options: object
) -> tuple[list[Event], list[Step]]:
    journal: list[Step] = []
    session = Session(config, LABELS, {"go": 0.4, "stop": 0.5}, WINDOW, journal=journal, **options)
    activity = Speech()
    events: list[Event] = []
    for start in range(0, len(samples) + chunk, chunk):
        if start < len(samples):
            session.receive(samples[start : start + chunk])
        elif not session.is_finished:
            session.end()
        while (request := session.next_request()) is not None:
            is_score = isinstance(request, ScoreRequest)
            session.resolve(request, script.score(request.windows) if is_score else activity.probabilities(request))
        events += session.take_events()
    return events, journal


def config(smoothing: int = 3, **options: object) -> SessionConfig:
    audio = PcmFormat(PcmEncoding.FLOAT32, RATE)
    return SessionConfig(audio, detector=DetectorSettings(smoothing_windows=smoothing), **options)


def drawn(seed: int, share_high: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    high = rng.random((97, 2)) < share_high
    raw = np.where(high, rng.uniform(0.7, 0.999, (97, 2)), rng.uniform(0.0, 0.6, (97, 2)))
    raw[:, 1] *= 1.0 - raw[:, 0]
    return np.column_stack([raw, 1.0 - raw.sum(axis=1)])


def detections(events: list[Event]) -> list[Detection]:
    return [event for event in events if isinstance(event, Detection)]


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    share=st.sampled_from([0.02, 0.3, 0.8]),
    stretches=st.lists(st.integers(8, 45), min_size=1, max_size=3),
    chunk=st.sampled_from([800, 1_600, 4_800, 100_000]),
    smoothing=st.sampled_from([1, 2, 3, 5]),
)
def test_what_is_left_out_changes_no_detection(
    seed: int, share: float, stretches: list[int], chunk: int, smoothing: int
) -> None:
    samples, scores = recording(stretches), drawn(seed, share)
    every, _ = play(samples, Script(scores), config(smoothing), chunk)
    fewer, _ = play(samples, Script(scores), config(smoothing), chunk, exact_from=1.0)
    assert detections(fewer) == detections(every)
    assert [type(event) for event in fewer] == [type(event) for event in every]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), level=st.sampled_from([0.3, 0.42, 0.7, 0.95]))
def test_a_journal_tells_of_every_threshold_that_it_is_exact_from(seed: int, level: float) -> None:
    samples, scores = recording([40, 12, 30]), drawn(seed, 0.5)
    settings_ = config()
    rules = replace(settings_, commands=tuple(CommandRule(one, level) for one in LABELS.keywords))
    _, journal = play(samples, Script(scores), settings_, 1_600, exact_from=0.3)
    told = list(decided(journal, LABELS, rules.effective_rules(LABELS, {}), settings_.detector))
    truth, _ = play(samples, Script(scores), rules, 1_600)
    assert detections(told) == detections(truth)


def test_talk_costs_one_window_in_a_row_and_a_command_all_around_it() -> None:
    talk = np.tile([0.1, 0.1, 0.8], (97, 1))
    script = Script(talk)
    events, journal = play(recording([60]), script, config(), 1_600, exact_from=1.0)
    passed = [step for step in journal if isinstance(step, WindowScored)]
    assert len(passed) > 40
    assert script.num_scored == pytest.approx(len(passed) / 3, abs=1)
    assert [event.label for event in events if isinstance(event, Rejected)] == ["_unknown_"]
    talk[30:36] = [0.99, 0.0, 0.01]
    script = Script(talk)
    events, _ = play(recording([60]), script, config(), 1_600, exact_from=1.0)
    assert [event.label for event in detections(events)] == ["go"]
    assert script.num_scored < len(passed) / 2


@pytest.mark.parametrize("options", [{"interims": True}, {"every_window": True}])
def test_every_window_is_scored_where_all_are_asked_for(options: dict[str, bool]) -> None:
    script = Script(np.tile([0.1, 0.1, 0.8], (97, 1)))
    events, journal = play(recording([60]), script, config(**options), 1_600, exact_from=1.0)
    assert script.num_scored == sum(isinstance(step, WindowScored) for step in journal)
    assert sum(isinstance(event, Interim) for event in events) == (script.num_scored if "interims" in options else 0)


def test_new_commands_in_the_middle_of_speech_are_decided_by_all_that_they_need() -> None:
    """Windows that the old commands could leave out are scored for the new ones."""
    scores = np.tile([0.0, 0.9, 0.1], (97, 1))
    samples = recording([60])
    found = []
    for exact_from in (0.0, 1.0):
        session = Session(config(), LABELS, {"go": 0.4, "stop": 0.99}, WINDOW, journal=[], exact_from=exact_from)
        script, activity = Script(scores), Speech()
        events: list[Event] = []
        for number, start in enumerate(range(0, len(samples), 1_600)):
            session.receive(samples[start : start + 1_600])
            while (request := session.next_request()) is not None:
                is_score = isinstance(request, ScoreRequest)
                session.resolve(request, script.score(request.windows) if is_score else activity.probabilities(request))
            events += session.take_events()
            if number == 40:
                assert not detections(events)
                session.update_commands((CommandRule("stop", 0.1),))
        found.append(detections(events))
    assert found[0] == found[1]
    assert [event.label for event in found[1]][:1] == ["stop"]


def test_short_long_speech_is_decided_on_the_windows_there_are() -> None:
    """Speech a little longer than a window has fewer windows than a row."""
    for tenths in range(10, 17):
        for scores in (np.tile([0.99, 0.0, 0.01], (97, 1)), np.tile([0.1, 0.1, 0.8], (97, 1))):
            every, _ = play(recording([tenths]), Script(scores), config(), 1_600)
            fewer, journal = play(recording([tenths]), Script(scores), config(), 1_600, exact_from=1.0)
            assert detections(fewer) == detections(every)
            assert [type(event) for event in fewer] == [type(event) for event in every]
            if any(isinstance(step, LongUtteranceEnded) for step in journal) and scores[0, 0] > 0.9:
                assert len(detections(fewer)) == 1
