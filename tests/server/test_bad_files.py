"""A hundred bad files through every path that reads audio: the same verdict, the same samples, the same notes."""

from __future__ import annotations

import asyncio
import json

import grpc
import numpy as np
import pytest

from speechtune.audio.files import read_sound
from speechtune.cli.app import run
from speechtune.data.inspection.inspect import inspect_clips
from speechtune.data.sets.clips import Clip, ClipSet
from speechtune.errors import AudioError
from speechtune.evaluation.clips.scoring import answer_clips
from speechtune.models.checkpoints.checkpoint import save_checkpoint
from speechtune.training.material.clip_audio import ClipAudio
from speechtune.training.stages import silent
from speechtune_client.v1 import command_recognition_pb2 as pb
from tests.support.bad_files import bad_files
from tests.support.encoders import random_checkpoint
from tests.support.serving import audio, config, responses, running_server, stub_of
from tests.support.streaming import PitchScorer

FILES = bad_files()
SUFFIXES = {"WAV": ".wav", "FLAC": ".flac", "OGG_OPUS": ".opus"}
ANOTHER_FORM = {"flac that is a wav", "opus that is a wav", "wav that is a flac"}
"""Nobody tells a file's reader what it should be."""


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    found = {}
    for number, (name, (form, content)) in enumerate(FILES.items()):
        found[name] = folder / f"{number}{SUFFIXES[form]}"
        found[name].write_bytes(content)
    return found


@pytest.fixture(scope="module")
def verdicts(paths):
    """What the library says: the notes of what is read, None of what is refused."""
    found = {}
    for name, path in paths.items():
        try:
            found[name] = read_sound(path).notes
        except AudioError as error:
            found[name] = None if str(path) in str(error) else (f"names no file: {error}",)
    return found


def differing(verdicts, others):
    return {
        name: (verdicts[name], other) for name, other in others.items() if without(verdicts[name]) != without(other)
    }


def without(notes):
    """Notes without what a live stream has to say before it knows the whole: which of two equal channels is louder."""
    return notes and tuple(str(note).partition("their mean is")[0] for note in notes)


def test_there_are_enough_of_both_kinds(verdicts):
    assert len(verdicts) >= 80
    assert sum(notes is None for notes in verdicts.values()) >= 30
    assert sum(bool(notes) for notes in verdicts.values()) >= 15


def test_recognize_on_the_command_line_says_the_same(verdicts, paths, tmp_path, capsys):
    save_checkpoint(random_checkpoint(), tmp_path / "m")
    assert run(["recognize", str(tmp_path / "m"), *map(str, paths.values())]) == 2
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    said = [None if "error" in line else tuple(line.get("notes", ())) for line in lines]
    assert differing(verdicts, dict(zip(paths, said, strict=True))) == {}


def test_inspect_finetune_and_evaluate_say_the_same(verdicts, paths):
    clips = {name: Clip(path, "yes") for name, path in paths.items()}
    reports = inspect_clips(ClipSet(paths["wav cut at 0"].parent, tuple(clips.values()))).clips
    inspected, trained, evaluated = {}, {}, {}
    for name, report in zip(clips, reports, strict=True):
        found = [finding for finding in report.findings if finding.kind in ("unreadable", "not_as_it_says")]
        is_read = not any(finding.kind == "unreadable" for finding in found)
        inspected[name] = tuple(finding.detail for finding in found) if is_read else None
        trained[name] = evaluated[name] = verdicts[name]
        for said, read in (
            (trained, lambda clip: ClipAudio([clip], silent)),
            (evaluated, lambda clip: answer_clips(PitchScorer(), [clip])),
        ):
            try:
                read(clips[name])
                assert verdicts[name] is not None, name
            except AudioError:
                said[name] = None
    assert differing(verdicts, inspected) == {}
    assert differing(verdicts, trained) == differing(verdicts, evaluated) == {}


def _refused(error):
    return None if error.code() is grpc.StatusCode.INVALID_ARGUMENT else (error.code(), error.details())


async def _served(names):
    unary, streamed = {}, {}
    async with running_server() as server, stub_of(server) as stub:
        for name in names:
            form, content = FILES[name]
            spec = pb.AudioSpec(encoding=pb.AudioEncoding.Value(form))
            try:
                response = await stub.Recognize(pb.RecognizeRequest(audio=spec, content=content))
                unary[name] = tuple(response.notes)
            except grpc.aio.AioRpcError as error:
                unary[name] = _refused(error)
            try:
                # At once: who is refused between two messages may not be told why.
                answers = await responses(stub, [config(audio=spec), audio(content)])
                streamed[name] = tuple(answers[-1].ended.statistics.notes)
            except grpc.aio.AioRpcError as error:
                streamed[name] = _refused(error)
    return unary, streamed


def test_clips_and_streams_of_a_server_say_the_same(verdicts):
    pytest.importorskip("av", reason="streams of FLAC and Opus need PyAV (pip install 'speechtune[media]')")
    unary, streamed = asyncio.run(asyncio.wait_for(_served(FILES), 60))
    expected = verdicts | dict.fromkeys(ANOTHER_FORM)
    assert differing(expected, unary) == {}
    assert differing(expected, streamed) == {}


def test_every_path_reads_the_same_number_of_samples_of_what_is_read(verdicts, paths):
    read = [name for name in verdicts if verdicts[name] is not None]
    lengths = {name: len(read_sound(paths[name]).samples) for name in read}
    clips = ClipAudio([Clip(paths[name], "yes") for name in read], silent)
    assert [len(samples) for samples in clips] == list(lengths.values())
    assert min(lengths.values()) >= 1
    assert np.median(list(lengths.values())) == 14_000
