"""What is to be recorded."""

import pytest

from speechtune.errors import ConfigError
from speechtune.labels import BACKGROUND_NOISE, UNKNOWN
from speechtune.record.prompts import OTHER_WORDS, RecordingPlan, missing_prompts


def test_commands_come_by_turns_with_their_takes_numbered():
    prompts = missing_prompts(RecordingPlan(("yes", "lights on"), takes=2), {})
    assert [(prompt.text, prompt.take) for prompt in prompts] == [
        ("yes", 1),
        ("lights on", 1),
        ("yes", 2),
        ("lights on", 2),
    ]


def test_other_words_and_background_are_asked_for_once_each():
    prompts = missing_prompts(RecordingPlan(("yes",), takes=1, num_unknown=3, num_background=2), {})
    assert [prompt.label for prompt in prompts] == ["yes", *[UNKNOWN] * 3, *[BACKGROUND_NOISE] * 2]
    assert [prompt.text for prompt in prompts if prompt.label == UNKNOWN] == list(OTHER_WORDS[:3])
    assert [prompt.is_speech for prompt in prompts] == [True, True, True, True, False, False]


def test_what_is_there_is_not_asked_for_again():
    plan = RecordingPlan(("yes", "no"), takes=2, num_unknown=2, num_background=1)
    done = {("yes", "yes"): 2, ("no", "no"): 1, (UNKNOWN, OTHER_WORDS[0]): 1, (BACKGROUND_NOISE, None): 1}
    assert [(prompt.text, prompt.take) for prompt in missing_prompts(plan, done)] == [(OTHER_WORDS[1], 1), ("no", 2)]
    assert missing_prompts(plan, done | {("no", "no"): 7, (UNKNOWN, OTHER_WORDS[1]): 1}) == ()


def test_a_word_that_is_a_command_is_not_said_as_an_other_one():
    plan = RecordingPlan((OTHER_WORDS[0],), takes=1, num_unknown=len(OTHER_WORDS) - 1)
    others = [prompt.text for prompt in missing_prompts(plan, {}) if prompt.label == UNKNOWN]
    assert others == list(OTHER_WORDS[1:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"commands": ()}, "nothing to record"),
        ({"commands": ("yes", "yes")}, "named twice"),
        ({"commands": ("_unknown_",)}, "reserved; --unknown"),
        ({"commands": ("../x",)}, "may not start with a dot"),
        ({"commands": ("yes",), "takes": 0}, "at least 1"),
        ({"commands": ("yes",), "num_unknown": -1}, "negative"),
        ({"commands": ("yes",), "num_unknown": 1_000}, f"there are {len(OTHER_WORDS)}"),
    ],
)
def test_impossible_plans_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        RecordingPlan(**arguments)
