"""Keeping hits: what is kept, within which bounds, and that no disk ever harms recognition."""

from __future__ import annotations

import errno
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from speechtune.audio.files import read_audio
from speechtune.errors import ConfigError, ManifestError
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_server.hits.files import Hit, read_hits, remove_hit, stored_ids, write_hit
from speechtune_server.hits.keeper import HitKeeper
from tests.support.keys import RECOGNISE, key_file
from tests.support.serving import (
    COMMANDS,
    COMMANDS_CONTENT,
    DIGEST,
    asynchronous,
    audio,
    config,
    detections,
    responses,
    running_server,
    stub_of,
    until,
)
from tests.support.streaming import PitchScorer, cut, linear16, quiet, tone

NEAR_MISS = np.concatenate([quiet(9_000), 0.6 * tone(250, 6_000) + tone(1600, 6_000), quiet(9_000)])


def hit(number=1, when="20260101T000000"):
    return Hit(
        id=f"{when}-{number:016x}", kind="detection", label="low", confidence=0.9, threshold=0.5, start=1.0, end=1.5,
        audio_start=0.8, model="home", model_digest=DIGEST, session_id="s",
    )  # fmt: skip


class NotSure(PitchScorer):
    """A keyword is always its best guess, and seldom a good one."""

    def score(self, windows):
        found = super().score(windows)
        found[:, 2] *= 0.3
        return found / found.sum(axis=1, keepdims=True)


@asynchronous
async def test_the_audio_around_every_detection_is_kept_with_its_scores(tmp_path):
    tokens = key_file(tmp_path / "keys.toml", kitchen=(RECOGNISE, None))
    settings = {"keep_hits": tmp_path / "hits", "keys": tmp_path / "keys.toml"}
    async with running_server(**settings) as server, stub_of(server) as stub:
        requests = iter([config(session_id="s-1"), *map(audio, cut(COMMANDS_CONTENT, [1_001] * 100))])
        metadata = (("authorization", f"Bearer {tokens['kitchen']}"),)
        found = detections([answer async for answer in stub.StreamingRecognize(requests, metadata=metadata)])
    kept = list(read_hits(tmp_path / "hits"))
    assert [one.label for one, _ in kept] == [one.label for one in found] == ["low", "high"]
    for (one, file), sent in zip(kept, found, strict=True):
        assert (one.kind, one.session_id, one.key, one.model_digest) == ("detection", "s-1", "kitchen", DIGEST)
        assert one.confidence == pytest.approx(sent.confidence, abs=1e-5)
        assert one.alternatives[0].label == sent.alternatives[0].label
        start = round(one.audio_start * 16_000)
        samples = read_audio(file)
        np.testing.assert_allclose(samples, COMMANDS[start : start + len(samples)], atol=1e-4)
        assert one.audio_start < one.start < one.end <= one.audio_start + len(samples) / 16_000 + 1e-6
    assert (tmp_path / "hits").stat().st_mode & 0o077 == 0


@asynchronous
async def test_a_near_miss_is_kept_and_an_ordinary_rejection_is_not(tmp_path):
    async with running_server(NotSure(), keep_hits=tmp_path) as server, stub_of(server) as stub:
        rules = [pb.CommandRule(label=label, threshold=0.99) for label in ("low", "high")]
        await responses(stub, [config(commands=rules), audio(linear16(NEAR_MISS))])
        await responses(
            stub, [config(commands=rules), audio(linear16(np.concatenate([quiet(9_000), tone(3000, 6_000)])))]
        )
    ((kept, _),) = read_hits(tmp_path)
    assert (kept.kind, kept.label, kept.key) == ("near miss", "low", "")
    assert kept.confidence < kept.threshold == pytest.approx(0.99)


@asynchronous
async def test_audio_at_another_rate_is_kept_at_16_khz_and_clips_keep_nothing(tmp_path):
    slow = linear16(COMMANDS[::2])
    spec = pb.AudioSpec(encoding=pb.LINEAR16, sample_rate_hertz=8_000, channels=1)
    async with running_server(keep_hits=tmp_path) as server, stub_of(server) as stub:
        await stub.Recognize(pb.RecognizeRequest(audio=spec, content=slow))
        assert stored_ids(tmp_path) == []
        await responses(stub, [config(audio=spec), audio(slow)])
    (low, file), _ = read_hits(tmp_path)
    assert len(read_audio(file)) / 16_000 == pytest.approx(low.end - low.audio_start + 0.2, abs=0.05)


@asynchronous
async def test_nothing_is_kept_unless_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with running_server() as server, stub_of(server) as stub:
        await responses(stub, [config(), audio(COMMANDS_CONTENT)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOSPC, "No space left on device"), MemoryError(), RuntimeError("x")]
)
@asynchronous
async def test_a_full_disk_changes_nothing_of_what_is_recognised(tmp_path, failure, caplog):
    attempts = []

    def write(folder, one, samples):
        attempts.append(one)
        raise failure

    async with running_server(keep_hits=tmp_path) as server, stub_of(server) as stub:
        server._hits._write = write
        for _ in range(3):
            answers = await responses(stub, [config(), audio(COMMANDS_CONTENT)])
            assert [one.label for one in detections(answers)] == ["low", "high"]
        await until(lambda: server._hits.num_dropped == 6)
    assert len(attempts) < 6  # the disk is left alone for a while
    assert "cannot be kept" in caplog.text
    assert stored_ids(tmp_path) == []


@asynchronous
async def test_a_disk_that_hangs_holds_nobody_up(tmp_path):
    may_go = threading.Event()

    def write(folder, one, samples):
        assert may_go.wait(20)
        return write_hit(folder, one, samples)

    async with running_server(keep_hits=tmp_path) as server, stub_of(server) as stub:
        server._hits._write = write
        for _ in range(40):
            answers = await responses(stub, [config(), audio(COMMANDS_CONTENT)])
            assert len(detections(answers)) == 2
        assert server._hits.num_dropped == 80 - 64  # what waits is bounded
        may_go.set()
        await until(lambda: server._hits.num_kept == 64)


def test_the_folder_stays_within_its_bytes_and_the_oldest_goes_first(tmp_path):
    (tmp_path / "probe").mkdir()
    size = write_hit(tmp_path / "probe", hit(), quiet(8_000))
    keeper = HitKeeper(tmp_path / "hits", 3 * size + 10, 1e9)
    for number in range(1, 8):
        keeper.keep(hit(number), quiet(8_000))
    keeper.close()
    assert stored_ids(tmp_path / "hits") == [hit(number).id for number in (5, 6, 7)]


def test_a_limit_smaller_than_any_hit_keeps_none_and_fails_nothing(tmp_path):
    keeper = HitKeeper(tmp_path, 100, 1e9)
    keeper.keep(hit(), quiet(8_000))
    keeper.close()
    assert (stored_ids(tmp_path), keeper.num_dropped) == ([], 0)


def test_old_hits_are_removed_also_those_of_an_earlier_server_and_others_files_stay(tmp_path):
    write_hit(tmp_path, hit(1, "20200101T000000"), quiet(800))
    write_hit(tmp_path, hit(2, "20260101T000000"), quiet(800))
    (tmp_path / "20200101T000000-0000000000000009.flac").write_bytes(b"what a crash left")
    (tmp_path / "notes.json").write_text("{}")
    now = 1_767_312_000.0  # 2 January 2026
    keeper = HitKeeper(tmp_path, 1 << 20, 7 * 86_400.0, now=lambda: now)
    keeper.close()
    assert stored_ids(tmp_path) == [hit(2, "20260101T000000").id]
    assert (tmp_path / "notes.json").exists()


def test_a_write_that_fails_half_way_leaves_nothing_behind(tmp_path, monkeypatch):
    from speechtune_server.hits import files as hit_file

    def fails(path, content, mode):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hit_file, "write_whole", fails)
    with pytest.raises(OSError, match="No space"):
        write_hit(tmp_path, hit(), quiet(800))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_used_is_told_at_the_start(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="keep_hits"):
        HitKeeper(tmp_path / "file", 1_000, 1.0)


def test_a_line_that_no_server_wrote_is_named(tmp_path):
    write_hit(tmp_path, hit(), quiet(800))
    line = next(tmp_path.glob("*.json"))
    line.write_text(json.dumps(json.loads(line.read_text()) | {"id": "../../etc"}))
    with pytest.raises(ManifestError, match=line.name):
        list(read_hits(tmp_path))
    with pytest.raises(ManifestError, match="keep-hits"):
        list(read_hits(Path(tmp_path / "none")))


def test_two_keepers_of_one_folder_do_not_trip_over_each_other(tmp_path):
    keepers = [HitKeeper(tmp_path, 5_000, 1e9) for _ in range(2)]
    for number in range(1, 20):
        keepers[number % 2].keep(hit(number), quiet(8_000))
    for keeper in keepers:
        keeper.close()
        assert keeper.num_dropped == 0


def test_a_clock_that_is_set_back_lets_nobody_wait_longer_after_a_failure(tmp_path):
    times = {"now": 1_767_312_000.0, "elapsed": 5.0}

    def write(folder, one, samples):
        if one == hit(1):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_hit(folder, one, samples)

    keeper = HitKeeper(tmp_path, 1 << 20, 1e9, write, lambda: times["now"], lambda: times["elapsed"])
    keeper.keep(hit(1), quiet(800))
    while not keeper.num_dropped:
        time.sleep(0.001)
    times["now"] -= 3_600.0
    keeper.keep(hit(2), quiet(800))
    times["elapsed"] += 11.0
    keeper.keep(hit(3), quiet(800))
    keeper.close()
    assert stored_ids(tmp_path) == [hit(3).id]
    assert keeper.num_dropped == 2


def test_what_was_reviewed_takes_no_room_and_nothing_goes_for_it(tmp_path):
    (tmp_path / "probe").mkdir()
    size = write_hit(tmp_path / "probe", hit(), quiet(8_000))
    keeper = HitKeeper(tmp_path / "hits", 3 * size + 10, 1e9)
    for number in (1, 2, 3):
        keeper.keep(hit(number), quiet(8_000))
    while keeper.num_kept < 3:
        time.sleep(0.001)
    remove_hit(tmp_path / "hits", hit(2).id)
    keeper.keep(hit(4), quiet(8_000))
    keeper.close()
    assert stored_ids(tmp_path / "hits") == [hit(number).id for number in (1, 3, 4)]


def test_a_disk_that_hangs_keeps_no_server_from_stopping(tmp_path):
    may_go = threading.Event()
    keeper = HitKeeper(tmp_path, 1 << 20, 1e9, lambda *_: may_go.wait(20) and 1)
    keeper.keep(hit(), quiet(800))
    assert not keeper.close(0.05)
    may_go.set()
    assert keeper.close()


def test_kept_files_are_private_also_in_a_folder_that_is_not_and_the_log_says_so(tmp_path, caplog):
    folder = tmp_path / "hits"
    folder.mkdir(mode=0o755)
    write_hit(folder, hit(1), quiet(800))
    for path in folder.iterdir():
        path.chmod(0o644)  # as older versions left them
    keeper = HitKeeper(folder, 1 << 20, 1e9)
    keeper.keep(hit(2), quiet(800))
    keeper.close()
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 4
    assert "other users may look into this folder (mode 0755)" in caplog.text
    assert f"chmod 700 {folder}" in caplog.text
    caplog.clear()
    HitKeeper(tmp_path / "new", 1 << 20, 1e9).close()
    assert caplog.text == ""


def test_a_clock_that_is_set_forward_deletes_no_hit_and_time_that_passes_does(tmp_path):
    day, times = 86_400.0, {"now": 1_767_312_000.0, "elapsed": 5.0}
    keeper = HitKeeper(tmp_path, 1 << 20, 30 * day, write_hit, lambda: times["now"], lambda: times["elapsed"])

    def kept(number):
        keeper.keep(hit(number), quiet(800))
        keeper._last.result()
        return [int(hit_id[-2:]) for hit_id in stored_ids(tmp_path)]

    assert kept(1) == [1]
    times["now"] += 400 * day
    assert kept(2) == [1, 2]
    times["elapsed"] += 29 * day
    assert kept(3) == [1, 2, 3]
    times["elapsed"] += 2 * day
    assert kept(4) == [3, 4]
    keeper.close()


def test_hits_of_an_earlier_run_are_as_old_as_their_ids_say(tmp_path):
    write_hit(tmp_path, hit(1, "20260101T000000"), quiet(800))
    write_hit(tmp_path, hit(2, "20260131T000000"), quiet(800))
    write_hit(tmp_path, hit(3, "99999999T999999"), quiet(800))
    times = {"now": 1_770_000_000.0, "elapsed": 0.0}  # 2 February 2026
    keeper = HitKeeper(tmp_path, 1 << 20, 20 * 86_400.0, write_hit, lambda: times["now"], lambda: times["elapsed"])
    keeper.close()
    assert [int(hit_id[-2:]) for hit_id in stored_ids(tmp_path)] == [2, 3]
