"""What a GPU gains by fewer bits, by a compiled graph and by larger batches, and what that changes in the answers.

    python -m benchmarks.gpu_scoring CKPT [--device cuda] [--batches 1,8,32,128] [--repeats 50]

Milliseconds a window, from samples in main memory to posteriors in main memory, of what `speechtune serve` runs there
with `--backend torch` (float32) and `torch-bf16` (bfloat16), and of what it might: TF32 products, and each as one
captured graph. `change` is the largest difference of a posterior from float32's on the CPU, on swelling noise at
several levels.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import Tensor

from speechtune.models.checkpoints.checkpoint import load_checkpoint
from speechtune.models.classifier.classifier import KeywordClassifier
from speechtune.models.precision import halve_weights
from speechtune.models.scorers.torch_scorer import halved_posteriors

Score = Callable[[Tensor], Tensor]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; exit code 0, or 1 without the device."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batches", default="1,8,32,128")
    parser.add_argument("--repeats", type=int, default=50)
    arguments = parser.parse_args(argv)
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("torch finds no GPU here; --device cpu measures the rest", file=sys.stderr)
        return 1
    batches = [int(size) for size in arguments.batches.split(",")]
    Console(width=100).print(measured(arguments.checkpoint, device, batches, arguments.repeats))
    return 0


def measured(checkpoint: Path, device: torch.device, batches: Sequence[int], num_repeats: int) -> Table:
    """Load, warm up and time every way at every size of batch."""
    classifier = load_checkpoint(checkpoint).classifier.eval()
    windows = {size: _windows(size, classifier.window_samples) for size in batches}
    with torch.inference_mode():
        expected = {size: classifier.posteriors(torch.from_numpy(some)).numpy() for size, some in windows.items()}
    classifier.to(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    table = Table("way", title=f"{name}: ms a window", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for size in batches:
        table.add_column(f"{size} at once", justify="right")
    table.add_column("change", justify="right")
    for way, products, score in _ways(classifier, device):
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = products == "high"
        row, change = [], 0.0
        for size in batches:
            seconds, posteriors = _timed(score, windows[size], device, num_repeats)
            row.append(f"{1000.0 * seconds / size:.3f}")
            change = max(change, float(np.abs(posteriors - expected[size]).max()))
        table.add_row(way, *row, f"{change:.1e}")
    return table


def _ways(classifier: KeywordClassifier, device: torch.device) -> list[tuple[str, str, Score]]:
    """Name, precision of float32 products, and function."""
    halved = copy.deepcopy(classifier)
    halve_weights(halved.encoder)
    ways: list[tuple[str, str, Score]] = [
        ("float32", "highest", classifier.posteriors),
        ("bfloat16", "highest", partial(halved_posteriors, halved)),
    ]
    if device.type == "cuda":
        ways += [("TF32", "high", classifier.posteriors)]
        for way, products, score in tuple(ways):
            # Captures a graph for every shape that it meets.
            ways.append((f"{way}, graph", products, torch.compile(score, mode="reduce-overhead", dynamic=False)))
    return ways


def _timed(
    score: Score, windows: NDArray[np.float32], device: torch.device, num_repeats: int
) -> tuple[float, NDArray[np.float32]]:
    """Median seconds of a call, and what it gave."""
    seconds = []
    # A graph is compiled, then captured, then replayed: the first calls are none of those that a server makes.
    for repeat in range(-5, num_repeats):
        began = time.perf_counter()
        with torch.inference_mode():
            posteriors: NDArray[np.float32] = score(torch.tensor(windows, device=device)).cpu().numpy()
        if repeat >= 0:
            seconds.append(time.perf_counter() - began)
    # The next call of a graph writes over what this one gave.
    return float(np.median(seconds)), np.array(posteriors)


def _windows(num: int, window_samples: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    envelope = np.sin(np.linspace(0.0, np.pi, window_samples)) ** 2
    levels = 10.0 ** rng.uniform(-3.0, -0.5, (num, 1))
    windows: NDArray[np.float32] = (levels * envelope * rng.standard_normal((num, window_samples))).astype(np.float32)
    return windows


if __name__ == "__main__":
    sys.exit(main())
