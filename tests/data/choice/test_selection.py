"""Which labels become keywords, negatives and silence."""

import pytest

from speechtune.data.choice.selection import choose_labels
from speechtune.data.sets.clips import Clip, ClipSet
from speechtune.errors import ConfigError, UnknownLabelError


def clip_set(tmp_path, *labels):
    return ClipSet(
        tmp_path / "data", tuple(Clip(tmp_path / f"{number}.wav", label) for number, label in enumerate(labels))
    )


def test_without_keywords_every_label_that_is_not_reserved_is_one(tmp_path):
    data = clip_set(tmp_path, "yes", "no", "_unknown_", "_silence_", "yes")
    labels, clips = choose_labels(data)
    assert labels.keywords == ("no", "yes")
    assert labels.negatives == ("_unknown_",)
    assert clips == data.clips


def test_with_keywords_the_other_words_are_negatives_of_a_class_each(tmp_path):
    labels, clips = choose_labels(clip_set(tmp_path, "yes", "no", "cat", "dog", "_silence_"), ["yes", "no"])
    assert labels.keywords == ("yes", "no")
    assert labels.negatives == ("cat", "dog")
    assert labels.classes == ("yes", "no", "cat", "dog", "_silence_")
    assert {clip.label for clip in clips} <= set(labels.classes)


def test_keywords_keep_the_order_in_which_they_are_asked_for(tmp_path):
    assert choose_labels(clip_set(tmp_path, "a", "b", "c"), ["c", "a", "b"])[0].keywords == ("c", "a", "b")


def test_more_negatives_join_those_of_the_data(tmp_path):
    labels, clips = choose_labels(
        clip_set(tmp_path, "yes", "cat"), ["yes"], clip_set(tmp_path, "_unknown_", "cow", "cat")
    )
    assert labels.negatives == ("_unknown_", "cat", "cow")
    assert len(clips) == 5


def test_a_keyword_without_clips_is_refused_with_the_labels_there_are(tmp_path):
    with pytest.raises(UnknownLabelError, match=r"no clips of maybe, perhaps; its labels are no, yes"):
        choose_labels(clip_set(tmp_path, "yes", "no"), ["yes", "maybe", "perhaps"])


def test_data_without_any_keyword_is_refused(tmp_path):
    with pytest.raises(UnknownLabelError, match="holds no keyword; its labels are _silence_, _unknown_"):
        choose_labels(clip_set(tmp_path, "_unknown_", "_silence_"))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [(["yes", "yes"], "named twice"), (["_unknown_"], "cannot be keywords"), ([], "at least one")],
)
def test_impossible_keywords_are_refused(tmp_path, keywords, message):
    with pytest.raises(ConfigError, match=message):
        choose_labels(clip_set(tmp_path, "yes", "_unknown_"), keywords)


def test_a_keyword_among_the_negatives_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="negatives hold clips of the keywords yes"):
        choose_labels(clip_set(tmp_path, "yes"), ["yes"], clip_set(tmp_path, "yes", "cat"))


def test_keywords_match_whatever_way_their_accents_are_written(tmp_path):
    assert choose_labels(clip_set(tmp_path, "größe"), ["gro\u0308\u00dfe"])[0].keywords == ("größe",)


def unknown(tmp_path, *words):
    clips = (Clip(tmp_path / f"u{number}.wav", "_unknown_", word=word) for number, word in enumerate(words))
    return ClipSet(tmp_path / "negatives", tuple(clips))


def test_each_known_word_of_unknown_clips_is_a_class_of_its_own(tmp_path):
    labels, clips = choose_labels(clip_set(tmp_path, "yes"), None, unknown(tmp_path, "cat", "dog", "cat", None))
    assert labels.keywords == ("yes",)
    assert labels.negatives == ("_unknown_", "cat", "dog")
    assert [clip.label for clip in clips] == ["yes", "cat", "dog", "cat", "_unknown_"]


def test_a_word_that_only_valid_or_test_clips_say_is_not_learnt(tmp_path):
    given = [("yes", None), ("no", "test"), ("cat", "train"), ("dog", "test"), ("cow", "valid")]
    clips = tuple(Clip(tmp_path / label, label, split=split) for label, split in given)
    more = (Clip(tmp_path / "u", "_unknown_", word="fox", split="test"), Clip(tmp_path / "v", "bat", split="valid"))
    labels, chosen = choose_labels(ClipSet(tmp_path, clips), ["yes", "no"], ClipSet(tmp_path, more))
    assert labels.keywords == ("yes", "no")
    assert labels.negatives == ("cat",)
    assert chosen == (clips[0], clips[2])


def test_what_cannot_name_a_class_stays_unknown(tmp_path):
    texts = ("well, then", "x" * 65, "_silence_", "_background_noise_")
    labels, clips = choose_labels(clip_set(tmp_path, "yes"), None, unknown(tmp_path, *texts))
    assert labels.negatives == ("_unknown_",)
    assert {clip.label for clip in clips} == {"yes", "_unknown_"}


def test_a_word_known_under_its_own_label_and_as_unknown_is_one_class(tmp_path):
    labels, _ = choose_labels(clip_set(tmp_path, "yes", "cat"), ["yes"], unknown(tmp_path, "cat"))
    assert labels.negatives == ("cat",)


def test_an_unknown_clip_that_says_a_keyword_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"u1\.wav: an _unknown_ clip that says the keyword 'yes'"):
        choose_labels(clip_set(tmp_path, "yes"), None, unknown(tmp_path, "cat", "yes"))
