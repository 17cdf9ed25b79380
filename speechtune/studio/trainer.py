"""Has a model trained by a process of its own, and knows how far it is."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
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
    _process: Process | None = None
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
            trained = await self._run(job)
        finally:
            if self.state.status == "running":
                self._set(replace(self.state, status="stopped" if trained is None else "done"))
        return trained

    async def stop(self) -> None:
        """Stop the one that is running, if any; what stood there before it stays."""
        self._is_stopping = True
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _PATIENCE_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()

    async def _run(self, job: Job) -> Trained | None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "speechtune.studio.training_process"), stdin=PIPE, stdout=PIPE, limit=_LINE_BYTES
        )
        self._process = process
        if self._is_stopping:
            process.terminate()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError, ConnectionResetError):  # it was stopped at once
                process.stdin.write(job.model_dump_json().encode())
                process.stdin.close()
            trained: Trained | None = None
            async for line in process.stdout:
                trained = self._follow(json.loads(line)) or trained
            code = await process.wait()
        finally:
            self._process = None
            if process.returncode is None:
                process.kill()
        if trained is not None:
            await asyncio.to_thread(write_whole, self.trained_file, trained.model_dump_json(indent=1) + "\n")
        elif not self._is_stopping and not self.state.error:
            reason = f"the training ended by itself (exit code {code}); the terminal of the studio says more"
            self._set(replace(self.state, error=reason))
        if trained is None and self.state.error and not self._is_stopping:
            self._set(replace(self.state, status="failed"))
        return trained

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
