"""What one session must know before the first sample."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speechtune.audio.pcm import PcmFormat
from speechtune.errors import ConfigError, UnknownLabelError
from speechtune.labels import LabelSet
from speechtune.names import composed
from speechtune.recipe import DetectorSettings, EndpointingSettings


class Scorer(Protocol):
    """What turns windows into posteriors: a torch model, an ONNX session, a script. Holds no stream's state."""

    @property
    def labels(self) -> LabelSet:
        """The labels, in the order of the posteriors."""

    @property
    def thresholds(self) -> dict[str, float]:
        """The calibrated threshold of every keyword."""

    @property
    def window_samples(self) -> int:
        """Length of the windows it takes."""

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32[B, window_samples] to calibrated posteriors float32[B, K], each row summing to 1."""


@dataclass(frozen=True)
class CommandRule:
    """A keyword to report in this stream; what is None is taken from the model and the detector settings."""

    label: str
    threshold: float | None = None
    refractory_ms: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", composed(self.label))
        if self.threshold is not None and not 0.0 <= self.threshold <= 1.0:
            raise ConfigError(f"command {self.label!r}: threshold {self.threshold} is not within 0 and 1")
        if self.refractory_ms is not None and not 0 <= self.refractory_ms <= 60_000:
            raise ConfigError(f"command {self.label!r}: refractory_ms {self.refractory_ms} is not within 0 and 60000")


@dataclass(frozen=True)
class EffectiveRule:
    """A keyword to report, with everything filled in."""

    label: str
    threshold: float
    refractory_ms: int


@dataclass(frozen=True)
class SessionConfig:
    """The settings of one stream.

    Attributes:
        audio: form of the PCM bytes.
        commands: the keywords to report; empty: all of the model's.
        interims: whether windows of ongoing speech are reported as they are scored.
        every_window: whether all windows of long speech are scored. Else those are left out that no detection can come
            of, whatever they hold; what came nearest in a stretch without a detection is then known less exactly.
    """

    audio: PcmFormat
    commands: tuple[CommandRule, ...] = ()
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    endpointing: EndpointingSettings = field(default_factory=EndpointingSettings)
    interims: bool = False
    every_window: bool = False

    def effective_rules(self, labels: LabelSet, thresholds: dict[str, float]) -> dict[str, EffectiveRule]:
        """Every reported keyword with its threshold and refractory time filled in.

        Raises:
            UnknownLabelError: a rule names something that is not a keyword of the model; the message lists those.
            ConfigError: a keyword has two rules.
        """
        asked = self.commands or tuple(CommandRule(keyword) for keyword in labels.keywords)
        thresholds = {composed(label): threshold for label, threshold in thresholds.items()}
        rules: dict[str, EffectiveRule] = {}
        for rule in asked:
            if rule.label not in labels.keywords:
                raise UnknownLabelError(
                    f"command {rule.label!r} is not a keyword of this model; it has: {', '.join(labels.keywords)}"
                )
            if rule.label in rules:
                raise ConfigError(f"command {rule.label!r} is named twice")
            threshold = rule.threshold
            if threshold is None:
                threshold = self.detector.threshold
            if threshold is None:
                threshold = thresholds[rule.label]
            refractory_ms = rule.refractory_ms
            if refractory_ms is None:
                refractory_ms = self.detector.refractory_ms_for(rule.label)
            rules[rule.label] = EffectiveRule(rule.label, threshold, refractory_ms)
        return rules
