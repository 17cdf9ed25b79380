"""How many streams a machine carries by default: a table of what a stream costs, and the cores that there are.

`python -m benchmarks.stream_costs` fills the table. A second of a stream is taken to hold speech 30 % of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from speechtune_server.process.config import LEAST_STREAMS, Backend
from speechtune_server.process.machine import Machine


@dataclass(frozen=True)
class StreamCost:
    """CPU that one second of a stream takes, in milliseconds.

    Attributes:
        loop: in the thread of the event loop, of which a process has one.
        all_threads: in all threads together.
    """

    loop: float
    all_threads: float


STREAM_COSTS: Mapping[Backend, StreamCost] = MappingProxyType(
    {
        Backend.ONNX_INT8: StreamCost(loop=2.5, all_threads=6.0),
        Backend.ONNX: StreamCost(loop=2.5, all_threads=11.0),
        Backend.TORCH_BF16: StreamCost(loop=2.5, all_threads=15.0),
        Backend.TORCH: StreamCost(loop=2.5, all_threads=20.0),
    }
)
"""Measured on two threads of one core of a server CPU with `whisper-tiny.en`; docs/figures/serving.md has the date."""

_BUSY_SHARE = 0.6
"""Of a core's time that streams may take: beyond it answers come later and later."""


def streams_carried(
    backends: Iterable[Backend], machine: Machine, costs: Mapping[Backend, StreamCost] = STREAM_COSTS
) -> int:
    """Streams that a machine carries, whichever of the models that `backends` run each of them asks.

    Args:
        backends: what runs the models; none: what `auto` would at worst.
        machine: its cores, and whether it has a GPU.
        costs: of a stream, by backend.

    >>> machine = Machine(num_cores=2, has_gpu=False, has_int8=True)
    >>> streams_carried([Backend.ONNX_INT8], machine) > streams_carried([Backend.ONNX_INT8, Backend.TORCH], machine)
    True
    """
    rows = [costs[_row(backend, machine)] for backend in backends] or [costs[_row(Backend.AUTO, machine)]]
    by_cores = machine.num_cores / max(row.all_threads for row in rows)
    by_loop = 1.0 / max(row.loop for row in rows)
    return max(int(1000.0 * _BUSY_SHARE * min(by_cores, by_loop)), LEAST_STREAMS)


def _row(backend: Backend, machine: Machine) -> Backend:
    # A GPU leaves no more to the cores than ONNX Runtime does.
    runs_on_gpu = machine.has_gpu and backend in (Backend.TORCH, Backend.TORCH_BF16)
    return Backend.ONNX if runs_on_gpu or backend is Backend.AUTO else backend
