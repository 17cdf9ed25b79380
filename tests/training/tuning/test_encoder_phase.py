"""The encoder phase: what it moves, that it is the same however it is cut up or interrupted, and what stops it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from speechtune.data.sets.clips import Clip
from speechtune.errors import ConfigError, TrainingDivergedError
from speechtune.labels import LabelSet
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.recipe import Recipe, TuneSettings
from speechtune.training import method as methods
from speechtune.training.method import choose_method
from speechtune.training.stages import silent
from speechtune.training.tuning.batches import TuningBatches
from speechtune.training.tuning.divergence import LossWatch
from speechtune.training.tuning.early_stopping import BestWeights, hold_out
from speechtune.training.tuning.encoder_phase import Surroundings, tune_encoder
from speechtune.training.tuning.resume import SavedState
from speechtune.training.tuning.run import average_into
from speechtune.training.tuning.tuned_parameters import choose_parameters
from tests.support.clips import named_clip, word_like
from tests.support.encoders import noise_windows, random_classifier, random_encoder
from tests.support.training import training_set

CPU = torch.device("cpu")
LABELS = {"yes": 4, "no": 4, "cat": 3, "dog": 3, "bird": 3, "tree": 3, "house": 3}


def recipe(**tune: Any) -> Recipe:
    small = {"augment": {"copies": 4}, "silence_clips": 4, "batch_clips": 8, "precision": "float32"}
    return Recipe.model_validate({"seed": 3, "tune": {"learning_rate": 1e-3} | small | tune})


def classifier_with_decoder() -> KeywordClassifier:
    torch.manual_seed(1)
    encoder = random_encoder("whisper", decoder=True)
    return KeywordClassifier(
        encoder, LabelSet(("yes", "no"), ("cat",)), 16_000, layers=(2, 3), uses_decoder=True
    ).eval()


def batches(settings: Recipe, num_clips: int = 12) -> TuningBatches:
    classifier = classifier_with_decoder()
    names = [classifier.labels.classes[number % 3] for number in range(num_clips)]
    read = training_set(classifier.labels, names, [word_like(seed) for seed in range(num_clips)])
    return TuningBatches(read, np.arange(num_clips), classifier, settings)


def around(saved: SavedState | None = None, **more: Any) -> Surroundings:
    return Surroundings(
        **{"device": CPU, "validate": None, "saved": saved, "log_folder": None, "progress": silent} | more
    )


def changed(before: dict[str, torch.Tensor], after: KeywordClassifier) -> set[str]:
    return {name for name, value in after.state_dict().items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize("method", ["full", "top", "lora"])
def test_what_the_method_names_moves_and_nothing_else_does(method: Any) -> None:
    classifier = classifier_with_decoder()
    before = copy.deepcopy(classifier.state_dict())
    settings = recipe(top_layers=1)
    tuned = tune_encoder(classifier, batches(settings), method, settings, around())
    moved = changed(before, classifier)
    assert set(before) == set(classifier.state_dict())
    assert np.isfinite(tuned.losses).all()
    layers = {name.split(".")[3] for name in moved if name.startswith("encoder.model.layers")}
    assert layers == ({"2"} if method == "top" else {"0", "1", "2"})
    assert ("encoder.model.layer_norm.weight" in moved) == (method != "lora")
    assert {"head.linears.0.weight", "head.linears.2.bias"} <= moved
    frozen = ("encoder.model.conv", "encoder.model.embed_positions", "encoder.first_word", "head.mean")
    assert not [name for name in moved if name.startswith(frozen)]


def test_every_weight_that_is_to_be_trained_gets_a_gradient() -> None:
    classifier = classifier_with_decoder()
    groups = choose_parameters(classifier, "full", TuneSettings())
    torch.stack(classifier.head.block_logits(classifier.embed(noise_windows(2)))).square().sum().backward()
    assert all(parameter.grad is not None for group in groups for parameter in group.parameters)
    assert not [name for name, p in classifier.named_parameters() if p.grad is not None and not p.requires_grad]


def test_lower_layers_learn_more_slowly_where_that_is_asked() -> None:
    groups = choose_parameters(classifier_with_decoder(), "full", TuneSettings(learning_rate=0.1, layer_decay=0.5))
    assert [group.learning_rate for group in groups[1:4]] == pytest.approx([0.1, 0.05, 0.025])


def test_layers_that_nobody_reads_are_left_alone() -> None:
    classifier = random_classifier(layers=(1,))
    choose_parameters(classifier, "full", TuneSettings())
    learning = {name for name, parameter in classifier.named_parameters() if parameter.requires_grad}
    assert {name.split(".")[3] for name in learning if name.startswith("encoder")} == {"0"}
    with pytest.raises(ConfigError, match=r"tune\.top_layers: 2"):
        choose_parameters(classifier, "top", TuneSettings(top_layers=2))


def test_a_batch_in_parts_gives_the_gradient_of_the_whole() -> None:
    ends = []
    for accumulate in (1, 4):
        classifier, settings = classifier_with_decoder(), recipe(accumulate=accumulate)
        tune_encoder(classifier, batches(settings), "full", settings, around())
        ends.append(classifier.state_dict())
    for name, value in ends[0].items():
        torch.testing.assert_close(value, ends[1][name], rtol=0, atol=2e-4)


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_killed_run_goes_on_to_the_same_last_bit(tmp_path: Path, method: Any) -> None:
    settings = recipe(save_every=2)
    whole = classifier_with_decoder()
    expected = tune_encoder(whole, batches(settings), method, settings, around())

    def kill(stage: str, done: int, total: int) -> None:
        if done == 5:
            raise _KilledError

    saved = SavedState(tmp_path / "state", "this run")
    with pytest.raises(_KilledError):
        tune_encoder(classifier_with_decoder(), batches(settings), method, settings, around(saved, progress=kill))
    again = classifier_with_decoder()
    tuned = tune_encoder(again, batches(settings), method, settings, around(saved))
    assert tuned.resumed_at == 4
    assert tuned.losses == expected.losses
    assert not changed(whole.state_dict(), again)


def test_a_state_of_another_run_is_not_gone_on_from(tmp_path: Path) -> None:
    SavedState(tmp_path / "state", "one").save({"step": 1})
    assert SavedState(tmp_path / "state", "other").load() is None
    assert SavedState(tmp_path / "state", "one").load() == {"step": 1}
    (tmp_path / "state").write_bytes(b"cut off")
    with pytest.raises(ConfigError, match="delete it to start anew"):
        SavedState(tmp_path / "state", "one").load()


def test_the_best_judged_weights_are_kept_and_patience_ends_training() -> None:
    scores = iter([0.5, 0.9, 0.8, 0.7, 0.6, 0.5])
    kept: list[torch.Tensor] = []

    def validate(classifier: KeywordClassifier) -> float:
        kept.append(classifier.head.linears[0].weight.detach().clone())  # type: ignore[operator]
        return next(scores)

    settings = recipe(judge_every=1, patience=2)
    classifier = classifier_with_decoder()
    tuned = tune_encoder(classifier, batches(settings), "full", settings, around(validate=validate))
    assert (tuned.best_step, tuned.best_score, len(tuned.losses)) == (2, 0.9, 4)
    assert torch.equal(classifier.head.linears[0].weight, kept[1])


def test_equal_validations_keep_the_first() -> None:
    best = BestWeights([torch.nn.Parameter(torch.zeros(1))], patience=1)
    best.note(1, 0.5)
    best.note(2, 0.5)
    assert (best.step, best.is_stale) == (1, True)


def test_a_learning_rate_that_is_far_too_high_is_named() -> None:
    settings = recipe(learning_rate=1.0, head_learning_rate=1.0, clip_norm=1000.0, augment={"copies": 12})
    with pytest.raises(TrainingDivergedError, match=r"tune encoder, step \d+: .*tune.learning_rate"):
        tune_encoder(classifier_with_decoder(), batches(settings, 24), "full", settings, around())


def test_a_loss_that_is_no_number_is_named_at_its_step() -> None:
    with pytest.raises(TrainingDivergedError, match="tune encoder, step 7: the loss is nan"):
        LossWatch("tune encoder", ("a", "b")).check(7, float("nan"), [0], [0])


def test_a_loss_that_blows_up_is_told_from_one_that_wavers() -> None:
    watch = LossWatch("tune encoder", ("a", "b"))
    for step, loss in enumerate([1.0, 1.5, 0.5, 2.0, 0.2]):
        watch.check(step, loss, [0, 1], [0, 1])
    watch.check(5, 3.0, [0, 1], [0, 1])
    with pytest.raises(TrainingDivergedError, match="step 6: the loss rose from 1 to"):
        watch.check(6, 20.0, [0, 1], [0, 1])


def test_one_class_that_takes_all_is_collapse_unless_the_clips_are_so() -> None:
    fine = LossWatch("tune encoder", ("a", "b"))
    for step in range(20):
        fine.check(step, 1.0, [0] * 10, [0] * 9 + [1])
    watch = LossWatch("tune encoder", ("a", "b"))
    for step in range(9):
        watch.check(step, 1.0, [1] * 10, [0] * 6 + [1] * 4)
    with pytest.raises(TrainingDivergedError, match="collapsed: 100% of all clips are called 'b'"):
        watch.check(9, 1.0, [1] * 10, [0] * 6 + [1] * 4)


def test_averaging_keeps_equal_weights_to_the_bit() -> None:
    tuned = {"moved": torch.tensor([1.0]), "same": torch.tensor([0.1]), "count": torch.tensor([3])}
    average_into(tuned, {"moved": torch.tensor([0.0]), "same": torch.tensor([0.1]), "count": torch.tensor([3])}, 0.6)
    assert tuned["moved"].item() == pytest.approx(0.4)
    assert torch.equal(tuned["same"], torch.tensor([0.1]))


def test_speakers_and_whole_negative_words_are_held_out() -> None:
    clips = [named_clip(n, label, speaker=f"s{n % 10}") for label in ("yes", "no") for n in range(30)]
    clips += [named_clip(n, f"word{n % 10}", speaker=f"s{n % 7}") for n in range(30)]
    labels = LabelSet(("yes", "no"), tuple(sorted({c.label for c in clips} - {"yes", "no"})))
    held = hold_out(training_set(labels, clips), 0.3, seed=1)

    def groups(which: bool, keywords: bool) -> set[str | None]:
        chosen = [
            c for c, out in zip(clips, held, strict=True) if out == which and (c.label in labels.keywords) == keywords
        ]
        return {c.speaker if keywords else c.label for c in chosen}

    assert groups(True, True)
    assert not groups(True, True) & groups(False, True)
    assert not groups(True, False) & groups(False, False)


@pytest.mark.parametrize(("num_clips", "tuning"), [(1, None), (10, "full")])
def test_auto_chooses_by_the_number_of_clips_and_says_why(num_clips: int, tuning: str | None) -> None:
    clips: list[Clip] = [named_clip(n, label) for label in ("yes", "no") for n in range(num_clips)]
    method = choose_method(TuneSettings(method="auto"), clips, LabelSet(("yes", "no"), ()))
    assert method.tuning == tuning
    assert f"{num_clips} clips a keyword" in str(method.reason)
    assert tuning is None or "seven to eight times the work" in str(method.reason)


@pytest.mark.filterwarnings("ignore:.log_with=mlflow. was passed")  # it is not installed here, and does not run
def test_a_tracker_that_cannot_start_is_a_setting_at_fault_and_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("its store\nis in maintenance")  # as mlflow does of a folder

    monkeypatch.setattr(methods, "_is_installed", lambda package: package == "mlflow")
    monkeypatch.setattr(Accelerator, "init_trackers", refuse)
    chosen = recipe(tracker="mlflow")
    with pytest.raises(ConfigError, match=r"tune\.tracker: mlflow cannot be started \(its store is in maintenance\)"):
        tune_encoder(classifier_with_decoder(), batches(chosen), "full", chosen, around())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "float16"}, "tune.precision: float16 needs a GPU"),
        ({"tracker": "wandb"}, "tune.tracker: wandb is not installed"),
        ({"accumulate": 3}, "tune.batch_clips: 8 clips do not divide"),
        ({"augment": {"copies": 0}, "silence_clips": 0}, "tune.augment.copies: 0 of 12 clips"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(settings: dict[str, Any], message: str) -> None:
    chosen = recipe(**settings)
    with pytest.raises(ConfigError, match=message):
        tune_encoder(classifier_with_decoder(), batches(chosen), "full", chosen, around())
