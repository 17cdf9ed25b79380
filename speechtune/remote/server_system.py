"""A running server as something to evaluate: its answers come over gRPC, the figures are computed here."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from speechtune.audio.timebase import SAMPLE_RATE_HZ
from speechtune.errors import CheckpointIncompatibleError, ConfigError, ModelUnavailableError
from speechtune.labels import LabelSet
from speechtune.remote.server_access import ServerAccess, connected

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydantic import JsonValue

    from speechtune.data.sets.clips import Clip
    from speechtune.evaluation.clips.scoring import ClipReport, Progress
    from speechtune.evaluation.streams.metrics import StreamMetrics
    from speechtune.evaluation.streams.playback import Playback, PlayedRecording
    from speechtune.evaluation.streams.recordings import Recording
    from speechtune.streaming.events import Detection
    from speechtune_client import CommandClient
    from speechtune_client import Detection as WireDetection

NUM_AT_ONCE = 8
"""Calls at once: enough for full batches, well below what a server allows unless told otherwise."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class ServerSystem:
    """One model of a server, pinned by its digest.

    Attributes:
        name: of the model and the server.
        facts: what the report says about it.
        client: connected.
        model: name@digest.
        labels: its keywords; its negatives where a checkpoint told them.
        thresholds: of every keyword.
        window_samples: length of the windows it hears.
        digest: of the checkpoint that answers.
        negatives_known: whether `labels` tells the negatives.
    """

    name: str
    facts: dict[str, JsonValue]
    client: CommandClient
    model: str
    labels: LabelSet
    thresholds: dict[str, float]
    window_samples: int
    digest: str
    negatives_known: bool

    def answer_clips(self, clips: Sequence[Clip], root: Path, progress: Progress) -> ClipReport:
        """As for `System`: every clip by one call of Recognize."""
        from speechtune.data.sets.clips import read_clip
        from speechtune.evaluation.clips.compute import Provenance, compute_metrics
        from speechtune.evaluation.clips.scoring import ClipReport, labelled_predictions

        start = time.perf_counter()
        rows = _side_by_side(
            lambda clip: self._posteriors(read_clip(clip)), clips, self.client.close, progress, "evaluate"
        )
        predictions = labelled_predictions(
            self.labels, np.stack(rows), clips, root=root, negatives_known=self.negatives_known
        )
        seconds = time.perf_counter() - start
        return ClipReport(predictions, compute_metrics(predictions, Provenance(None, self.digest, seconds, None)))

    @property
    def scorer(self) -> ServerSystem:
        """As for `System`: it scores windows by itself."""
        return self

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """As for `Scorer`; the server places each window by its energy once more, which moves it by a few samples."""
        return np.stack(_side_by_side(self._posteriors, list(windows), self.client.close))

    def _posteriors(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        content = samples.astype("<f4", copy=False).tobytes()
        answer = self.client.recognize(
            content, "FLOAT32", sample_rate_hertz=SAMPLE_RATE_HZ, channels=1, model=self.model
        )
        score = {one.label: one.confidence for one in answer.scores}
        return np.array([score[label] for label in self.labels.labels], dtype=np.float32)

    def answer_streams(self, recordings: Sequence[Recording], progress: Progress) -> tuple[Playback, StreamMetrics]:
        """As for `System`: every recording as one stream, as fast as the server listens."""
        from speechtune.evaluation.streams.compute import compute_stream_metrics
        from speechtune.evaluation.streams.playback import Playback
        from speechtune.recipe import SessionSettings

        start = time.perf_counter()
        heard = _side_by_side(self._listen, recordings, self.client.close, progress, "listen")
        playback = Playback(
            heard=tuple(one for one, _ in heard),
            labels=self.labels,
            thresholds=self.thresholds,
            settings=SessionSettings(),
            num_windows=sum(num_windows for _, num_windows in heard),
            seconds=time.perf_counter() - start,
            scoring_seconds=None,
        )
        return playback, compute_stream_metrics(playback, checkpoint_digest=self.digest)

    def _listen(self, recording: Recording) -> tuple[PlayedRecording, int]:
        from speechtune.evaluation.streams.playback import PlayedRecording
        from speechtune.evaluation.streams.recordings import audio_blocks
        from speechtune_client import Detection, Ended

        audio = audio_blocks(recording.path)
        chunks = (block.astype("<f4", copy=False).tobytes() for block in audio.blocks)
        events = list(self.client.stream(chunks, encoding="FLOAT32", sample_rate_hertz=audio.rate_hz, model=self.model))
        ended = events[-1] if events else None
        if not isinstance(ended, Ended) or ended.reason != "CLIENT_FINISHED":
            why = ended.reason if isinstance(ended, Ended) else "the connection broke"
            raise ModelUnavailableError(
                f"{recording.path}: the server ended the stream before the recording did ({why}); "
                "raise its limits, or cut the recording into parts"
            )
        detections = tuple(_domain(event) for event in events if isinstance(event, Detection))
        num_samples = round(ended.statistics.audio_processed * SAMPLE_RATE_HZ)
        return PlayedRecording(recording, num_samples, None, detections), ended.statistics.num_windows_scored


@contextmanager
def server_system(access: ServerAccess, model: str = "", checkpoint: Path | None = None) -> Iterator[ServerSystem]:
    """Connect to a server and choose one of its models.

    Args:
        access: where it is, and what it wants to see.
        model: its name; "": the server's default.
        checkpoint: the checkpoint's folder or the exported file that the server is said to serve; tells which words
            the model was shown as negatives.

    Raises:
        ConfigError: no such model, or a request that the server refuses.
        CheckpointIncompatibleError: the server serves another checkpoint than `checkpoint`.
        ModelUnavailableError: the server cannot be reached or fails.
    """
    with connected(access) as client:
        yield _chosen(client, access.address, model, checkpoint)


def _chosen(client: CommandClient, address: str, model: str, checkpoint: Path | None) -> ServerSystem:
    server = client.wait_ready()
    offered = client.list_models()
    found = next((one for one in offered if (one.name == model if model else one.is_default)), None)
    if found is None:
        raise ConfigError(f"server {address} has no model {model!r}; it has: {', '.join(one.name for one in offered)}")
    negatives: tuple[str, ...] = ()
    if checkpoint is not None:
        from speechtune.models.opened import identify_model

        known = identify_model(checkpoint)
        if known.digest != found.digest:
            raise CheckpointIncompatibleError(
                f"server {address} serves {found.name}@{found.digest[:12]}, "
                f"{checkpoint} is {known.digest[:12]}; name the checkpoint that it serves, or none"
            )
        negatives = known.negatives
    rules = {rule.label: rule.threshold for rule in found.commands}
    thresholds = {label: level for label, level in rules.items() if level is not None}
    return ServerSystem(
        name=f"{found.name} at {address}",
        facts={"server": address, "server version": server.version, "model": found.name, "digest": found.digest},
        client=client,
        model=f"{found.name}@{found.digest}",
        labels=LabelSet(tuple(rules), negatives),
        thresholds=thresholds,
        window_samples=round(found.window * SAMPLE_RATE_HZ),
        digest=found.digest,
        negatives_known=checkpoint is not None,
    )


def _side_by_side(
    ask: Callable[[Item], Answer],
    items: Sequence[Item],
    give_up: Callable[[], None],
    progress: Progress | None = None,
    stage: str = "",
) -> list[Answer]:
    """The answers in the items' order; the first failure ends it, and memory holds few items at once.

    Interrupted, it calls `give_up`, which ends the calls that are under way: a stream may take an hour.
    """
    answers: list[Answer] = []
    waiting = iter(items)
    with ThreadPoolExecutor(NUM_AT_ONCE) as pool:
        asked = [pool.submit(ask, item) for item in itertools.islice(waiting, 2 * NUM_AT_ONCE)]
        try:
            while asked:
                answers.append(asked.pop(0).result())
                asked += [pool.submit(ask, item) for item in itertools.islice(waiting, 1)]
                if progress is not None:
                    progress(stage, len(answers), len(items))
        except KeyboardInterrupt:
            give_up()
            raise
        finally:
            for future in asked:
                future.cancel()
    return answers


def _domain(event: WireDetection) -> Detection:
    from speechtune.streaming.events import Detection, Score

    start, end, decision = (
        round(seconds * SAMPLE_RATE_HZ) for seconds in (event.start_offset, event.end_offset, event.decision_offset)
    )
    return Detection(
        event_id=event.event_id,
        label=event.label,
        confidence=event.confidence,
        threshold=event.threshold,
        runner_up_margin=event.runner_up_margin,
        start_sample=start,
        end_sample=end,
        decision_sample=decision,
        alternatives=tuple(Score(one.label, one.confidence) for one in event.alternatives),
    )
