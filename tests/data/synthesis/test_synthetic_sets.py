"""The scripts that make synthetic command sets and long recordings with planted commands."""

from itertools import pairwise

import numpy as np
import pytest

from data_scripts.mix_stream import main as mix_stream
from data_scripts.mix_stream import read_truth, write_truth
from data_scripts.synthesize_commands import main as synthesize_commands
from speechtune import demo
from speechtune.audio.files import read_audio, write_flac
from speechtune.audio.levels import active_speech_dbfs, rms_dbfs
from speechtune.data.inspection.leaks import find_leaks
from speechtune.data.sets.clips import fingerprint
from speechtune.data.sets.loading import load_clips
from speechtune.data.synthesis import synthetic_sets
from speechtune.data.synthesis.planting import Planted, plant_commands, quietest_place
from speechtune.data.synthesis.synthetic_sets import Line, plan_lines, split_voices, synthesize_set
from speechtune.errors import ConfigError, ManifestError
from speechtune.record.prompts import OTHER_WORDS
from tests.support.clips import make_folder, word_like, write_audio

pytest.importorskip("espeakng_loader", reason="the synthesiser (extra 'demo') is not installed")


def test_train_and_test_voices_share_no_throat():
    train, test = split_voices()
    assert len({voice.speaker for voice in train}) == 20
    assert len({voice.speaker for voice in test}) == 10
    assert not {voice.speaker for voice in train} & {voice.speaker for voice in test}


def test_a_set_says_who_speaks_what_and_that_it_is_synthetic(tmp_path):
    lines = [Line("lights on", "lights on", 3), Line("_unknown_", "table", 2)]
    synthesize_set(tmp_path, lines, split_voices()[0], seed=0)
    clip_set = load_clips(tmp_path)
    assert clip_set.num_clips_per_label() == {"_unknown_": 2, "lights on": 3}
    assert all(clip.synthetic and clip.speaker for clip in clip_set.clips)
    assert len({clip.speaker for clip in clip_set.with_label("lights on")}) == 3
    assert {clip.word for clip in clip_set.with_label("_unknown_")} == {"table"}


def test_a_set_follows_its_seed_and_its_lines_do_not_touch_each_other(tmp_path):
    train, _ = split_voices()
    yes, no = Line("yes", "yes", 2), Line("no", "no", 2)
    both = synthesize_set(tmp_path / "a", [yes, no], train, seed=1)
    again = synthesize_set(tmp_path / "b", [no, yes], train, seed=1)
    other = synthesize_set(tmp_path / "c", [yes, no], train, seed=2)
    assert fingerprint(both) == fingerprint(again) != fingerprint(other)


def test_a_line_said_twice_and_an_impossible_label_are_refused(tmp_path):
    train, _ = split_voices()
    with pytest.raises(ConfigError, match="has it twice"):
        synthesize_set(tmp_path, [Line("yes", "yes", 1)] * 2, train, seed=1)
    with pytest.raises(ConfigError, match=r"label '../x'"):
        synthesize_set(tmp_path, [Line("../x", "yes", 1)], train, seed=1)


def test_a_label_that_cannot_be_leaves_nothing_of_the_lines_before_it(tmp_path):
    train, _ = split_voices()
    for lines in ([Line("yes", "yes", 1), Line("a/b", "no", 1)], [Line("yes", "yes", 1)] * 2):
        with pytest.raises(ConfigError):
            synthesize_set(tmp_path / "set", lines, train, seed=1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_recordings_is_refused_and_stays_as_it_is(tmp_path):
    make_folder(tmp_path / "mine", {"yes": 1})
    manifest = tmp_path / "mine" / "manifest.jsonl"
    manifest.write_text('{"path": "yes/0.wav", "label": "yes", "speaker": "ann"}\n')
    with pytest.raises(ConfigError, match=r"mine: holds something already; name a new folder"):
        synthesize_set(tmp_path / "mine", [Line("yes", "yes", 1)], split_voices()[0], seed=1)
    assert load_clips(tmp_path / "mine").speakers == ("ann",)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["0.wav", "manifest.jsonl", "mine", "yes"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_set_that_is_not_finished_leaves_nothing(tmp_path, monkeypatch, stop):
    written = []

    def third_fails(path, samples):
        written.append(path)
        if len(written) == 3:
            raise stop
        write_flac(path, samples)

    monkeypatch.setattr(synthetic_sets, "write_flac", third_fails)
    is_error = isinstance(stop, OSError)
    with pytest.raises(ConfigError if is_error else KeyboardInterrupt, match="No space left" if is_error else None):
        synthesize_set(tmp_path / "set", [Line("yes", "yes", 4)], split_voices()[0], seed=1)
    assert len(written) == 3
    assert list(tmp_path.iterdir()) == []


def test_the_demo_renews_its_own_sets_and_never_recordings(tmp_path):
    synthesize_set(tmp_path / "made", [Line("yes", "yes", 1)], split_voices()[0], seed=1)
    make_folder(tmp_path / "mine", {"yes": 1})
    (tmp_path / "mine" / "manifest.jsonl").write_text('{"path": "yes/0.wav", "label": "yes"}\n')
    assert not demo._renewed(tmp_path / "made").exists()
    assert demo._renewed(tmp_path / "mine" / "yes").exists()
    assert demo._renewed(tmp_path / "mine").exists()


def test_other_words_are_never_commands():
    lines = plan_lines(["music", "stop"], OTHER_WORDS, takes=8)
    assert [line for line in lines if line.text == "music"] == [Line("music", "music", 8)]
    assert {line.takes for line in lines if line.label == "_unknown_"} == {2}


def test_the_command_line_writes_both_sides_without_leaks(tmp_path, capsys):
    assert synthesize_commands([str(tmp_path), "--commands", "yes, no", "--takes", "4"]) == 0
    train, test = load_clips(tmp_path / "train"), load_clips(tmp_path / "test")
    assert train.num_clips_per_label()["yes"] == 4
    assert test.num_clips_per_label()["yes"] == 2
    assert find_leaks(train.clips, test.clips) == ()
    assert "train: 88 clips" in capsys.readouterr().out


def test_the_command_line_refuses_an_impossible_command(tmp_path, capsys):
    assert synthesize_commands([str(tmp_path), "--commands", "../x"]) == 2
    assert "label '../x'" in capsys.readouterr().err


COMMANDS = [("yes", word_like(1)), ("no", word_like(2, 9_000)), ("yes", word_like(3))]
SENTENCES = [np.concatenate([word_like(20 + n), np.zeros(4_000, np.float32), word_like(30 + n)]) for n in range(2)]


def test_planted_commands_are_where_the_truth_says():
    samples, truth = plant_commands(COMMANDS, SENTENCES, seed=0)
    assert [planted.label for planted in truth] == ["yes", "no", "yes"]
    for planted, (_, command) in zip(truth, COMMANDS, strict=True):
        there = samples[planted.start_sample : planted.end_sample]
        match = np.correlate(there / np.linalg.norm(there), command / np.linalg.norm(command), "full").max()
        assert match > 0.98
        before = samples[planted.start_sample - 3_200 : planted.start_sample]
        assert rms_dbfs(before) < rms_dbfs(there) - 20
    assert all(a.end_sample < b.start_sample for a, b in pairwise(truth))


def test_every_sentence_part_and_command_is_brought_to_one_level():
    samples, truth = plant_commands([(label, 0.1 * word) for label, word in COMMANDS], SENTENCES, 0, level_dbfs=-30.0)
    for planted in truth:
        there = samples[planted.start_sample - 2_000 : planted.end_sample + 2_000]
        assert active_speech_dbfs(there) == pytest.approx(-30.0, abs=1.0)


def test_noise_is_laid_under_at_its_level():
    noise = np.random.default_rng(0).standard_normal(5_000).astype(np.float32)
    quiet, truth = plant_commands(COMMANDS, SENTENCES, 3)
    noisy, same = plant_commands(COMMANDS, SENTENCES, 3, noise=noise, noise_snr_db=20.0)
    assert truth == same
    assert rms_dbfs(noisy - quiet) == pytest.approx(-45.0, abs=0.2)


def test_the_mix_follows_its_seed():
    first, second, third = (plant_commands(COMMANDS, SENTENCES, seed)[1] for seed in (0, 0, 1))
    assert first == second != third


def test_without_sentences_nothing_is_planted():
    with pytest.raises(ConfigError, match="no sentences"):
        plant_commands(COMMANDS, [], 0)


def test_the_quietest_place_is_the_pause():
    assert 12_000 < quietest_place(SENTENCES[0]) < 16_000
    assert quietest_place(np.ones(100, dtype=np.float32)) == 50


def test_truth_reads_back_and_a_broken_line_is_named(tmp_path):
    truth = (Planted("yes", 10, 20), Planted("größe", 30, 16_000))
    write_truth(tmp_path / "truth.jsonl", truth)
    assert read_truth(tmp_path / "truth.jsonl") == truth
    write_truth(tmp_path / "truth.txt", truth)
    assert (tmp_path / "truth.txt").read_text(encoding="utf-8").splitlines()[1] == "0.001875\t1.000000\tgröße"
    (tmp_path / "truth.jsonl").write_text('{"label": "yes"}\n')
    with pytest.raises(ManifestError, match=r"truth.jsonl, line 1: not label, start_sample"):
        read_truth(tmp_path / "truth.jsonl")


def test_the_mixing_command_line_writes_audio_and_truth(tmp_path, capsys):
    make_folder(tmp_path / "commands", {"yes": 2, "_unknown_": 1})
    write_audio(tmp_path / "sentences" / "1.wav", SENTENCES[0])
    hum = write_audio(tmp_path / "hum.wav", word_like(5))
    out = tmp_path / "out" / "stream.flac"
    arguments = [str(tmp_path / "commands"), str(tmp_path / "sentences"), str(out), "--count", "3", "--noise", str(hum)]
    assert mix_stream(arguments) == 0
    truth = read_truth(out.with_suffix(".jsonl"))
    assert [planted.label for planted in truth] == ["yes"] * 3
    assert len(read_audio(out)) > truth[-1].end_sample
    assert "3 commands in" in capsys.readouterr().out


def test_the_mixing_command_line_refuses_data_without_commands(tmp_path, capsys):
    make_folder(tmp_path / "commands", {"_unknown_": 1})
    assert mix_stream([str(tmp_path / "commands"), str(tmp_path), str(tmp_path / "out.flac")]) == 2
    assert "holds no commands" in capsys.readouterr().err
