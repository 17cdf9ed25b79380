"""Who is asked while takes are recorded: a person at a terminal, or nobody; fills `record.ports.Operator`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from speechtune.audio.levels import FLOOR_DBFS, peak_dbfs
from speechtune.audio.timebase import seconds_from_samples
from speechtune.record.ports import Choice
from speechtune.record.prompts import Prompt
from speechtune.record.takes import Take

_COUNTDOWN = 3
_STEP_SECONDS = 0.5
_METER_WIDTH = 40
_METER_MARGIN = 16
_METER_FLOOR_DB = 60.0
_FALL_DB_PER_SECOND = 40.0
_LOUD_DBFS, _TOO_LOUD_DBFS = -6.0, -1.0
_MAX_REDOS = 3

_ANNOUNCE_KEYS = {"": Choice.GO, "s": Choice.SKIP, "q": Choice.QUIT}
_REVIEW_KEYS = {"k": Choice.KEEP, "r": Choice.REDO, "p": Choice.PLAY, "s": Choice.SKIP, "q": Choice.QUIT}


class TerminalOperator:
    """Shows prompts, a countdown, a live level meter and verdicts; reads one letter per answer."""

    def __init__(
        self,
        console: Console,
        read_line: Callable[[str], str] = input,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Talk through `console`; `read_line` shows a question and gives the answer."""
        self._console = console
        self._read_line = read_line
        self._sleep = sleep
        self._meter = _Meter(console)

    def announce(self, prompt: Prompt, position: int, num_prompts: int) -> Choice:
        """Show what is to be said; after Enter, count down and answer GO."""
        self._console.print(Text(f"\n{position}/{num_prompts}  {_wanted(prompt)}", style="bold"))
        choice = self._ask("Enter: record · s: skip · q: leave ", _ANNOUNCE_KEYS)
        if choice is Choice.GO:
            for number in range(_COUNTDOWN, 0, -1):
                _show_in_place(self._console, Text(f"   {number} …", style="bold"))
                self._sleep(_STEP_SECONDS)
        return choice

    def cue(self) -> None:
        """Begin the meter, which is the sign to speak."""
        self._meter.restart()

    def hearing(self, samples: NDArray[np.float32]) -> None:
        """Draw the level of the latest samples in place of the one before."""
        self._meter.hear(samples)

    def review(self, take: Take) -> Choice:
        """Show the verdict; Enter keeps a good take and repeats another."""
        _show_in_place(self._console, Text())
        show_verdict(self._console, take)
        default = Choice.KEEP if take.is_good else Choice.REDO
        keys = {**_REVIEW_KEYS, "": default}
        return self._ask(f"Enter: {default.value} · k: keep · r: redo · p: play · s: skip · q: leave ", keys)

    def _ask(self, question: str, keys: dict[str, Choice]) -> Choice:
        while True:
            try:
                answer = self._read_line(question).strip().lower()
            except EOFError:
                return Choice.QUIT
            if answer in keys:
                return keys[answer]
            self._console.print(f"{answer!r} is none of them", markup=False)


class _Meter:
    """A bar as long as the level is high; it falls slowly, and a mark stays at the loudest so far."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown_dbfs = self._loudest_dbfs = FLOOR_DBFS

    def restart(self) -> None:
        """A take begins; only background is heard yet."""
        self._shown_dbfs = self._loudest_dbfs = FLOOR_DBFS
        self._draw()

    def hear(self, samples: NDArray[np.float32]) -> None:
        """Show the level of float32[N] at 16 kHz, N ≥ 1."""
        level = peak_dbfs(samples)
        fallen = self._shown_dbfs - _FALL_DB_PER_SECOND * seconds_from_samples(len(samples))
        self._shown_dbfs = max(level, fallen)
        self._loudest_dbfs = max(level, self._loudest_dbfs)
        self._draw()

    def _draw(self) -> None:
        width = max(min(_METER_WIDTH, self._console.width - _METER_MARGIN), 0)
        filled, mark = (
            round(width * min(max(1.0 + level / _METER_FLOOR_DB, 0.0), 1.0))
            for level in (self._shown_dbfs, self._loudest_dbfs)
        )
        loudest = self._loudest_dbfs
        colour = "red" if loudest > _TOO_LOUD_DBFS else "yellow" if loudest > _LOUD_DBFS else "green"
        plain = self._console.options.ascii_only
        full, empty, peak, dot = ("#", "-", "|", "*") if plain else ("█", "░", "│", "●")
        rest = "".join(peak if place + 1 == mark else empty for place in range(filled, width))
        _show_in_place(
            self._console,
            Text.assemble((f" {dot} ", "red"), (full * filled, colour), rest, f" {max(loudest, -99.0):4.0f} dBFS"),
        )


def _show_in_place(console: Console, text: Text) -> None:
    """Show a line in place of the one that the cursor is on; nothing where no terminal is."""
    if console.is_terminal:
        console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))
        console.print(text, end="", no_wrap=True, overflow="crop")


class UnattendedOperator:
    """Keeps what is good; a take with faults is redone up to three times, then skipped, or skipped at once."""

    def __init__(self, console: Console, redo: bool) -> None:
        """Show every verdict on `console`; with `redo` faulty takes are recorded again."""
        self._console = console
        self._redo = redo
        self._num_redone = 0

    def announce(self, prompt: Prompt, position: int, num_prompts: int) -> Choice:
        """Show what is to be said, and go on."""
        self._console.print(Text(f"{position}/{num_prompts}  {_wanted(prompt)}"))
        return Choice.GO

    def cue(self) -> None:
        """Nobody waits for it."""

    def hearing(self, samples: NDArray[np.float32]) -> None:
        """Nobody looks."""

    def review(self, take: Take) -> Choice:
        """Keep a good take."""
        show_verdict(self._console, take)
        if take.is_good:
            self._num_redone = 0
            return Choice.KEEP
        if self._redo and self._num_redone < _MAX_REDOS:
            self._num_redone += 1
            return Choice.REDO
        self._num_redone = 0
        return Choice.SKIP


def show_verdict(console: Console, take: Take) -> None:
    """One line of figures, and one for every fault and note."""
    measures = take.measures
    level = "no speech" if measures.speech_dbfs is None else f"speech {measures.speech_dbfs:.0f} dBFS"
    snr = "" if measures.snr_db is None else f", {measures.snr_db:.0f} dB over the background"
    length = f"{seconds_from_samples(measures.num_samples):.2f} s"
    mark, style = ("✓", "green") if take.is_good else ("✗", "yellow")
    console.print(Text(f"   {mark} {length}, {level}, peak {measures.peak_dbfs:.0f} dBFS{snr}", style=style))
    for fault in take.faults:
        console.print(Text(f"     {fault.kind.replace('_', ' ')}: {fault.detail}", style=style))
    for note in take.notes:
        console.print(Text(f"     note: {note}", style=style))


def _wanted(prompt: Prompt) -> str:
    return "be silent, the background is recorded" if prompt.text is None else f"say: {prompt.text}"
