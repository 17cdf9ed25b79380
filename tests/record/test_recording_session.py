"""The loop of announcing, hearing, judging and keeping."""

import numpy as np
import pytest

from speechtune.errors import SessionGrammarError
from speechtune.record.driver import run_recording
from speechtune.record.ports import Choice
from speechtune.record.prompts import Prompt, RecordingPlan, missing_prompts
from speechtune.record.session import Announce, Hear, RecordingSession, Review, TakeSettings
from tests.support.clips import word_like
from tests.support.recording import (
    BLOCK,
    CountingEar,
    ListStore,
    LoudnessFinder,
    ScriptedOperator,
    ScriptedSource,
)


def spoken(seed):
    quiet = np.zeros(8_000, dtype=np.float32)
    return np.concatenate([quiet, word_like(seed), quiet, quiet])


def record(recordings, *, takes=1, reviews=(), announcements=(), ear=None, settings=None, commands=("yes", "no")):
    session = RecordingSession(missing_prompts(RecordingPlan(commands, takes), {}), LoudnessFinder(), ear, settings)
    source, operator, store = ScriptedSource(recordings), ScriptedOperator(reviews, announcements), ListStore()
    outcome = run_recording(session, source, operator, store)
    assert session.next_request() is None
    assert not source.is_open
    return outcome, source, operator, store


def kept(store):
    return [(take.prompt.label, take.prompt.take) for take in store.takes]


def test_every_prompt_is_recorded_and_kept_in_order():
    outcome, _, operator, store = record([spoken(seed) for seed in range(4)], takes=2)
    assert kept(store) == [("yes", 1), ("no", 1), ("yes", 2), ("no", 2)]
    assert all(take.is_good for take in store.takes)
    assert outcome.num_kept == 4
    assert outcome.is_complete
    assert operator.num_heard > 0


def test_a_take_ends_when_the_speech_does_and_not_at_the_end_of_the_source():
    long = np.concatenate([spoken(1), np.zeros(80_000, dtype=np.float32)])
    _, _, operator, _ = record([long], commands=("yes",))
    assert operator.num_heard < 32_000


def test_redo_repeats_just_this_one():
    _, _, operator, store = record([np.zeros(16_000, dtype=np.float32), spoken(1), spoken(2)], reviews=[Choice.REDO])
    assert [prompt.label for prompt in operator.announced] == ["yes", "yes", "no"]
    assert [fault.kind for fault in operator.reviewed[0].faults] == ["silent"]
    assert kept(store) == [("yes", 1), ("no", 1)]


def test_play_plays_the_take_and_asks_again():
    _, source, operator, store = record([spoken(1), spoken(2)], reviews=[Choice.PLAY, Choice.PLAY, Choice.KEEP])
    assert len(source.played) == 2
    assert np.array_equal(source.played[0], store.takes[0].samples)
    assert len(operator.reviewed) == 4


def test_skip_goes_on_without_a_take_before_and_after_hearing():
    outcome, _, _, store = record(
        [spoken(1), spoken(2), spoken(3)],
        takes=2,
        announcements=[Choice.SKIP],
        reviews=[Choice.SKIP, Choice.KEEP],
    )
    assert kept(store) == [("yes", 2), ("no", 2)]
    assert [(prompt.label, prompt.take) for prompt in outcome.skipped] == [("yes", 1), ("no", 1)]
    assert outcome.is_complete


def test_leaving_loses_the_take_in_progress_and_nothing_else():
    outcome, _, _, store = record([spoken(1), spoken(2)], reviews=[Choice.KEEP, Choice.QUIT])
    assert kept(store) == [("yes", 1)]
    assert not outcome.is_complete


def test_a_source_without_more_ends_the_recording():
    outcome, _, _, store = record([spoken(1)])
    assert kept(store) == [("yes", 1)]
    assert not outcome.is_complete


def test_a_source_that_ends_in_the_middle_of_the_word_still_gives_a_take():
    _, _, operator, _ = record([spoken(1)[:14_000]], commands=("yes",), reviews=[Choice.SKIP])
    assert [fault.kind for fault in operator.reviewed[0].faults] == ["cut_off_end"]


def test_nobody_is_waited_for_longer_than_the_longest_take():
    _, _, operator, _ = record(
        [np.zeros(400_000, dtype=np.float32)], commands=("yes",), settings=TakeSettings(max_take_ms=2_000)
    )
    assert operator.num_heard == 32_000


def test_background_is_heard_for_its_whole_length_even_where_somebody_speaks():
    session = RecordingSession(
        [Prompt("_background_noise_", None, 1)], LoudnessFinder(), None, TakeSettings(background_ms=3_000)
    )
    operator = ScriptedOperator([Choice.SKIP])
    run_recording(session, ScriptedSource([np.tile(spoken(1), 3)]), operator, ListStore())
    assert len(operator.reviewed[0].samples) == 48_000
    assert [fault.kind for fault in operator.reviewed[0].faults] == ["speech_heard"]


def test_the_ear_is_asked_of_takes_with_speech_and_told_of_kept_ones():
    ear = CountingEar()
    recordings = [spoken(1), np.zeros(16_000, dtype=np.float32), spoken(2)]
    _, _, operator, _ = record(recordings, takes=3, commands=("yes",), ear=ear, reviews=[Choice.KEEP, Choice.SKIP])
    assert [[fault.kind for fault in take.faults] for take in operator.reviewed] == [
        [],
        ["silent"],
        ["unlike_siblings"],
    ]
    assert ear.remembered == ["yes", "yes"]


def test_a_take_of_which_samples_were_lost_is_not_good_and_the_next_one_is():
    session = RecordingSession(missing_prompts(RecordingPlan(("yes", "no"), 1), {}), LoudnessFinder())
    operator, store = ScriptedOperator([Choice.REDO]), ListStore()
    run_recording(session, ScriptedSource([spoken(seed) for seed in range(3)], lossy=[1]), operator, store)
    assert [[fault.kind for fault in take.faults] for take in operator.reviewed] == [["samples_lost"], [], []]
    assert kept(store) == [("yes", 1), ("no", 1)]
    with pytest.raises(SessionGrammarError, match="lost samples: no answer to nothing"):
        session.samples_were_lost()


def test_answers_that_were_not_asked_for_are_refused():
    session = RecordingSession([Prompt("yes", "yes", 1)], LoudnessFinder())
    assert isinstance(session.next_request(), Announce)
    with pytest.raises(SessionGrammarError, match="'keep' is no answer to Announce"):
        session.choose(Choice.KEEP)
    with pytest.raises(SessionGrammarError, match="samples: no answer to Announce"):
        session.hear(np.zeros(BLOCK, dtype=np.float32))
    with pytest.raises(SessionGrammarError, match="'done' is no answer"):
        session.done()
    session.choose(Choice.GO)
    assert isinstance(session.next_request(), Hear)
    session.source_ended()
    assert isinstance(session.next_request(), Review)
    with pytest.raises(SessionGrammarError, match="'go' is no answer to a review"):
        session.choose(Choice.GO)
    session.quit()
    with pytest.raises(SessionGrammarError, match="nothing: the recording is over"):
        session.source_ended()


def test_a_take_whose_source_was_clipped_is_faulty_though_its_samples_do_not_show_it():
    session = RecordingSession((Prompt("yes", "yes", 1),), LoudnessFinder())
    source = ScriptedSource([np.concatenate([np.zeros(4_800), word_like(1), np.zeros(9_600)]).astype(np.float32)])
    source.flat_seconds = 0.05
    operator = ScriptedOperator()
    run_recording(session, source, operator, ListStore())
    (take,) = operator.reviewed
    assert [fault.kind for fault in take.faults] == ["clipped"]
    assert "lies on flat tops" in take.faults[0].detail
