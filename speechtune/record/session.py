"""The recording itself as a state machine: requests out, answers in; no microphone, no terminal, no clock.

::

    ANNOUNCE ── go ──> HEAR ── end of speech ──> REVIEW ── keep ──> KEEP ──> next prompt
       ^  └─ skip ─> next prompt                 │  │ └── play ──> PLAY ──> REVIEW
       └────────────────────── redo ─────────────┘  └── skip ──> next prompt       quit, anywhere ──> the end
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.sound_faults import SoundLimits
from speechtune.audio.timebase import samples_from_ms, seconds_from_samples
from speechtune.errors import SessionGrammarError
from speechtune.record.ports import Choice, Ear, SpeechFinder
from speechtune.record.prompts import Prompt
from speechtune.record.takes import Stretch, Take, TakeFault, judge_take


@dataclass(frozen=True)
class TakeSettings:
    """How long is listened, and how a take is cut."""

    margin_ms: int = 200
    """Kept before and after the speech."""
    max_take_ms: int = 8_000
    """A take is over after this, spoken or not."""
    background_ms: int = 10_000
    """Length of a recording of background."""
    limits: SoundLimits = field(default_factory=SoundLimits)


@dataclass(frozen=True)
class Announce:
    """Tell the speaker what to say; answer by `choose` with GO, SKIP or QUIT."""

    prompt: Prompt
    position: int
    """Of the prompt among all, from 1 on."""
    num_prompts: int


@dataclass(frozen=True)
class Hear:
    """Answer by `hear` or `source_ended`; asked again until the take is over."""

    prompt: Prompt
    is_first: bool


@dataclass(frozen=True)
class Review:
    """Show the verdict; answer by `choose` with KEEP, REDO, PLAY, SKIP or QUIT."""

    take: Take


@dataclass(frozen=True)
class Play:
    """Play the take; answer by `done`."""

    take: Take


@dataclass(frozen=True)
class Keep:
    """Put the take on disk; answer by `done`."""

    take: Take


Request = Announce | Hear | Review | Play | Keep


class RecordingSession:
    """Goes through the prompts; ask `next_request`, answer it, until there is none."""

    def __init__(
        self,
        prompts: Sequence[Prompt],
        finder: SpeechFinder,
        ear: Ear | None = None,
        settings: TakeSettings | None = None,
    ) -> None:
        """Record `prompts` in their order; without an `ear` nothing is compared."""
        self._prompts = tuple(prompts)
        self._finder = finder
        self._ear = ear
        self._settings = settings or TakeSettings()
        self._position = 0
        self._heard: list[NDArray[np.float32]] = []
        self._num_heard = 0
        self._stretch: Stretch | None = None
        self._request: Request | None = None
        self._announce(0)

    def next_request(self) -> Request | None:
        """What is to be done now; None: the recording is over."""
        return self._request

    def choose(self, choice: Choice) -> None:
        """Answer `Announce` or `Review`.

        Raises:
            SessionGrammarError: nothing was asked, or the choice is no answer to it.
        """
        if choice is Choice.QUIT:
            self.quit()
        elif isinstance(self._request, Announce) and choice is Choice.GO:
            self._begin_take(self._request.prompt)
        elif isinstance(self._request, Announce) and choice is Choice.SKIP:
            self._announce(self._position + 1)
        elif isinstance(self._request, Review):
            self._reviewed(self._request.take, choice)
        else:
            raise SessionGrammarError(f"{choice.value!r} is no answer to {_name(self._request)}")

    def hear(self, samples: NDArray[np.float32]) -> None:
        """Answer `Hear` with the next float32[N] at 16 kHz.

        Raises:
            SessionGrammarError: nothing was to be heard.
        """
        request = self._hearing("samples")
        self._heard.append(samples)
        self._num_heard += len(samples)
        self._stretch = self._stretch or self._finder.receive(samples)
        is_speech = request.prompt.is_speech
        longest = self._settings.max_take_ms if is_speech else self._settings.background_ms
        if (is_speech and self._stretch is not None) or self._num_heard >= samples_from_ms(longest):
            self._judge(request.prompt)
        else:
            self._request = Hear(request.prompt, is_first=False)

    def source_ended(self) -> None:
        """Answer `Hear`: the source, or its file, has no more samples; the take is judged as it is.

        Raises:
            SessionGrammarError: nothing was to be heard.
        """
        self._judge(self._hearing("the end of a source").prompt)

    def samples_were_lost(self) -> None:
        """Say of the take that is to be reviewed that the machine was too busy to hear all of it.

        Raises:
            SessionGrammarError: no take is to be reviewed.
        """
        if not isinstance(self._request, Review):
            raise SessionGrammarError(f"lost samples: no answer to {_name(self._request)}")
        lost = TakeFault("samples_lost", "the machine was too busy to hear all of it; close other programs")
        self._request = Review(self._request.take.with_faults((lost,)))

    def was_clipped(self, seconds: float) -> None:
        """Say for how long the tops of the take that is to be reviewed were flat where it came from.

        Once it is resampled, that shows no more.

        Raises:
            SessionGrammarError: no take is to be reviewed.
        """
        if not isinstance(self._request, Review):
            raise SessionGrammarError(f"clipping: no answer to {_name(self._request)}")
        take = self._request.take
        share = min(seconds / seconds_from_samples(len(take.samples)), 1.0)
        if share >= self._settings.limits.clipped_fraction and all(fault.kind != "clipped" for fault in take.faults):
            clipped = TakeFault("clipped", f"{share:.1%} of it lies on flat tops")
            self._request = Review(take.with_faults((clipped,)))

    def done(self) -> None:
        """Answer `Play` or `Keep`.

        Raises:
            SessionGrammarError: neither was asked for.
        """
        request = self._request
        if isinstance(request, Play):
            self._request = Review(request.take)
        elif isinstance(request, Keep):
            if self._ear is not None and request.take.prompt.is_speech:
                self._ear.remember(request.take.samples, request.take.prompt.label)
            self._announce(self._position + 1)
        else:
            raise SessionGrammarError(f"'done' is no answer to {_name(request)}")

    def quit(self) -> None:
        """End the recording, whatever is going on; a take that is not kept is lost."""
        self._request = None

    def _announce(self, position: int) -> None:
        self._position = position
        self._request = (
            Announce(self._prompts[position], position + 1, len(self._prompts))
            if position < len(self._prompts)
            else None
        )

    def _begin_take(self, prompt: Prompt) -> None:
        self._heard, self._num_heard, self._stretch = [], 0, None
        self._finder.restart()
        self._request = Hear(prompt, is_first=True)

    def _hearing(self, answer: str) -> Hear:
        if not isinstance(self._request, Hear):
            raise SessionGrammarError(f"{answer}: no answer to {_name(self._request)}")
        return self._request

    def _judge(self, prompt: Prompt) -> None:
        heard = np.concatenate(self._heard) if self._heard else np.zeros(0, dtype=np.float32)
        stretch = self._stretch or self._finder.end()
        margin = samples_from_ms(self._settings.margin_ms)
        take = judge_take(prompt, heard, stretch, margin, self._settings.limits)
        if self._ear is not None and prompt.is_speech and stretch is not None:
            take = take.with_faults(self._ear.compare(take.samples, prompt.label))
        self._heard = []
        self._request = Review(take)

    def _reviewed(self, take: Take, choice: Choice) -> None:
        if choice is Choice.KEEP:
            self._request = Keep(take)
        elif choice is Choice.REDO:
            self._announce(self._position)
        elif choice is Choice.PLAY:
            self._request = Play(take)
        elif choice is Choice.SKIP:
            self._announce(self._position + 1)
        else:
            raise SessionGrammarError(f"{choice.value!r} is no answer to a review")


def _name(request: Request | None) -> str:
    return "nothing: the recording is over" if request is None else type(request).__name__
