"""The main job from end to end, with no microphone and no network.

A small command set is synthesised in many voices, some of which are kept for the test. Or one's own clips (a folder for
each command) are split by speaker; where speakers are not known, by clip, and it says so. Then: fine-tune, evaluate,
serve, stream a recording with commands inside sentences, compare with the truth.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from speechtune.audio.files import read_audio, write_flac
from speechtune.audio.timebase import seconds_from_samples
from speechtune.data.choice.splits import SplitFractions, split_by_speaker
from speechtune.data.sets.clips import Clip, ClipSet, content_hash, read_clip
from speechtune.data.sets.loading import load_clips
from speechtune.data.sets.manifest import MANIFEST_NAME, write_manifest
from speechtune.data.synthesis.planting import Planted, plant_commands
from speechtune.data.synthesis.synthetic_sets import plan_lines, split_voices, synthesize_set
from speechtune.data.synthesis.voices import synthesize
from speechtune.errors import ModelUnavailableError, UnsplittableError
from speechtune.evaluation.streams.matching import SpokenWord
from speechtune.evaluation.streams.truth import write_truth
from speechtune.labels import RESERVED, UNKNOWN
from speechtune.record.prompts import OTHER_WORDS

COMMANDS = ("start", "stop", "louder", "softer", "lights on", "lights off")

SENTENCES = (
    "we went for a walk along the river because the weather was so fine",
    "the train to the coast leaves from another platform this morning",
    "my neighbour has been painting his garden fence for almost a week",
    "she told us a long story about a journey through the mountains",
    "there is some soup in the kitchen if anybody is still hungry",
    "the museum is closed today but the library will be open until six",
    "nobody could remember where the old photographs had been put",
    "after the concert they had dinner in a small place by the harbour",
)
TRAINING_SENTENCES = (
    "in the evening the children played behind the old school house",
    "please remind me to send a letter to my aunt before the weekend",
    "the farmer sold most of his apples at the market in the village",
    "they could not agree about the colour of the curtains in the hall",
    "every summer a great many visitors come to look at the castle",
    "he has written a book about the history of bridges and tunnels",
)
"""Speech that holds no command, to be cut into words and learnt from; none of it is in `SENTENCES`."""
_SHOTS = 10
_TOLERANCE_SECONDS = 0.5
_SERVER_START_SECONDS = 180
_SERVER_STOP_SECONDS = 30
_NUM_PLANTED = 12
_TEST_SHARE = 3


@dataclass(frozen=True)
class DemoData:
    """Where the sets of one run are: training and test, and speech that holds no command."""

    train: Path
    test: Path
    negatives: Path
    keywords: tuple[str, ...]


def run(out: Path, own: Path | None) -> int:
    """Run every stage, and print what it does.

    Args:
        out: folder for everything that is made.
        own: clips of the user, a folder for each command; None: they are synthesised.

    Returns:
        0 if every stage worked, else the exit code of the one that did not, which has said why.

    Raises:
        ConfigError, DataError, AudioError: the clips cannot be read, or nothing can be synthesised.
        ModelUnavailableError: the server did not start.
    """
    try:
        _run(out, own)
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


def _run(out: Path, own: Path | None) -> None:
    out.mkdir(parents=True, exist_ok=True)
    data = _own_data(out, own) if own is not None else _synthesised_data(out)
    checkpoint = out / "checkpoint"
    _say("2/6 fine-tune a pretrained encoder on the training voices")
    keywords, negatives = ["--keywords", ",".join(data.keywords)], ["--negatives", str(data.negatives)]
    _speechtune("finetune", str(data.train), "--out", str(checkpoint), *keywords, *negatives)
    _say("3/6 evaluate on the test voices")
    synthetic = ["--synthetic"] if own is None else []
    _speechtune("evaluate", str(checkpoint), str(data.test), "--out", str(out / "evaluation"), *synthetic)
    _say("4/6 plant commands of the test voices inside sentences")
    recording, truth = _plant(out, data)
    _say("5/6 serve the checkpoint over gRPC")
    with _Server(checkpoint) as address:
        _say(f"6/6 stream the recording to {address}, as a device would")
        found = _stream(recording, address)
    _compare(truth, found)


def _say(stage: str) -> None:
    print(f"\n== {stage}", flush=True)


def _speechtune(*arguments: str) -> None:
    print("$ speechtune " + " ".join(arguments), flush=True)
    subprocess.run([sys.executable, "-m", "speechtune", *arguments], check=True)


def _synthesised_data(out: Path) -> DemoData:
    _say(f"1/6 synthesise {len(COMMANDS)} commands and other words in many voices, test voices apart")
    sides = zip(("train", "test"), split_voices(), (_SHOTS, _SHOTS), strict=True)
    for name, speakers, takes in sides:
        clip_set = synthesize_set(_renewed(out / name), plan_lines(COMMANDS, OTHER_WORDS, takes), speakers, seed=0)
        print(f"{clip_set.root}: {len(clip_set.clips)} clips, {len(clip_set.speakers)} voices")
    return DemoData(out / "train", out / "test", _sentences(out / "negatives"), COMMANDS)


def _renewed(folder: Path) -> Path:
    """Remove the set that an earlier run made; one that holds a recorded clip stays, and is refused."""
    if (folder / MANIFEST_NAME).is_file() and all(clip.synthetic for clip in load_clips(folder).clips):
        shutil.rmtree(folder)
    return folder


def _sentences(folder: Path) -> Path:
    voices = split_voices()[0]
    for index, text in enumerate(TRAINING_SENTENCES):
        path = folder / UNKNOWN / f"sentence-{index}.flac"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_flac(path, synthesize(text, voices[index * 5 % len(voices)]))
    return folder


def _own_data(out: Path, folder: Path) -> DemoData:
    _say(f"1/6 split {folder} into training and test clips")
    clip_set = load_clips(folder)
    keywords = tuple(label for label in clip_set.labels if label not in RESERVED)
    try:
        splits = split_by_speaker(clip_set.clips, SplitFractions(0.67, 0.0, 0.33), seed=0)
        train, test, claim = splits.train, splits.test, splits.claim
    except UnsplittableError as error:
        print(f"note: {error}")
        kept = {clip for clip in clip_set.clips if int(content_hash(clip.path)[:8], 16) % _TEST_SHARE == 0}
        train = tuple(clip for clip in clip_set.clips if clip not in kept)
        test = tuple(clip for clip in clip_set.clips if clip in kept)
        claim = "clips of the same people on both sides: the scores hold for these voices alone"
    print(f"{len(train)} clips to train on, {len(test)} to test on; {claim}")
    for name, clips in (("train", train), ("test", test)):
        write_manifest(out / f"{name}.jsonl", replace(clip_set, clips=clips))
    negatives = _renewed(out / "own-negatives")
    others = [line for line in plan_lines(keywords, OTHER_WORDS, _SHOTS) if line.label not in keywords]
    synthesize_set(negatives, others, split_voices()[0], seed=0)
    return DemoData(out / "train.jsonl", out / "test.jsonl", _sentences(negatives), keywords)


def _plant(out: Path, data: DemoData) -> tuple[Path, tuple[Planted, ...]]:
    clips = _turn_by_turn(load_clips(data.test), data.keywords)
    test_voices = split_voices()[1]
    sentences = [synthesize(text, test_voices[index * 7 % len(test_voices)]) for index, text in enumerate(SENTENCES)]
    recording, truth = plant_commands([(clip.label, read_clip(clip)) for clip in clips], sentences, seed=0)
    path = out / "recording.flac"
    write_flac(path, recording)
    words = (SpokenWord(planted.label, planted.start_sample, planted.end_sample) for planted in truth)
    write_truth(out / "recording.txt", words)
    print(f"{path}: {seconds_from_samples(len(recording)):.0f} s, {len(truth)} commands")
    return path, truth


def _turn_by_turn(clip_set: ClipSet, keywords: Sequence[str]) -> list[Clip]:
    rng = np.random.default_rng(0)
    chosen: list[Clip] = []
    for index in range(_NUM_PLANTED):
        clips = clip_set.with_label(keywords[index % len(keywords)])
        if clips:
            chosen.append(clips[int(rng.integers(len(clips)))])
    return chosen


class _Server:
    """`speechtune serve` as a process of its own, on a free port of this machine."""

    def __init__(self, checkpoint: Path) -> None:
        command = [sys.executable, "-m", "speechtune", "serve", str(checkpoint), "--address", "127.0.0.1:0"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> str:
        start = time.monotonic()
        # Killed, the process ends its output, and with it the loop below.
        overdue = threading.Timer(_SERVER_START_SECONDS, self._process.kill)
        overdue.start()
        try:
            for line in self._process.stderr or ():
                if found := re.search(r"127\.0\.0\.1:\d+", line):
                    print(f"listening on {found[0]} after {time.monotonic() - start:.1f} s")
                    return found[0]
        finally:
            overdue.cancel()
        self._process.kill()
        raise ModelUnavailableError("the server did not start; run speechtune serve by hand to see why")

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=_SERVER_STOP_SECONDS)
        print(f"server stopped on SIGTERM with exit code {self._process.returncode}")


def _stream(recording: Path, address: str) -> list[tuple[str, float, float]]:
    from speechtune_client import CommandClient, Detection

    samples = read_audio(recording)
    pcm = np.round(samples * 32767).astype("<i2").tobytes()
    chunks = (pcm[start : start + 3200] for start in range(0, len(pcm), 3200))
    with CommandClient(address) as client:
        return [
            (event.label, event.start_offset, event.end_offset)
            for event in client.stream(chunks)
            if isinstance(event, Detection)
        ]


def _compare(truth: Sequence[Planted], found: Sequence[tuple[str, float, float]]) -> None:
    """Print what was said beside what was heard, in the order of time."""
    left = list(found)
    num_right = 0
    print(f"\n{'said':<14}{'at':>8}   {'heard':<14}{'at':>8}")
    for planted in truth:
        start, end = seconds_from_samples(planted.start_sample), seconds_from_samples(planted.end_sample)
        near = [hit for hit in left if hit[1] < end + _TOLERANCE_SECONDS and hit[2] > start - _TOLERANCE_SECONDS]
        heard = near[0] if near else None
        if heard is not None:
            left.remove(heard)
        num_right += heard is not None and heard[0] == planted.label
        shown = f"{heard[0]:<14}{heard[1]:>7.2f}s" if heard else "–"
        print(f"{planted.label:<14}{start:>7.2f}s   {shown}")
    for label, start, _ in left:
        print(f"{'–':<14}{'':>8}   {label:<14}{start:>7.2f}s  false")
    print(f"\n{num_right} of {len(truth)} commands heard, {len(left)} false detections")
