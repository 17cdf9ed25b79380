"""The review of hits: who decides (a person at a terminal, or a file of answers), and what a decision does."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.text import Text

from speechtune.audio.files import read_audio
from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.data.sets.clips import Clip, check_clip_label
from speechtune.data.sets.growing import GrowingSet
from speechtune.data.sets.manifest import MANIFEST_NAME, unlist_clip
from speechtune.errors import ConfigError, ManifestError

if TYPE_CHECKING:
    from speechtune_server.hits.files import Hit

_DECISIONS = ("confirm", "relabel", "discard", "skip")


@dataclass(frozen=True)
class Decision:
    """What becomes of a hit: a clip of `label`, or with None nothing; `is_later`: it stays where it is."""

    label: str | None = None
    is_later: bool = False


LATER = Decision(is_later=True)


@dataclass
class Outcome:
    """How many hits went which way."""

    num_confirmed: int = 0
    num_relabelled: int = 0
    num_discarded: int = 0
    num_left: int = 0
    num_gone: int = 0
    """Removed by the server during the review: the folder was full, or they were too old."""


class Reviewer(Protocol):
    """Who decides."""

    def decide(self, hit: Hit, audio: Path, position: int, num_hits: int) -> Decision | None:
        """What becomes of this hit; None: enough for now."""


def review_hits(folder: Path, hits: Sequence[tuple[Hit, Path]], out: Path, reviewer: Reviewer) -> Outcome:
    """Have every hit decided and follow each decision at once, so that an end at any moment loses none.

    Raises:
        ManifestError: the data folder or the hits cannot be read or written.
        AudioError: the audio of a hit cannot be read.
    """
    outcome, growing = Outcome(), GrowingSet(out)
    done = {clip.id for clip in growing.clip_set.clips}
    for position, (hit, audio) in enumerate(hits, start=1):
        if hit.id in done:  # the last review ended between the two steps of `_follow`
            _remove(folder, hit)
            continue
        if not audio.is_file():
            outcome.num_gone += 1
            continue
        decision = reviewer.decide(hit, audio, position, len(hits))
        if decision is None:
            outcome.num_left += len(hits) - position + 1
            break
        if decision.is_later:
            outcome.num_left += 1
        elif decision.label is not None and not audio.is_file():
            outcome.num_gone += 1
        else:
            _follow(decision, hit, audio, folder, growing)
            outcome.num_discarded += decision.label is None
            outcome.num_confirmed += decision.label == hit.label
            outcome.num_relabelled += decision.label not in (None, hit.label)
    return outcome


def _follow(decision: Decision, hit: Hit, audio: Path, folder: Path, growing: GrowingSet) -> None:
    if decision.label is not None:
        label = check_clip_label(decision.label, f"hit {hit.id}")
        extra = (("x_heard_as", hit.label), ("x_confidence", str(hit.confidence)), ("x_model_digest", hit.model_digest))
        # A stream is one place and mostly one voice: its clips must not be parted between train and test.
        clip = Clip(Path(hit.id), label, session=hit.session_id, device=hit.key or None, id=hit.id, extra=extra)
        growing.add(clip, read_audio(audio))
    _remove(folder, hit)


def _remove(folder: Path, hit: Hit) -> None:
    from speechtune_server.hits.files import remove_hit

    if (folder / MANIFEST_NAME).is_file():  # of `speechtune mine`: what it lists must be there
        unlist_clip(folder / MANIFEST_NAME, hit.id)
    try:
        remove_hit(folder, hit.id)
    except OSError as error:
        raise ManifestError(f"{folder}: hit {hit.id} cannot be removed ({error.strerror or error})") from error


class Answers:
    """Decisions out of a file; a hit that it does not name is left for later."""

    def __init__(self, decisions: dict[str, Decision]) -> None:
        self._decisions = decisions

    @staticmethod
    def read(path: Path, hits: Sequence[tuple[Hit, Path]]) -> Answers:
        """Read lines of JSON, each with `id`, `decision` and, to relabel, `label`.

        Raises:
            ManifestError: the file, or a line of it, is not of that form, or names a hit that is not there.
        """
        heard = {hit.id: hit.label for hit, _ in hits}
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ManifestError(f"{path}: cannot be read ({error})") from error
        numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
        return Answers(dict(_answer(line, heard, f"{path}, line {number}") for number, line in numbered))

    def decide(self, hit: Hit, audio: Path, position: int, num_hits: int) -> Decision | None:  # noqa: ARG002
        """What the file says."""
        return self._decisions.get(hit.id, LATER)


def _answer(line: str, heard: dict[str, str], where: str) -> tuple[str, Decision]:
    try:
        given: Any = json.loads(line)
        hit_id, decision, label = given["id"], given["decision"], given.get("label")
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f'{where}: write {{"id": …, "decision": {" | ".join(_DECISIONS)}}}') from error
    if hit_id not in heard:
        raise ManifestError(f"{where}: there is no hit {hit_id!r}; it may be decided already")
    if decision not in _DECISIONS:
        raise ManifestError(f"{where}: decision {decision!r} is none of {', '.join(_DECISIONS)}")
    if (decision == "relabel") != isinstance(label, str):
        raise ManifestError(f"{where}: to relabel, and only then, give a label")
    if decision == "relabel":
        return hit_id, Decision(check_clip_label(label, where))
    return hit_id, {"confirm": Decision(heard[hit_id]), "discard": Decision(), "skip": LATER}[decision]


class TerminalReviewer:
    """Plays each hit and asks; without a sound device it shows the file.

    Args:
        console: where to show.
        read_line: shows a question and gives the answer.
        mute: play nothing.
    """

    def __init__(self, console: Console, read_line: Callable[[str], str] = input, mute: bool = False) -> None:
        self._console = console
        self._read_line = read_line
        self._player = None if mute else _player(console)

    def decide(self, hit: Hit, audio: Path, position: int, num_hits: int) -> Decision | None:
        """What the person says."""
        others = ", ".join(f"{one.label} {one.confidence:.2f}" for one in hit.alternatives)
        heading = f"\n{position}/{num_hits}  {hit.kind}: {hit.label} {hit.confidence:.2f} of {hit.threshold:.2f}"
        self._console.print(Text(heading, style="bold"))
        self._console.print(Text(f"   {hit.id[:15]} UTC, model {hit.model}" + (f"; else {others}" if others else "")))
        self._play(audio)
        while True:
            try:
                answer = self._read_line(f"Enter: it is {hit.label} · another word · d: discard · p · s: later · q: ")
            except EOFError:
                return None
            word = answer.strip()
            if word == "p":
                self._play(audio)
            elif word in ("", "d", "s", "q"):
                return {"": Decision(hit.label), "d": Decision(), "s": LATER, "q": None}[word]
            else:
                try:
                    return Decision(check_clip_label(word, "label"))
                except ManifestError as error:
                    self._console.print(Text(str(error)))

    def _play(self, audio: Path) -> None:
        if self._player is None:
            self._console.print(Text(f"   {audio}"))
            return
        try:
            self._player.play(read_audio(audio), SAMPLE_RATE_HZ, blocking=True)
        except (self._player.PortAudioError, ValueError) as error:
            self._console.print(Text(f"   {audio} (cannot be played: {error})"))


def _player(console: Console) -> Any:
    from speechtune.cli.terminal.microphone import import_sounddevice

    try:
        return import_sounddevice()
    except ConfigError as error:
        console.print(Text(str(error), style="yellow"))
        return None
