"""The cache of exports: what lies there is served only if it is this checkpoint's, and is made once."""

from __future__ import annotations

import logging
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from speechtune.errors import CheckpointIncompatibleError, CheckpointNotFoundError, ConfigError
from speechtune.models.checkpoints.checkpoint import save_checkpoint
from speechtune.models.export import export_onnx
from speechtune_server.engine.backends import loader_for
from speechtune_server.engine.export_cache import export_in_own_process, exported_scorer
from speechtune_server.process.config import Backend
from tests.support.encoders import random_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "home"
    saved = save_checkpoint(random_checkpoint(), folder)
    export_onnx(saved, folder.parent / "export.onnx")
    return folder, saved.digest


class Exports:
    """Copies the one export that was made, in place of a process that takes seconds; counts."""

    def __init__(self, checkpoint):
        self.source = checkpoint[0].parent / "export.onnx"
        self.num_made = 0

    def __call__(self, folder, path, precision):
        self.num_made += 1
        shutil.copy(self.source, path)


def test_an_export_is_made_once_and_then_found(checkpoint, tmp_path):
    exports = Exports(checkpoint)
    for _ in range(3):
        scorer = exported_scorer(checkpoint[0], "fp32", tmp_path / "cache", 1, exports)
    assert exports.num_made == 1
    assert scorer.description.checkpoint_digest == checkpoint[1]


def test_an_exported_file_is_served_as_it_is_whatever_the_case_of_its_name(checkpoint, tmp_path):
    place = tmp_path / "HOME.ONNX"
    shutil.copy(checkpoint[0].parent / "export.onnx", place)
    served = loader_for(Backend.ONNX_INT8, tmp_path / "cache", 1)("home", place)
    assert (served.digest, served.precision, served.is_parallel) == (checkpoint[1], "fp32", True)
    assert not (tmp_path / "cache").exists()


def damaged(path, source):
    path.write_bytes(source.read_bytes()[:-1000])


def empty(path, source):
    path.touch()


def of_another_checkpoint(path, source):
    import onnx

    model = onnx.load(str(source))
    for entry in model.metadata_props:
        entry.value = entry.value.replace('"checkpoint_digest":"', '"checkpoint_digest":"00')
    onnx.save(model, str(path))


def of_an_older_form(path, source):
    import onnx

    model = onnx.load(str(source))
    for entry in model.metadata_props:
        entry.value = entry.value.replace('"format_version":2', '"format_version":1')
    onnx.save(model, str(path))


def of_another_program(path, source):
    import onnx

    model = onnx.load(str(source))
    del model.metadata_props[:]
    onnx.save(model, str(path))


@pytest.mark.parametrize("spoil", [damaged, empty, of_another_checkpoint, of_an_older_form, of_another_program])
def test_what_cannot_be_used_is_exported_anew_and_does_not_fail_the_start(checkpoint, tmp_path, caplog, spoil):
    exports = Exports(checkpoint)
    spoil(tmp_path / f"{checkpoint[1]}-fp32.onnx", exports.source)
    with caplog.at_level(logging.WARNING):
        scorer = exported_scorer(checkpoint[0], "fp32", tmp_path, 1, exports)
    assert (exports.num_made, scorer.description.checkpoint_digest) == (1, checkpoint[1])
    assert "made anew" in caplog.text


def test_two_servers_that_start_at_once_make_one_export_and_both_serve_it(checkpoint, tmp_path):
    exports, may_go = Exports(checkpoint), threading.Event()

    def slow(folder, path, precision):
        assert may_go.wait(20)
        exports(folder, path, precision)

    with ThreadPoolExecutor(2) as servers:
        both = [servers.submit(exported_scorer, checkpoint[0], "fp32", tmp_path, 1, slow) for _ in range(2)]
        may_go.set()
        digests = {one.result(20).description.checkpoint_digest for one in both}
    assert (exports.num_made, digests) == (1, {checkpoint[1]})


def test_an_export_that_fails_is_told_and_leaves_nothing_that_hinders_the_next(checkpoint, tmp_path):
    def fails(folder, path, precision):
        raise CheckpointIncompatibleError("checkpoint home: cannot be exported to ONNX (no reason)")

    with pytest.raises(CheckpointIncompatibleError, match="no reason"):
        exported_scorer(checkpoint[0], "fp32", tmp_path, 1, fails)
    assert exported_scorer(checkpoint[0], "fp32", tmp_path, 1, Exports(checkpoint)).window_samples == 16_000


def test_a_cache_that_cannot_be_written_to_is_told_with_what_to_do(checkpoint, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="export_folder"):
        exported_scorer(checkpoint[0], "fp32", tmp_path / "file", 1, Exports(checkpoint))


def test_the_process_that_exports_tells_why_it_cannot(tmp_path):
    with pytest.raises(CheckpointIncompatibleError, match=r"nothing.*cannot be exported"):
        export_in_own_process(tmp_path / "nothing", tmp_path / "out.onnx", "fp32")


def test_a_checkpoint_is_served_through_its_export_under_its_own_digest(checkpoint, tmp_path):
    shutil.copy(Exports(checkpoint).source, tmp_path / f"{checkpoint[1]}-fp32.onnx")
    model = loader_for(Backend.ONNX, tmp_path, 1)("home", checkpoint[0])
    assert (model.name, model.digest, model.precision, model.is_parallel) == ("home", checkpoint[1], "fp32", True)
    with pytest.raises(CheckpointNotFoundError):
        loader_for(Backend.ONNX, tmp_path, 1)("home", tmp_path / "none")
