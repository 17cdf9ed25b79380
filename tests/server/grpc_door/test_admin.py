"""Changing what is served while it is being served: nothing bad takes the place of something good."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest

from speechtune.errors import CheckpointCorruptError, CheckpointIncompatibleError, CheckpointNotFoundError
from speechtune_client.v1 import command_recognition_pb2 as pb
from speechtune_client.v1 import model_admin_pb2 as admin_pb
from speechtune_client.v1 import model_admin_pb2_grpc as admin_grpc
from speechtune_server.engine.model_store import ServedModel, proven
from tests.support.serving import (
    COMMANDS_CONTENT,
    asynchronous,
    audio,
    config,
    detections,
    kinds,
    refusal,
    responses,
    rest_of,
    running_server,
    stub_of,
    until,
)
from tests.support.streaming import PitchScorer


class Shelf:
    """Loads what a file `digest` in a folder says; "corrupt" and "broken" cannot be loaded."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.loaded: list[str] = []
        self.may_go = threading.Event()
        self.may_go.set()

    def put(self, folder: str, digest: str) -> Path:
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / folder / "digest").write_text(digest)
        return self.root / folder

    def load(self, name: str, place: Path) -> ServedModel:
        assert self.may_go.wait(20)
        if not (place / "digest").is_file():
            raise CheckpointNotFoundError(f"checkpoint {place}: there is none")
        digest = (place / "digest").read_text()
        if digest == "corrupt":
            raise CheckpointCorruptError(f"checkpoint {place}: its weights are damaged")
        if digest == "broken":
            raise OSError("secret: nobody thought of this")
        self.loaded.append(digest)
        return ServedModel(name, digest, PitchScorer())


@pytest.fixture
def shelf(tmp_path):
    shelf = Shelf(tmp_path / "models")
    shelf.put("home", "a1")
    return shelf


@asynccontextmanager
async def administered(shelf, **settings):
    settings = {"models": {"home": shelf.root / "home"}, "model_folder": shelf.root, "open_admin": True} | settings
    async with (
        running_server(load=shelf.load, **settings) as server,
        stub_of(server) as stub,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        yield server, stub, admin_grpc.ModelAdminStub(channel)


async def served(stub):
    models = (await stub.ListModels(pb.ListModelsRequest())).models
    return [(model.name, model.digest, model.is_default) for model in models]


@asynchronous
async def test_a_model_is_loaded_made_the_default_and_unloaded(shelf):
    shelf.put("garden/new", "b2")
    async with administered(shelf) as (_, stub, admin):
        loaded = await admin.LoadModel(admin_pb.LoadModelRequest(folder="garden/new", name="garden", digest="b2"))
        assert (loaded.name, loaded.digest) == ("garden", "b2")
        assert await served(stub) == [("home", "a1", True), ("garden", "b2", False)]
        await admin.SetDefaultModel(admin_pb.SetDefaultModelRequest(model="garden@b2"))
        assert (await responses(stub, [config()]))[0].started.model_digest == "b2"
        await admin.UnloadModel(admin_pb.UnloadModelRequest(model="home"))
        assert await served(stub) == [("garden", "b2", True)]
        assert (await refusal(responses(stub, [config(model="home")]))).code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("folder", ["corrupt", "broken", "none"])
@asynchronous
async def test_what_cannot_be_loaded_is_refused_and_replaces_nothing(shelf, folder):
    for name in ("corrupt", "broken"):
        shelf.put(name, name)
    async with administered(shelf) as (_, stub, admin):
        refused = await refusal(admin.LoadModel(admin_pb.LoadModelRequest(folder=folder, name="home")))
        expected = {"corrupt": "FAILED_PRECONDITION", "broken": "INTERNAL", "none": "NOT_FOUND"}[folder]
        assert (refused.code.name, "secret" in refused.message) == (expected, False)
        assert await served(stub) == [("home", "a1", True)]


@asynchronous
async def test_another_digest_than_was_asked_for_replaces_nothing(shelf):
    shelf.put("new", "b2")
    async with administered(shelf) as (_, stub, admin):
        refused = await refusal(admin.LoadModel(admin_pb.LoadModelRequest(folder="new", name="home", digest="b3")))
        assert refused.code is grpc.StatusCode.FAILED_PRECONDITION
        assert await served(stub) == [("home", "a1", True)]


@pytest.mark.parametrize(
    "folder",
    ["", ".", "..", "../secret", "/etc", "home/../..", "link", "loop", "a\0b", "a" * 6_000, "home/../../secret"],
)
@asynchronous
async def test_nothing_outside_the_model_folder_is_ever_opened(shelf, tmp_path, folder):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "digest").write_text("s3")
    os.symlink(tmp_path / "secret", shelf.root / "link")
    os.symlink("loop", shelf.root / "loop")
    async with administered(shelf) as (_, _, admin):
        refused = await refusal(admin.LoadModel(admin_pb.LoadModelRequest(folder=folder, name="x")))
        assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("folder",))
        assert shelf.loaded == ["a1"]


@asynchronous
async def test_requests_that_make_no_sense_are_refused_by_name(shelf):
    shelf.put("new", "b2")
    async with administered(shelf) as (_, _, admin):
        for call, code, field in (
            (admin.LoadModel(admin_pb.LoadModelRequest(folder="new", name="a@b")), "INVALID_ARGUMENT", "name"),
            (admin.UnloadModel(admin_pb.UnloadModelRequest(model="home")), "INVALID_ARGUMENT", "model"),
            (admin.UnloadModel(admin_pb.UnloadModelRequest()), "INVALID_ARGUMENT", "model"),
            (admin.SetDefaultModel(admin_pb.SetDefaultModelRequest(model="home@b9")), "NOT_FOUND", None),
            (admin.UnloadModel(admin_pb.UnloadModelRequest(model="attic")), "NOT_FOUND", None),
        ):
            refused = await refusal(call)
            assert (refused.code.name, refused.fields) == (code, (field,) if field else ())
    async with administered(shelf, model_folder=None) as (_, _, admin):
        refused = await refusal(admin.LoadModel(admin_pb.LoadModelRequest(folder="new")))
        assert "no model folder" in refused.message


@asynchronous
async def test_a_running_stream_keeps_its_model_while_another_takes_its_name(shelf):
    async with administered(shelf) as (_, stub, admin):
        call = stub.StreamingRecognize()
        await call.write(config())
        assert (await call.read()).started.model_digest == "a1"
        shelf.put("new", "b2")
        await admin.LoadModel(admin_pb.LoadModelRequest(folder="new", name="home"))
        await call.write(audio(COMMANDS_CONTENT))
        await call.done_writing()
        answers = await rest_of(call)
        assert {detection.model_digest for detection in detections(answers)} == {"a1"}
        assert kinds(answers)[-1] == "ended"
        assert (await responses(stub, [config()]))[0].started.model_digest == "b2"


@asynchronous
async def test_streams_are_served_while_a_model_is_being_loaded(shelf):
    shelf.put("new", "b2")
    async with administered(shelf) as (_, stub, admin):
        shelf.may_go.clear()
        loading = asyncio.ensure_future(admin.LoadModel(admin_pb.LoadModelRequest(folder="new")))
        answers = await responses(stub, [config(), audio(COMMANDS_CONTENT)])
        assert (kinds(answers)[-1], loading.done()) == ("ended", False)
        shelf.may_go.set()
        await loading


@asynchronous
async def test_a_reload_takes_what_has_changed_and_keeps_what_is_bad(shelf, caplog):
    shelf.put("garden", "g1")
    models = {"home": shelf.root / "home", "garden": shelf.root / "garden", "attic": shelf.put("attic", "t1")}
    async with administered(shelf, models=models) as (server, stub, _):
        shelf.put("home", "corrupt")
        shelf.put("garden", "broken")
        shelf.put("attic", "t2")
        with caplog.at_level(logging.ERROR):
            await server.reload()
        assert {name: digest for name, digest, _ in await served(stub)} == {"home": "a1", "garden": "g1", "attic": "t2"}
        assert caplog.text.count("stays as it is") == 2


@asynchronous
async def test_the_hangup_signal_reloads_also_what_an_administrator_has_loaded(shelf):
    from speechtune_server.app import serve
    from tests.support.serving import config_of
    from tests.support.streaming import LoudnessActivity

    serving, address = asyncio.Event(), []

    def on_serving(bound):
        address.append(bound)
        serving.set()

    settings = config_of(models={"home": shelf.root / "home"}, model_folder=shelf.root, open_admin=True)
    server = asyncio.create_task(serve(settings, on_serving, shelf.load, LoudnessActivity))
    await serving.wait()
    async with grpc.aio.insecure_channel(address[0]) as channel:
        shelf.put("garden", "g1")
        await admin_grpc.ModelAdminStub(channel).LoadModel(admin_pb.LoadModelRequest(folder="garden"))
        shelf.put("home", "a2")
        shelf.put("garden", "g2")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: shelf.loaded[-2:] == ["a2", "g2"])
    os.kill(os.getpid(), signal.SIGTERM)
    await server


def test_a_model_that_gives_no_posteriors_is_not_taken():
    class Nonsense(PitchScorer):
        def score(self, windows):
            return np.full_like(super().score(windows), np.nan)

    with pytest.raises(CheckpointIncompatibleError, match="posteriors"):
        proven(ServedModel("home", "a1", Nonsense()))


@asynchronous
async def test_a_model_that_takes_too_long_is_given_up_and_the_next_one_is_loaded(shelf):
    shelf.put("slow", "b2")
    shelf.put("new", "c3")
    async with administered(shelf, max_load_seconds=0.3) as (_, stub, admin):
        shelf.may_go.clear()
        refused = await refusal(admin.LoadModel(admin_pb.LoadModelRequest(folder="slow")))
        assert refused.code is grpc.StatusCode.UNAVAILABLE
        assert "'slow' was not loaded within 0.3 s" in refused.message
        shelf.may_go.set()
        await admin.LoadModel(admin_pb.LoadModelRequest(folder="new"))
        assert await served(stub) == [("home", "a1", True), ("new", "c3", False)]
