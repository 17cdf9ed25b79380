"""Runs a recording session: passes its requests to the seams and their answers back."""

from __future__ import annotations

from dataclasses import dataclass

from speechtune.record.ports import AudioSource, Choice, Operator, TakeStore
from speechtune.record.prompts import Prompt
from speechtune.record.session import Announce, Hear, Keep, Play, RecordingSession, Review


@dataclass(frozen=True)
class RecordingOutcome:
    """What came of a recording.

    Attributes:
        num_kept: takes that were kept.
        skipped: prompts that were passed over, in their order.
        is_complete: no prompt is left; False after QUIT, or when the source had no more.
    """

    num_kept: int
    skipped: tuple[Prompt, ...]
    is_complete: bool


def run_recording(
    session: RecordingSession, source: AudioSource, operator: Operator, store: TakeStore
) -> RecordingOutcome:
    """Record until the prompts, the source or the operator's patience end.

    Raises:
        SpeechTuneError: whatever a seam raises; the takes kept so far stay kept.
    """
    run = _Run(session, source, operator, store)
    run.to_the_end()
    return RecordingOutcome(run.num_kept, tuple(run.skipped), run.is_complete)


class _Run:
    def __init__(self, session: RecordingSession, source: AudioSource, operator: Operator, store: TakeStore) -> None:
        self._session, self._source, self._operator, self._store = session, source, operator, store
        self.num_kept = 0
        self.skipped: list[Prompt] = []
        self.is_complete = True

    def to_the_end(self) -> None:
        while (request := self._session.next_request()) is not None:
            if isinstance(request, Announce):
                choice = self._operator.announce(request.prompt, request.position, request.num_prompts)
                self._choose(choice, request.prompt)
            elif isinstance(request, Hear):
                self._hear(request)
            elif isinstance(request, Review):
                self._choose(self._operator.review(request.take), request.take.prompt)
            elif isinstance(request, Play):
                self._source.play(request.take.samples)
                self._session.done()
            else:
                self._keep(request)

    def _choose(self, choice: Choice, prompt: Prompt) -> None:
        if choice is Choice.SKIP:
            self.skipped.append(prompt)
        elif choice is Choice.QUIT:
            self.is_complete = False
        self._session.choose(choice)

    def _hear(self, request: Hear) -> None:
        if request.is_first:
            if not self._source.start():
                self.is_complete = False
                self._session.quit()
                return
            self._operator.cue()
        samples = self._source.read()
        if samples is None:
            self._session.source_ended()
        else:
            self._operator.hearing(samples)
            self._session.hear(samples)
        if not isinstance(self._session.next_request(), Hear):
            if self._source.stop():
                self._session.samples_were_lost()
            self._session.was_clipped(self._source.clipped_seconds)

    def _keep(self, request: Keep) -> None:
        self._store.keep(request.take)
        self.num_kept += 1
        self._session.done()
