"""Has a model trained by a process of its own, and knows how far it is."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from speechtune.errors import ConfigError, SessionGrammarError
from speechtune.studio.training_process import Job, Trained
from speechtune.whole_files import write_whole

_PATIENCE_SECONDS = 5.0
"""For a process that was asked to end."""
_IDLE_SECONDS = 600.0
"""After which a process that has nothing to do gives its memory back."""
_MOST_LOSSES = 2_000
_LINE_BYTES = 1 << 22

Status = Literal["idle", "running", "done", "stopped", "failed"]


@dataclass(frozen=True)
class Loss:
    """One loss of a phase that goes down one."""

    stage: str
    step: int
    value: float


@dataclass(frozen=True)
class TrainingState:
    """How far a training is.

    Attributes:
        status: of the latest one.
        stage, done, total: of a running one.
        losses: so far, the oldest left out where there are very many.
        error: of a failed one, as one sentence.
    """

    status: Status = "idle"
    stage: str = ""
    done: int = 0
    total: int = 1
    losses: tuple[Loss, ...] = ()
    error: str = ""


class _Worker:
    """The process that trains, started when it is needed."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    async def work(self, job: Job) -> AsyncIterator[dict[str, Any]]:
        """What the process says of a job, line by line; the last one tells what came of it, unless the process ends."""
        if self._idle is not None:
            self._idle.cancel()
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError, ConnectionResetError):  # it was stopped at once
            process.stdin.write(job.model_dump_json().encode() + b"\n")
            await process.stdin.drain()
        async for text in process.stdout:
            line = json.loads(text)
            yield line
            if "trained" in line or "error" in line:
                self._idle = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._let_go)
                return
        await process.wait()

    async def end(self) -> None:
        """End the process, whatever it is at."""
        process, self._process = self._process, None
        if self._idle is not None:
            self._idle.cancel()
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _PATIENCE_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()

    async def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            command = (sys.executable, "-m", "speechtune.studio.training_process")
            self._process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=_LINE_BYTES)
        return self._process

    def _let_go(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()  # it ends at the end of its input


@dataclass(eq=False)
class Trainer:
    """One training at a time.

    Attributes:
        trained_file: where the outcome of the last one is kept.
        changed: is called whenever `state` is another one.
        state: of the latest training.
    """

    trained_file: Path
    changed: Callable[[], None]
    state: TrainingState = field(default_factory=TrainingState)
    _worker: _Worker = field(default_factory=_Worker)
    _is_stopping: bool = False

    def last(self) -> Trained | None:
        """What the last training that ended well came to; None: there was none.

        Raises:
            ConfigError: the file is not what a studio writes.
        """
        if not self.trained_file.is_file():
            return None
        try:
            return Trained.model_validate_json(self.trained_file.read_bytes())
        except (OSError, ValidationError) as error:
            raise ConfigError(f"{self.trained_file}: is not what a studio writes; remove it ({error})") from error

    def begin(self) -> None:
        """A training is about to run: `state` says so from now on.

        Raises:
            SessionGrammarError: one is running.
        """
        if self.state.status == "running":
            raise SessionGrammarError("a training is running already; wait for it, or stop it")
        self._is_stopping = False
        self._set(TrainingState("running", "start"))

    async def train(self, job: Job) -> Trained | None:
        """Train, once it has begun, and wait for it; None: it failed or was stopped, as `state` tells."""
        trained: Trained | None = None
        try:
            async for line in self._worker.work(job):
                trained = self._follow(line) or trained
                if self._is_stopping:
                    await self._worker.end()
            if trained is not None:
                await asyncio.to_thread(write_whole, self.trained_file, trained.model_dump_json(indent=1) + "\n")
        except OSError as error:
            self._set(replace(self.state, error=f"{error.filename or 'the training'}: {error.strerror or error}"))
        finally:
            self._end(trained)
        return trained

    def _end(self, trained: Trained | None) -> None:
        if trained is not None and not self.state.error:
            self._set(replace(self.state, status="done"))
        elif self._is_stopping:
            self._set(replace(self.state, status="stopped"))
        else:
            error = self.state.error or "the training ended by itself; the terminal of the studio says more"
            self._set(replace(self.state, status="failed", error=error))

    async def stop(self) -> None:
        """Stop the one that is running, if any; what stood there before it stays."""
        self._is_stopping = True
        await self._worker.end()

    def _follow(self, line: dict[str, Any]) -> Trained | None:
        """Take a line of the process."""
        if "stage" in line:
            self._set(replace(self.state, stage=line["stage"], done=line["done"], total=line["total"]))
        elif "loss" in line:
            losses = (*self.state.losses, Loss(line["of"], line["step"], line["loss"]))
            self._set(replace(self.state, losses=losses[-_MOST_LOSSES:]))
        elif "error" in line:
            self._set(replace(self.state, error=line["error"]))
        else:
            return Trained.model_validate(line["trained"])
        return None

    def _set(self, state: TrainingState) -> None:
        self.state = state
        self.changed()
