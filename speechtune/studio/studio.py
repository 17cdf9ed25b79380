"""The studio behind its page: what there is, what is going on, and who is told of it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import ConfigError, ServiceNotReadyError
from speechtune.recipe import Recipe
from speechtune.record.prompts import missing_prompts
from speechtune.studio.comparison import Comparison
from speechtune.studio.media import spectrogram_of
from speechtune.studio.ports import Recogniser, Rollout
from speechtune.studio.project import Project, changed_plan, read_plan, write_plan
from speechtune.studio.readiness import obstacles
from speechtune.studio.takes import Origin, Takes
from speechtune.studio.trainer import Trainer
from speechtune.studio.training_process import Job, Trained

TOPICS = ("plan", "takes", "training", "model", "tried")


@dataclass(frozen=True)
class TrainingMaterial:
    """What is learnt from beside the takes, and how.

    Attributes:
        recipe: every setting.
        negatives, room: as for `TrainingData`.
    """

    recipe: Recipe = field(default_factory=Recipe)
    negatives: tuple[Path, ...] = ()
    room: tuple[Path, ...] = ()


class Watcher:
    """One page that is told what changes."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._topics: set[str] = set(TOPICS)
        self._changed.set()

    def note(self, topic: str) -> None:
        """Something of this topic has changed."""
        self._topics.add(topic)
        self._changed.set()

    def close(self) -> None:
        """The studio ends: nothing changes any more."""
        self._topics.clear()
        self._changed.set()

    async def topics(self) -> set[str]:
        """Wait until something changes; at first everything has. Nothing: the studio ends."""
        await self._changed.wait()
        self._changed.clear()
        topics, self._topics = self._topics, set()
        return topics


class Studio:
    """Everything that the page can ask for; to be used inside one event loop, blocking work in threads.

    Args:
        project: where everything lies.
        takes: of its data folder, which nobody else writes to.
        comparison: of new takes with kept ones.
        material: what is learnt from beside the takes.
        recogniser: tries the model; None: nothing is tried.
        rollout: has a server serve the model; None: no server was named.

    Raises:
        ConfigError: a file of the project is not what a studio writes.
    """

    def __init__(
        self,
        project: Project,
        takes: Takes,
        comparison: Comparison,
        material: TrainingMaterial | None = None,
        recogniser: Recogniser | None = None,
        rollout: Rollout | None = None,
    ) -> None:
        self.project, self.takes, self.comparison = project, takes, comparison
        self.recogniser, self.rollout = recogniser, rollout
        self.plan = read_plan(project, takes.clip_set.labels)
        self._material = material or TrainingMaterial()
        self._trainer = Trainer(project.trained_file, lambda: self.changed("training"))
        self._trained: Trained | None = self._trainer.last()
        self._watchers: set[Watcher] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._training: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin: the encoder that compares takes, and the model, are loaded while the page opens."""
        self._loop = asyncio.get_running_loop()
        self._loading = asyncio.create_task(asyncio.to_thread(self._load))
        if self.recogniser is not None:
            await self.recogniser.start()

    def _load(self) -> None:
        """Have ready what takes seconds the first time."""
        self.comparison.load()
        spectrogram_of(np.zeros(SAMPLE_RATE_HZ, dtype=np.float32))

    async def stop(self) -> None:
        """End; a training that runs is stopped."""
        for watcher in self._watchers:
            watcher.close()
        await self._trainer.stop()
        if self._training is not None:
            await asyncio.gather(self._training, return_exceptions=True)
        if self.recogniser is not None:
            await self.recogniser.stop()
        await self._loading

    @contextmanager
    def watched(self) -> Iterator[Watcher]:
        """A watcher for as long as the context lasts."""
        watcher = Watcher()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def changed(self, *topics: str) -> None:
        """Tell every page that something of these topics has changed; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._note, topics)

    def _note(self, topics: Sequence[str]) -> None:
        for watcher in self._watchers:
            for topic in topics:
                watcher.note(topic)

    def state(self, topics: Sequence[str] | set[str] = TOPICS) -> dict[str, Any]:
        """What there is, as the page shows it; reads small files, and is to be called in a thread.

        Raises:
            SpeechTuneError: something on disk cannot be read.
        """
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "plan": self._plan_state,
            "takes": self._takes_state,
            "training": self._training_state,
            "model": self._model_state,
            "tried": self._tried_state,
        }
        found: dict[str, Any] = {}
        for topic in TOPICS:
            if topic in topics:
                found |= parts[topic]()
        return found

    def _plan_state(self) -> dict[str, Any]:
        return {
            "plan": self.plan.model_dump(mode="json"),
            "folder": str(self.project.folder),
            "not_compared": self.comparison.problem,
            "rollout": None if self.rollout is None else self.rollout.address,
        } | self._missing()

    def _missing(self) -> dict[str, Any]:
        recording = self.plan.recording
        missing = (
            () if recording is None else missing_prompts(recording, self.takes.num_takes(self.plan.speaker or None))
        )
        return {
            "missing": len(missing),
            "obstacles": [asdict(one) for one in obstacles(self.plan, self.takes.num_training_clips())],
        }

    def _takes_state(self) -> dict[str, Any]:
        return {
            "takes": [asdict(one) for one in self.takes.listed()],
            "aside": [one.model_dump(mode="json", exclude={"extra"}) for one in self.takes.aside()],
            "is_current": self._trained is not None and self._trained.version == self._version(),
        } | self._missing()

    def _training_state(self) -> dict[str, Any]:
        return {
            "training": asdict(self._trainer.state),
            "trained": None if self._trained is None else self._trained.model_dump(mode="json"),
            "is_current": self._trained is not None and self._trained.version == self._version(),
        }

    def _model_state(self) -> dict[str, Any]:
        return {"model": None if self.recogniser is None else asdict(self.recogniser.state)}

    def _tried_state(self) -> dict[str, Any]:
        return {"tried": [] if self.recogniser is None else [asdict(one) for one in self.recogniser.heard()]}

    def _version(self) -> str:
        """Of everything that a training learns from."""
        return f"{','.join(self.plan.commands)}:{self.takes.version()}"

    def origin(self, device: str | None = None) -> Origin:
        """Whose takes a recording that begins now makes."""
        session = f"{datetime.now():%Y-%m-%dT%H%M%S}"
        return Origin(self.plan.speaker or None, session, device, self.plan.room or None)

    def change_plan(self, change: Mapping[str, Any]) -> None:
        """Record something else from now on; errors and `change` as for `changed_plan`, and where it cannot be kept."""
        plan = changed_plan(self.plan, change)
        write_plan(self.project, plan)
        self.plan = plan
        self.changed("plan", "takes")

    def begin_training(self) -> None:
        """Train on what there is now; `state` tells how it goes.

        Raises:
            ConfigError: something is lacking.
            SessionGrammarError: a training is running.
        """
        lacking = obstacles(self.plan, self.takes.num_training_clips())
        if lacking:
            raise ConfigError(f"training: {lacking[0].kind.replace('_', ' ')}: {lacking[0].label or 'add commands'}")
        job = self._job()
        self._trainer.begin()
        self._training = asyncio.create_task(self._train(job))

    async def stop_training(self) -> None:
        """Stop the training that runs; the model that was there before it stays."""
        await self._trainer.stop()

    async def set_thresholds(self, thresholds: dict[str, float]) -> None:
        """Keep these thresholds; errors as for `Recogniser.set_thresholds`."""
        if self.recogniser is None:
            raise ServiceNotReadyError("nothing can be tried here")
        await self.recogniser.set_thresholds(thresholds)
        self.changed("model")

    def decide(self, heard_id: str, label: str | None) -> None:
        """Make what was heard a clip of `label`, or delete it; to be called in a thread.

        Raises:
            ManifestError: as for `Recogniser.decide`.
        """
        if self.recogniser is None:
            raise ServiceNotReadyError("nothing can be tried here")
        with self.takes.handed_over():
            self.recogniser.decide(heard_id, label)
        self.changed("tried", "takes")

    def _job(self) -> Job:
        material, has_test = self._material, any(one.is_test for one in self.takes.listed())
        return Job(
            clips=self.project.clips,
            keywords=self.plan.commands,
            model=self.project.model,
            recipe=material.recipe.to_toml(),
            negatives=material.negatives,
            room=material.room,
            report=self.project.report if has_test else None,
            version=self._version(),
        )

    async def _train(self, job: Job) -> None:
        trained = await self._trainer.train(job)
        if trained is not None:
            self._trained = trained
            if trained.test is None:
                # An older model's report beside a new model would be taken for its own.
                await asyncio.to_thread(shutil.rmtree, self.project.report, ignore_errors=True)
            if self.recogniser is not None:
                await self.recogniser.reload()
        self.changed("training", "takes", "model")
