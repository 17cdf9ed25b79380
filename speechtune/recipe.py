"""How a checkpoint is made and how it listens: one TOML file, one tree of frozen settings.

Every setting of the library stands here once, with its unit, its range and its reason. An unknown key, a value out
of range or of the wrong type is an error that names the key, so that a typing mistake never passes silently.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Literal

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from speechtune.names import composed

Milliseconds = Annotated[int, Field(ge=0, le=60_000)]
Decibels = Annotated[float, Field(ge=-100.0, le=100.0)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class EncoderSettings(_Section):
    """Which pretrained encoder, and what is read off it."""

    name: str = "whisper-tiny.en"
    """A short name, a local folder, or a Hugging Face id."""
    layers: tuple[int, ...] | None = None
    """Which layers' frames are pooled, counted from 1; -1 is the last one, after the final norm. Defaults to the middle
    one, which still hears sounds, and the last one, which hears words."""
    decoder: bool | None = None
    """Whether Whisper's decoder is asked too, what it is about to say first. Defaults to asking where there is one."""
    num_segments: Annotated[int, Field(ge=1, le=16)] = 3
    """Mean frames of this many equal parts of the window, which keep the order of the sounds (1: the mean alone)."""


class ClipSettings(_Section):
    """How a recording becomes the fixed window that the encoder sees."""

    window_ms: Annotated[int, Field(ge=200, le=10_000)] | None = None
    """Length of the window. Defaults to one that suits the data, of at least 1,000 ms."""
    second_look: bool = True
    """Score a window that leaves doubt twice more, its audio moved a little either way, and average the answers."""


class AugmentSettings(_Section):
    """How each training clip is varied. Ranges are uniform unless they say otherwise.

    What changes the spectrum is done on the log-mel spectrogram where the encoder hears one; `speed` takes its place
    for encoders that hear waveforms.
    """

    copies: Annotated[int, Field(ge=0, le=200)] = 8
    """Augmented copies per clip, beside the clip itself."""
    shift_ms: Annotated[int, Field(ge=0, le=500)] = 100
    """Largest move of the word in its window, either way; nothing wraps round."""
    reverb_probability: Probability = 0.15
    """Share of the copies that sound in a small room."""
    rooms: Annotated[int, Field(ge=0, le=1_000)] = 0
    """How many simulated rooms those are; 0: noise that decays takes their place. Needs the extra `rooms`."""
    noise_probability: Probability = 0.8
    """Share of the copies that get noise."""
    snr_db: tuple[Decibels, Decibels] = (0.0, 30.0)
    """Level of the speech over the noise."""
    gain_db: tuple[Decibels, Decibels] = (-12.0, 6.0)
    """Change of level."""
    speed: tuple[float, float] = (0.85, 1.15)
    """Factor of playing speed, tempo and pitch together; for encoders that hear waveforms."""
    formants: Annotated[float, Field(ge=0.0, le=0.3)] = 0.0
    """Largest move of the formants, either way, as a share; for encoders that hear waveforms."""
    channel_probability: Probability = 0.0
    """Share of the copies heard through a telephone, a narrower band or a codec."""
    tempo: Annotated[float, Field(ge=0.0, le=0.5)] = 0.2
    """Largest change of tempo, either way, as a share; the pitch stays."""
    vocal_tract: Annotated[float, Field(ge=0.0, le=0.3)] = 0.12
    """Largest stretch of the frequency axis, either way, as a share: shorter and longer vocal tracts."""
    equaliser_db: Annotated[float, Field(ge=0.0, le=20.0)] = 3.0
    """Standard deviation of a smooth random frequency response: other microphones."""
    mask_probability: Probability = 0.4
    """Share of the copies with a band of mel bins masked, and of those with a stretch of frames masked."""
    mask_share: Annotated[float, Field(gt=0.0, le=0.5)] = 0.1
    """Largest mask, as a share of the bins or the frames."""

    @model_validator(mode="after")
    def _ranges_ascend(self) -> AugmentSettings:
        for name in ("speed", "gain_db", "snr_db"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: the range ({low}, {high}) runs downwards")
        if self.speed[0] < 0.5 or self.speed[1] > 2.0:
            raise ValueError("speed: stay within 0.5 and 2.0")
        return self


class TuneAugmentSettings(AugmentSettings):
    """How clips are varied while the encoder is tuned: more lightly than for the head; each copy is heard once."""

    copies: Annotated[int, Field(ge=0, le=200)] = 20
    reverb_probability: Probability = 0.0
    snr_db: tuple[Decibels, Decibels] = (5.0, 30.0)
    equaliser_db: Annotated[float, Field(ge=0.0, le=20.0)] = 0.0
    mask_probability: Probability = 0.0


class HeadSettings(_Section):
    """The phase that trains the head on cached embeddings."""

    l2: Annotated[float, Field(ge=0.0, le=1e3)] = 0.1
    """Half the weight of the squared weights of the standardised embedding, against the mean loss of a row."""
    max_iterations: Annotated[int, Field(ge=1, le=10_000)] = 40
    """Steps of L-BFGS after which fitting the head stops, should it not have converged before."""
    decoder_weight: Annotated[float, Field(gt=0.0, le=100.0)] = 2.0
    """How much the decoder's answer counts against that of one layer."""
    word_knowledge: Annotated[float, Field(ge=0.0, le=1e3)] = 5.0
    """What Whisper's decoder knows of the words by their names counts as much as so many clips of each; 0: nothing. It
    is asked only where `encoder.decoder` is, and counts less the less it tells the training clips apart."""
    class_balance: Probability = 0.5
    """Weight of a class with n clips: n to the power of minus this; 0 counts clips alike, 1 counts classes alike."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of each target that is spread evenly over all labels."""
    silence_clips: Annotated[int, Field(ge=0, le=10_000)] = 40
    """How many windows of noise and near-silence teach `_silence_`."""
    most_negatives: Annotated[int, Field(ge=10, le=1_000_000)] = 400
    """How many negative clips are learnt from. Where there are more, the hardest of them, and of each word and speaker,
    are kept."""
    running_speech: Annotated[int, Field(ge=0, le=10_000)] = 300
    """How many stretches of running speech, cut together from clips of the negative words, teach `_unknown_`. There
    are none where there is too little to hold some out in each of `calibration.folds` folds."""
    background_speech: Annotated[int, Field(ge=0, le=10_000)] = 300
    """How many windows of the synthesised talk that comes with the package teach `_unknown_`, beside the negatives that
    the data has, if any."""
    command_parts: Annotated[int, Field(ge=0, le=100)] = 12
    """How many parts of each clip of a command longer than 0.6 s teach `_unknown_`: its beginning or its end, alone or
    joined to another word."""


class TuneSettings(_Section):
    """The phase that tunes the encoder, after a head was trained on the pretrained one."""

    method: Literal["auto", "head", "lora", "top", "full"] = "head"
    """`head` leaves the encoder as it is; `lora` adds low-rank corrections to its layers, `top` tunes the last ones,
    `full` all of them; `auto` looks at the data and says why."""
    top_layers: Annotated[int, Field(ge=1, le=100)] = 2
    """How many of the layers that are used `top` tunes, counted from the last."""
    lora_rank: Annotated[int, Field(ge=1, le=256)] = 16
    """Rank of the corrections that `lora` adds to each layer."""
    lora_scale: Annotated[float, Field(gt=0.0, le=100.0)] = 2.0
    """What the corrections are multiplied by: peft's alpha divided by the rank."""
    augment: TuneAugmentSettings = TuneAugmentSettings()
    silence_clips: Annotated[int, Field(ge=0, le=10_000)] = 100
    """How many windows of noise and near-silence teach `_silence_` while the encoder is tuned."""
    batch_clips: Annotated[int, Field(ge=1, le=4_096)] = 32
    """Clips per step, all processes and accumulated parts together."""
    accumulate: Annotated[int, Field(ge=1, le=1_024)] = 1
    """Parts that a batch is computed in, for machines with little memory."""
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-4
    """Of the encoder's topmost layer, after the warm-up."""
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Each layer learns at so much of the rate of the one above it."""
    head_learning_rate: Annotated[float, Field(ge=0.0, le=1.0)] = 5e-4
    """Of the head, after the warm-up."""
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = 0.01
    """Of the encoder's weights."""
    warmup: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3
    """Share of the steps in which the rates rise; then they fall along a cosine."""
    clip_norm: Annotated[float, Field(gt=0.0, le=1e3)] = 5.0
    """Longest gradient; longer ones are shortened to it."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.05
    """Share of each target that is spread evenly over all labels."""
    pretrained_share: Probability = 0.6
    """What is kept of the pretrained weights: the encoder becomes so much of them and the rest of the tuned ones."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the matrix products; `auto` takes bfloat16 where the machine has instructions for it."""
    hold_out: Annotated[float, Field(ge=0.0, le=0.5)] | None = None
    """Share of the speakers and of the negative words that only judge when to stop. Defaults to a fifth where there are
    500 keyword clips, and to nobody where there are fewer, because every clip is needed to learn from."""
    judge_every: Annotated[int, Field(ge=1, le=100_000)] = 50
    """Steps between two validations."""
    patience: Annotated[int, Field(ge=1, le=1_000)] = 5
    """Validations without a better one after which training stops; the best weights are kept."""
    save_every: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Steps between two saved states, from which the same command goes on if it was killed."""
    tracker: Literal["none", "tensorboard", "mlflow", "wandb"] = "none"
    """Where losses and validations are logged too, if that package is installed."""


class CalibrationSettings(_Section):
    """How confidences and thresholds are set, on clips the head was not fitted on."""

    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """Cross-fitting: each clip is scored by a head that never saw it nor its speaker, where speakers are known."""
    false_accepts_per_hour: Annotated[float, Field(gt=0.0, le=1_000.0)] = 0.5
    """How often all keywords together may fire on an hour of talk, counted as events of the session on negative words
    strung together, each heard by heads that never met it. Where commands and talk lie apart, thresholds stand in the
    middle between them."""
    false_accept_rate: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3
    """Share of single clips of words that the head never heard that thresholds may let through, all keywords together.
    Such words are the worst case, and heads trained without a fifth of the clips let many more of them through than the
    final one. Talk asks for higher thresholds nearly always (`false_accepts_per_hour`)."""


class EndpointingSettings(_Section):
    """When speech is taken to have begun and ended."""

    onset_probability: Probability = 0.5
    """Voice activity at or above this begins speech."""
    offset_probability: Probability = 0.35
    """Voice activity below this counts towards the end of speech."""
    burst_db: Annotated[float, Field(ge=0.0, le=200.0)] = 10.0
    """Sound that rises so far above its background counts as voice too, unless `burst_probability` forbids it."""
    burst_probability: Probability = 0.02
    """Sound counts as voice by its level only where the voice activity is at least this. 1 leaves the level out of
    account."""
    min_speech_ms: Milliseconds = 96
    """Shorter bursts are not speech."""
    hangover_ms: Milliseconds = 160
    """Quiet that ends a stretch of speech; part of every detection's latency."""
    preroll_ms: Milliseconds = 160
    """Audio before the onset that belongs to the speech: soft consonants come before the detector reacts."""
    max_speech_ms: Annotated[int, Field(ge=500, le=600_000)] = 30_000
    """Longer stretches are ended here and a new one is begun."""


class DetectorSettings(_Section):
    """How scored windows become detections."""

    hop_ms: Annotated[int, Field(ge=20, le=2_000)] = 100
    """Step between windows inside a stretch of speech longer than one window."""
    smoothing_windows: Annotated[int, Field(ge=1, le=20)] = 3
    """Posteriors of this many neighbouring windows are averaged inside a long stretch."""
    long_speech_caution: Annotated[float, Field(ge=0.0, le=10.0)] = 3.0
    """How much surer a window inside a long stretch must be than a word that stands alone, in logits of its threshold:
    running speech is full of pieces that sound like commands. So must a word that only its level tells of."""
    refractory_ms: Milliseconds = 500
    """A keyword is not reported again within this time; other keywords are."""
    refractory_ms_of: dict[Annotated[str, AfterValidator(composed)], Milliseconds] | None = None
    """The same of single keywords, such as `next = 0` for one that is said to count. Defaults to `refractory_ms`."""
    threshold: Probability | None = None
    """One threshold for all keywords. Defaults to the calibrated threshold of each."""

    def refractory_ms_for(self, keyword: str) -> int:
        """Within which `keyword`, composed, is not reported again."""
        return (self.refractory_ms_of or {}).get(keyword, self.refractory_ms)


@dataclass(frozen=True)
class SessionSettings:
    """How the sessions of a model are set.

    Attributes:
        detector: how scored windows become detections.
        endpointing: when speech begins and ends.
    """

    detector: DetectorSettings = field(default_factory=DetectorSettings)
    endpointing: EndpointingSettings = field(default_factory=EndpointingSettings)


class Recipe(_Section):
    """Everything that decides what a checkpoint will be, but the data."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of every random draw: the clips that `--shots` draws, folds, variation, and the order of tuning."""
    encoder: EncoderSettings = EncoderSettings()
    clip: ClipSettings = ClipSettings()
    augment: AugmentSettings = AugmentSettings()
    head: HeadSettings = HeadSettings()
    tune: TuneSettings = TuneSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    endpointing: EndpointingSettings = EndpointingSettings()
    detector: DetectorSettings = DetectorSettings()

    @property
    def session(self) -> SessionSettings:
        """The settings of the sessions that a model of this recipe serves."""
        return SessionSettings(self.detector, self.endpointing)

    def without_keywords(self, words: Iterable[str]) -> Recipe:
        """The same recipe, with nothing that is set for these words."""
        dropped = frozenset(words)
        kept = {word: ms for word, ms in (self.detector.refractory_ms_of or {}).items() if word not in dropped}
        detector = self.detector.model_copy(update={"refractory_ms_of": kept or None})
        return self.model_copy(update={"detector": detector})

    def to_toml(self) -> str:
        """This recipe as TOML; a setting that is not set is left out."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))
