"""How many streams are taken by default: what the cores carry with what runs the models."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechtune_client import AsyncCommandClient
from speechtune_server.engine.choice import BackendChoice
from speechtune_server.engine.model_store import ServedModel
from speechtune_server.process.capacity import STREAM_COSTS, StreamCost, streams_carried
from speechtune_server.process.config import LEAST_STREAMS, Backend
from speechtune_server.process.machine import Machine
from tests.support.serving import DIGEST, asynchronous, config_of, running_server
from tests.support.streaming import PitchScorer


def machine(num_cores: int, *, has_gpu: bool = False) -> Machine:
    return Machine(num_cores, has_gpu, has_int8=True)


def test_every_backend_has_a_row_and_a_thread_costs_no_more_than_all() -> None:
    assert set(STREAM_COSTS) == set(Backend) - {Backend.AUTO}
    assert all(0.0 < cost.loop <= cost.all_threads for cost in STREAM_COSTS.values())


def test_more_cores_carry_more_until_the_one_event_loop_is_busy() -> None:
    costs = {Backend.ONNX: StreamCost(loop=2.0, all_threads=6.0)}
    numbers = [streams_carried([Backend.ONNX], machine(cores), costs) for cores in (1, 2, 3, 64)]
    assert numbers == [100, 200, 300, 300]


def test_the_costliest_model_counts_and_a_gpu_takes_torchs_share() -> None:
    one, both = [Backend.ONNX_INT8], [Backend.ONNX_INT8, Backend.TORCH]
    assert streams_carried(both, machine(2)) == streams_carried([Backend.TORCH], machine(2))
    assert streams_carried(both, machine(2)) < streams_carried(one, machine(2))
    assert streams_carried(both, machine(2, has_gpu=True)) == streams_carried([Backend.ONNX], machine(2))
    assert streams_carried([], machine(2)) == streams_carried([Backend.AUTO], machine(2))


def test_no_machine_takes_fewer_than_a_few() -> None:
    costs = {Backend.TORCH: StreamCost(loop=2.0, all_threads=900.0)}
    assert streams_carried([Backend.TORCH], machine(1), costs) == LEAST_STREAMS


@pytest.mark.parametrize("backend", [Backend.ONNX_INT8, Backend.TORCH])
@asynchronous
async def test_the_server_takes_and_tells_what_its_models_leave_room_for(
    monkeypatch: pytest.MonkeyPatch, backend: Backend
) -> None:
    monkeypatch.setattr("speechtune_server.app.this_machine", lambda: machine(4))

    def load(name: str, folder: Path) -> ServedModel:
        return ServedModel(name, DIGEST, PitchScorer(), chosen=BackendChoice(backend, "the test says so"))

    carried = streams_carried([backend], machine(4))
    async with running_server(load=load) as server, AsyncCommandClient(server.address) as client:
        assert (await client.server_info()).limits.max_streams == carried
        assert server.admission._streams._limit == carried
    async with running_server(load=load, max_streams=3) as server, AsyncCommandClient(server.address) as client:
        assert (await client.server_info()).limits.max_streams == 3
        assert server.admission._streams._limit == 3


def test_settings_that_say_how_many_are_kept() -> None:
    assert config_of(max_streams=5).with_streams(100).stream_limit == 5
    left_open = config_of()
    assert (left_open.stream_limit, left_open.with_streams(100).stream_limit) == (LEAST_STREAMS, 100)
    assert left_open.with_streams(100).streams_per_client == 75
