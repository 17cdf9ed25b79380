"""A recording whose microphone and operator are a page, in the thread that waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import pytest

from speechtune.record.driver import RecordingOutcome
from speechtune.record.ports import Choice
from speechtune.record.prompts import Prompt, RecordingPlan
from speechtune.studio.recording import PageMicrophone, PageOperator, prompts_of, record_with_page
from speechtune.studio.takes import Origin, Takes
from tests.support.clips import word_like
from tests.support.recording import LoudnessFinder

SAID = np.concatenate([np.zeros(3_200), word_like(1), np.zeros(9_600)]).astype(np.float32) + 1e-6
CLIPPED = np.clip(SAID * 8.0, -0.9, 0.9).astype(np.float32)


class Desk:
    """A page that answers what a test says."""

    def __init__(self, folder: Path, prompts: tuple[Prompt, ...], rate_hz: int = 16_000) -> None:
        self.takes = Takes(folder / "clips", folder / "aside")
        self.told: Queue[dict[str, Any]] = Queue()
        self.microphone = PageMicrophone(rate_hz)
        self.operator = PageOperator(self.told.put, self.takes, Origin("ann", "today"))
        self.outcome: RecordingOutcome | None = None
        self.thread = threading.Thread(target=self._record, args=(prompts,), daemon=True)
        self.thread.start()

    def _record(self, prompts: tuple[Prompt, ...]) -> None:
        self.outcome = record_with_page(prompts, self.microphone, self.operator, LoudnessFinder(), None)

    def next(self, *events: str) -> dict[str, Any]:
        while (message := self.told.get(timeout=20))["event"] not in events:
            assert message["event"] == "level", message
        return message

    def hear(self, samples: np.ndarray, block: int = 800) -> None:
        for start in range(0, len(samples), block):
            self.microphone.feed(samples[start : start + block])

    def go(self, samples: np.ndarray) -> None:
        """Answer the announcement, and speak once the cue is given; what is said before it is not heard."""
        self.next("announce")
        self.operator.choose(Choice.GO)
        self.be_quiet()
        self.next("cue")
        self.hear(samples)

    def be_quiet(self, num_samples: int = 160) -> None:
        """Let hardly a sound be heard until something is told; a microphone gives no more than time passes."""
        while self.told.empty():
            self.hear(np.full(num_samples, 1e-6, dtype=np.float32))
            time.sleep(0.005)

    def leave(self) -> RecordingOutcome:
        self.microphone.close()
        self.operator.close()
        self.thread.join(20)
        assert not self.thread.is_alive()
        assert self.outcome is not None
        return self.outcome


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, (Prompt("yes", "yes", 1), Prompt("no", "no", 1)))
    yield made
    made.leave()


def test_a_good_take_is_on_disk_before_the_next_is_announced(desk: Desk, tmp_path: Path) -> None:
    desk.go(SAID)
    assert desk.next("verdict")["good"]
    kept = desk.next("kept")["name"]
    assert desk.next("announce")["label"] == "no"
    assert (tmp_path / "clips" / kept).is_file()
    assert desk.leave().num_kept == 1


def test_a_faulty_take_is_set_aside_before_anybody_decides(desk: Desk) -> None:
    desk.go(CLIPPED)
    verdict = desk.next("verdict")
    assert [fault["kind"] for fault in verdict["faults"]] == ["clipped"]
    assert [take.id for take in desk.takes.aside()] == [verdict["aside"]]
    desk.operator.choose(Choice.REDO)
    desk.go(SAID)
    assert desk.next("verdict")["good"]
    desk.next("kept")
    assert [one.label for one in desk.takes.listed()] == ["yes"]
    assert len(desk.takes.aside()) == 1


def test_a_faulty_take_that_is_kept_all_the_same_is_set_aside_no_more(desk: Desk) -> None:
    desk.go(CLIPPED)
    desk.next("verdict")
    desk.operator.choose(Choice.GO)  # no answer to a verdict
    desk.operator.choose(Choice.KEEP)
    desk.next("kept")
    desk.next("announce")
    assert [one.label for one in desk.takes.listed()] == ["yes"]
    assert desk.takes.aside() == []


@pytest.mark.parametrize("after", ["announce", "cue", "verdict"])
def test_a_page_that_goes_at_any_moment_loses_nothing_that_was_judged(desk: Desk, after: str) -> None:
    if after == "announce":
        desk.next("announce")
    else:
        desk.go(CLIPPED if after == "verdict" else SAID[:4_000])
        if after == "verdict":
            desk.next("verdict")
    outcome = desk.leave()
    assert outcome.num_kept == 0
    assert not outcome.is_complete
    assert len(desk.takes.aside()) == (after == "verdict")


def test_the_cue_waits_for_the_first_block_that_is_not_all_zeros(desk: Desk) -> None:
    desk.next("announce")
    desk.operator.choose(Choice.GO)
    for _ in range(20):
        desk.hear(np.zeros(160, dtype=np.float32))
    assert desk.told.empty()
    desk.be_quiet()
    assert desk.told.get()["event"] == "cue"


def test_samples_that_the_page_lost_are_a_fault(desk: Desk) -> None:
    desk.next("announce")
    desk.operator.choose(Choice.GO)
    desk.be_quiet()
    desk.next("cue")
    desk.microphone.lost()
    desk.hear(SAID)
    assert [fault["kind"] for fault in desk.next("verdict")["faults"]] == ["samples_lost"]


def test_what_a_sound_card_of_another_rate_hears_is_resampled(tmp_path: Path) -> None:
    from speechtune.audio.resample import resample

    desk = Desk(tmp_path, (Prompt("yes", "yes", 1),), rate_hz=48_000)
    desk.next("announce")
    desk.operator.choose(Choice.GO)
    at_48_khz = np.repeat(SAID, 3).astype(np.float32)
    desk.be_quiet(480)
    desk.hear(at_48_khz)
    kept = desk.next("cue", "kept")
    kept = kept if kept["event"] == "kept" else (desk.next("verdict"), desk.next("kept"))[1]
    found = desk.takes.samples(kept["name"])
    expected = resample(at_48_khz, 48_000)
    place = int(np.argmax(np.correlate(expected, found, "valid")))
    assert np.abs(found - expected[place : place + len(found)]).max() < 1e-3
    desk.leave()


def test_background_comes_first_then_commands_by_turns_then_other_words(tmp_path: Path) -> None:
    takes = Takes(tmp_path / "clips", tmp_path / "aside")
    plan = RecordingPlan(("yes", "no"), 2, 1, 1)
    prompts = [(one.label, one.take) for one in prompts_of(plan, takes, None, None)]
    assert prompts == [
        ("_background_noise_", 1),
        ("yes", 1),
        ("no", 1),
        ("yes", 2),
        ("no", 2),
        ("_unknown_", 1),
    ]
    assert prompts_of(plan, takes, None, "yes") == (Prompt("yes", "yes", 1),)
    (other,) = prompts_of(plan, takes, None, "_unknown_")
    assert other.label == "_unknown_"
    assert other.text


def test_clipping_at_the_rate_of_the_sound_card_is_a_fault(tmp_path: Path) -> None:
    desk = Desk(tmp_path, (Prompt("yes", "yes", 1),), rate_hz=48_000)
    loud = np.clip(8.0 * word_like(1, 36_000), -0.9, 0.9).astype(np.float32)
    desk.next("announce")
    desk.operator.choose(Choice.GO)
    desk.be_quiet(480)
    desk.next("cue")
    desk.hear(np.concatenate([loud, np.full(48_000, 1e-6, dtype=np.float32)]), block=2_048)
    assert [fault["kind"] for fault in desk.next("verdict")["faults"]] == ["clipped"]
    desk.leave()
