"""Who is asked while takes are recorded: a person at a terminal, or nobody; fills `record.ports.Operator`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from speechtune.audio.levels import peak_dbfs
from speechtune.audio.timebase import seconds_from_samples
from speechtune.record.ports import Choice
from speechtune.record.prompts import Prompt
from speechtune.record.takes import Take

_COUNTDOWN = 3
_STEP_SECONDS = 0.5
_METER_WIDTH = 40
_METER_FLOOR_DB = 60.0
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

    def announce(self, prompt: Prompt, position: int, num_prompts: int) -> Choice:
        """Show what is to be said; after Enter, count down and answer GO."""
        self._console.print(Text(f"\n{position}/{num_prompts}  {_wanted(prompt)}", style="bold"))
        choice = self._ask("Enter: record · s: skip · q: leave ", _ANNOUNCE_KEYS)
        if choice is Choice.GO:
            for number in range(_COUNTDOWN, 0, -1):
                self._show(f"{number} …")
                self._sleep(_STEP_SECONDS)
            self._show("● now")
        return choice

    def hearing(self, samples: NDArray[np.float32]) -> None:
        """Draw the level of the latest samples over the line."""
        if self._console.is_terminal:
            level = peak_dbfs(samples)
            filled = round(_METER_WIDTH * min(max(1.0 + level / _METER_FLOOR_DB, 0.0), 1.0))
            colour = "red" if level > _TOO_LOUD_DBFS else "yellow" if level > _LOUD_DBFS else "green"
            self._show(f"[{colour}]{'█' * filled}[/]{'░' * (_METER_WIDTH - filled)} {level:5.0f} dBFS")

    def review(self, take: Take) -> Choice:
        """Show the verdict; Enter keeps a good take and repeats another."""
        if self._console.is_terminal:
            self._console.print()
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

    def _show(self, text: str) -> None:
        if self._console.is_terminal:
            self._console.print(f"\r{text:<60}", end="", highlight=False)


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
    """One line of figures, and one for every fault."""
    measures = take.measures
    level = "no speech" if measures.speech_dbfs is None else f"speech {measures.speech_dbfs:.0f} dBFS"
    snr = "" if measures.snr_db is None else f", {measures.snr_db:.0f} dB over the background"
    length = f"{seconds_from_samples(measures.num_samples):.2f} s"
    mark, style = ("✓", "green") if take.is_good else ("✗", "yellow")
    console.print(Text(f"   {mark} {length}, {level}, peak {measures.peak_dbfs:.0f} dBFS{snr}", style=style))
    for fault in take.faults:
        console.print(Text(f"     {fault.kind.replace('_', ' ')}: {fault.detail}", style=style))


def _wanted(prompt: Prompt) -> str:
    return "be silent, the background is recorded" if prompt.text is None else f"say: {prompt.text}"
