"""What is to be recorded: every command so many times, some other words, some background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from speechtune.errors import ConfigError
from speechtune.labels import BACKGROUND_NOISE, RESERVED, UNKNOWN, check_label

OTHER_WORDS = (
    *("table", "window", "monday", "river", "orange", "seven", "garden", "question", "paper", "morning", "doctor"),
    *("music", "bottle", "yellow", "sister", "market", "winter", "coffee", "letter", "mountain", "people", "story"),
    *("picture", "water", "kitchen", "teacher", "house", "light", "often", "later", "bird", "storm", "softly", "right"),
    *("zero", "apple", "finger", "number", "summer", "bridge"),
)
"""Words to say for `_unknown_`, in their order; those that are commands are left out."""


@dataclass(frozen=True)
class Prompt:
    """One thing to record.

    Attributes:
        label: a command, `_unknown_` or `_background_noise_`.
        text: what to say; None for background, where nobody is to speak.
        take: which take of it this is, from 1 on.
    """

    label: str
    text: str | None
    take: int

    @property
    def is_speech(self) -> bool:
        """Whether something is to be said."""
        return self.text is not None


@dataclass(frozen=True)
class RecordingPlan:
    """How much of what is wanted in the end, with what is there already.

    Attributes:
        commands: what to say, each a label; in the order of the prompts.
        takes: of each command.
        num_unknown: other words, one take each.
        num_background: recordings in which nobody speaks.

    Raises:
        ConfigError: nothing to record, a negative number, a command that cannot be a label, is reserved or named
            twice, or more other words than there are.
    """

    commands: tuple[str, ...]
    takes: int = 5
    num_unknown: int = 0
    num_background: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "commands", tuple(map(check_label, self.commands)))
        for command in self.commands:
            if command in RESERVED:
                raise ConfigError(f"command {command!r}: the name is reserved; --unknown and --background record it")
        if len(set(self.commands)) != len(self.commands):
            raise ConfigError(f"commands {', '.join(self.commands)}: one is named twice")
        if self.takes < 1 and self.commands:
            raise ConfigError(f"{self.takes} takes: record at least 1 of each command")
        if min(self.num_unknown, self.num_background) < 0:
            raise ConfigError("the numbers of other words and of background recordings cannot be negative")
        if self.num_unknown > len(self._other_words):
            raise ConfigError(f"{self.num_unknown} other words: there are {len(self._other_words)} to say")
        if not self.commands and not self.num_unknown and not self.num_background:
            raise ConfigError("nothing to record; name commands, or ask for other words or background")

    @property
    def _other_words(self) -> tuple[str, ...]:
        return tuple(word for word in OTHER_WORDS if word not in self.commands)

    @property
    def texts(self) -> tuple[tuple[str, str | None, int], ...]:
        """Label, text and number of takes of everything wanted."""
        return (
            *((command, command, self.takes) for command in self.commands),
            *((UNKNOWN, word, 1) for word in self._other_words[: self.num_unknown]),
            *(((BACKGROUND_NOISE, None, self.num_background),) if self.num_background else ()),
        )


def missing_prompts(plan: RecordingPlan, done: Mapping[tuple[str, str | None], int]) -> tuple[Prompt, ...]:
    """What is still to be recorded, by turns: the first take of everything, then the second.

    By turns, because takes said one after the other sound more alike than a command will ever be said.

    Args:
        plan: what is wanted in the end.
        done: how many takes of a label and text are kept already.

    >>> [(prompt.text, prompt.take) for prompt in missing_prompts(RecordingPlan(("yes", "no"), 2), {("yes", "yes"): 1})]
    [('no', 1), ('yes', 2), ('no', 2)]
    """
    prompts = [
        Prompt(label, text, take)
        for label, text, wanted in plan.texts
        for take in range(done.get((label, text), 0) + 1, wanted + 1)
    ]
    return tuple(sorted(prompts, key=lambda prompt: prompt.take))
