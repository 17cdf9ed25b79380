"""`speechtune review`: from what a server kept to clips to train on; nothing decided is lost or kept twice."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from speechtune.audio.files import read_audio
from speechtune.cli.app import run
from speechtune.cli.terminal.review_session import TerminalReviewer, review_hits
from speechtune.data.sets.growing import GrowingSet
from speechtune.data.sets.manifest import load_manifest
from speechtune.models.checkpoints.checkpoint import save_checkpoint
from speechtune_server.hits.files import Hit, HitScore, read_hits, remove_hit, stored_ids, write_hit
from tests.support.clips import word_like
from tests.support.encoders import random_checkpoint
from tests.support.serving import DIGEST

LABELS = ("yes", "no", "yes", "stop")


@pytest.fixture
def hits(tmp_path):
    folder = tmp_path / "hits"
    folder.mkdir()
    for number, label in enumerate(LABELS):
        hit = Hit(
            id=f"20260101T00000{number}-{number:016x}", kind="near miss" if label == "stop" else "detection",
            label=label, confidence=0.9, threshold=0.5, alternatives=(HitScore(label="cat", confidence=0.1),),
            start=1.0, end=1.5, audio_start=0.8, model="home", model_digest=DIGEST, session_id=f"s{number % 2}",
            key="kitchen",
        )  # fmt: skip
        write_hit(folder, hit, word_like(number, 8_000))
    return folder


def ids(folder):
    return [hit.id for hit, _ in read_hits(folder)]


def answers(path, *lines):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return ["--from-answers", str(path)]


def one_error(capsys):
    message = capsys.readouterr().err.strip()
    assert "\n" not in message
    return message


def test_answers_confirm_relabel_discard_and_leave(hits, tmp_path, capsys):
    first, second, third, fourth = ids(hits)
    given = answers(
        tmp_path / "answers.jsonl",
        {"id": first, "decision": "confirm"},
        {"id": second, "decision": "relabel", "label": "cat"},
        {"id": third, "decision": "discard"},
    )
    audio = {hit.id: read_audio(file).tolist() for hit, file in read_hits(hits)}
    assert run(["review", str(hits), "--out", str(tmp_path / "data"), *given]) == 0
    assert "1 confirmed, 1 relabelled, 1 discarded, 1 left" in capsys.readouterr().out
    clips = load_manifest(tmp_path / "data" / "manifest.jsonl").clips
    assert [(clip.label, clip.session, clip.device, clip.id) for clip in clips] == [
        ("yes", "s0", "kitchen", first),
        ("cat", "s1", "kitchen", second),
    ]
    assert ("x_heard_as", "no") in clips[1].extra
    assert [read_audio(clip.path).tolist() for clip in clips] == [audio[first], audio[second]]
    assert ids(hits) == [fourth]


def test_what_is_reviewed_is_ready_for_finetune_from_a_checkpoint(hits, tmp_path):
    save_checkpoint(random_checkpoint(), tmp_path / "model")
    given = answers(tmp_path / "answers", *({"id": one, "decision": "confirm"} for one in ids(hits)))
    assert run(["review", str(hits), "--out", str(tmp_path / "reviewed"), *given]) == 0
    again = ["--from", str(tmp_path / "model"), "--out", str(tmp_path / "better")]
    quick = ["--set", "augment.copies=1", "--keywords", "yes,no"]
    assert run(["finetune", str(tmp_path / "reviewed" / "manifest.jsonl"), *again, *quick]) == 0
    assert (tmp_path / "better" / "checkpoint.json").is_file()


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("{", "line 1"),
        ("[1]", "line 1"),
        ('{"id": "none", "decision": "confirm"}', "no hit 'none'"),
        ('{"id": "FIRST", "decision": "keep"}', "none of confirm"),
        ('{"id": "FIRST", "decision": "relabel"}', "give a label"),
        ('{"id": "FIRST", "decision": "confirm", "label": "no"}', "give a label"),
        ('{"id": "FIRST", "decision": "relabel", "label": "../no"}', "line 1"),
    ],
)
def test_an_answer_that_makes_no_sense_is_named_and_nothing_is_decided(hits, tmp_path, capsys, line, hint):
    before = ids(hits)
    given = answers(tmp_path / "answers", line.replace("FIRST", before[0]))
    assert run(["review", str(hits), "--out", str(tmp_path / "data"), *given]) == 2
    assert hint in one_error(capsys)
    assert ids(hits) == before


def test_hits_are_listed_for_other_programs_and_stay(hits, capsys):
    assert run(["review", str(hits), "--list", "--kind", "near miss"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["label"] == "stop"
    assert json.loads(line)["audio"].endswith(".flac")
    assert len(stored_ids(hits)) == 4


def test_without_a_place_to_put_clips_or_without_hits_it_says_so(hits, tmp_path, capsys):
    assert run(["review", str(hits)]) == 2
    assert "--out" in one_error(capsys)
    assert run(["review", str(tmp_path / "none"), "--out", str(tmp_path / "data")]) == 2
    assert "keep-hits" in one_error(capsys)


def reviewed(hits, out, *lines, monkeypatch=None):
    said, shown = iter(lines), io.StringIO()

    def read_line(question):
        try:
            return next(said)
        except StopIteration:
            raise EOFError from None

    reviewer = TerminalReviewer(Console(file=shown, width=200), read_line, mute=True)
    return review_hits(hits, list(read_hits(hits)), out, reviewer), shown.getvalue()


def test_a_person_confirms_by_enter_names_another_word_discards_or_leaves(hits, tmp_path):
    outcome, shown = reviewed(hits, tmp_path / "data", "", "../x", "lights on", "d", "q")
    assert (outcome.num_confirmed, outcome.num_relabelled, outcome.num_discarded, outcome.num_left) == (1, 1, 1, 1)
    assert "1/4  detection: yes 0.90 of 0.50" in shown
    assert "cat 0.10" in shown
    clips = load_manifest(tmp_path / "data" / "manifest.jsonl").clips
    assert [clip.label for clip in clips] == ["yes", "lights on"]
    assert len(stored_ids(hits)) == 1


def test_an_end_of_input_or_s_leaves_hits_for_the_next_time(hits, tmp_path):
    outcome, _ = reviewed(hits, tmp_path / "data", "s", "p", "")
    assert (outcome.num_confirmed, outcome.num_left) == (1, 3)
    outcome, _ = reviewed(hits, tmp_path / "data", "", "", "")
    assert (outcome.num_confirmed, len(stored_ids(hits))) == (3, 0)
    assert len(load_manifest(tmp_path / "data" / "manifest.jsonl").clips) == 4


def test_a_review_that_was_killed_between_its_two_steps_adds_no_clip_twice(hits, tmp_path, monkeypatch):
    from speechtune.cli.terminal import review_session

    monkeypatch.setattr(review_session, "_remove", lambda folder, hit: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        reviewed(hits, tmp_path / "data", "")
    monkeypatch.undo()
    assert (len(GrowingSet(tmp_path / "data").clip_set.clips), len(stored_ids(hits))) == (1, 4)
    outcome, _ = reviewed(hits, tmp_path / "data", "", "", "")
    assert outcome.num_confirmed == 3
    assert len(load_manifest(tmp_path / "data" / "manifest.jsonl").clips) == 4
    assert stored_ids(hits) == []


def test_a_hit_is_played_where_there_is_a_sound_device(hits, tmp_path, monkeypatch):
    from speechtune.cli.terminal import review_session

    played = []

    class Speaker:
        PortAudioError = OSError

        def play(self, samples, rate, blocking):
            played.append(len(samples))

    monkeypatch.setattr(review_session, "_player", lambda console: Speaker())
    said = iter(["p", "", "q"])
    reviewer = TerminalReviewer(Console(file=io.StringIO()), lambda question: next(said))
    review_hits(hits, list(read_hits(hits)), tmp_path / "data", reviewer)
    assert played == [8_000] * 3


def test_hits_that_the_server_removes_meanwhile_are_passed_over(hits, tmp_path):
    waiting, shown = list(read_hits(hits)), io.StringIO()
    said = iter([lambda: remove_hit(hits, waiting[0][0].id), lambda: remove_hit(hits, waiting[2][0].id), None])

    def read_line(_):
        if (meanwhile := next(said)) is not None:
            meanwhile()
        return ""

    outcome = review_hits(
        hits, waiting, tmp_path / "data", TerminalReviewer(Console(file=shown, width=200), read_line, mute=True)
    )
    assert (outcome.num_confirmed, outcome.num_gone, outcome.num_left) == (2, 2, 0)
    assert [clip.label for clip in load_manifest(tmp_path / "data" / "manifest.jsonl").clips] == [LABELS[1], LABELS[3]]
