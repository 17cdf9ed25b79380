"""The examples that run an exported model without speechtune: on a small device, and in a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from speechtune.models.golden.onnx_layers import layer_values
from speechtune.models.golden.vectors import About, Golden, Layer, parts_of, sha256_of, write_golden
from speechtune.models.golden.windows import golden_windows
from tests.support.chromium import Browser, needs_chromium, open_page
from tests.support.clips import write_audio
from tests.support.node_packages import node_modules
from tests.support.pitch_model import HIGH_HZ, LOW_HZ, spoken, tone, write_pitch_model
from tests.support.speech import REPOSITORY

_DEVICE = """
import runpy, sys

class OnlyWhatTheDeviceHas:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in ("speechtune", "torch", "transformers", "soundfile", "scipy", "onnx"):
            raise ModuleNotFoundError(f"{name} is not on the device")

sys.meta_path.insert(0, OnlyWhatTheDeviceHas())
sys.argv = ["listen.py", *sys.argv[1:]]
runpy.run_path("examples/device/listen.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pitch_model(tmp_path_factory.mktemp("model") / "pitch.onnx")


def ran(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _DEVICE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=REPOSITORY,
    )


def test_a_small_device_hears_each_command_once_where_it_was_said(model: Path, tmp_path: Path) -> None:
    write_audio(tmp_path / "said.wav", spoken(LOW_HZ, HIGH_HZ, 900.0, LOW_HZ))
    done = ran(model, tmp_path / "said.wav")
    assert done.returncode == 0, done.stderr
    heard = [line.split() for line in done.stdout.splitlines()]
    assert [word for _, word, _ in heard] == ["low", "high", "low"]  # nothing is said of the tone between them
    assert all(float(confidence) > 0.6 for _, _, confidence in heard)
    starts = [float(seconds) for seconds, _, _ in heard]
    assert np.allclose(starts, [1.5, 3.5, 7.5], atol=0.25)
    assert "listening for: low, high" in done.stderr


def test_a_command_within_long_sound_is_heard_once(model: Path, tmp_path: Path) -> None:
    long = np.concatenate([np.zeros(16_000, dtype=np.float32), tone(900.0, 1.5), tone(HIGH_HZ, 1.5), tone(900.0, 1.5)])
    write_audio(tmp_path / "long.wav", np.concatenate([long, np.zeros(16_000, dtype=np.float32)]))
    done = ran(model, tmp_path / "long.wav")
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["high"], done.stderr


def test_what_the_device_cannot_hear_is_said(model: Path, tmp_path: Path) -> None:
    write_audio(tmp_path / "fast.wav", spoken(LOW_HZ), rate_hz=48_000)
    done = ran(model, tmp_path / "fast.wav")
    assert done.returncode == 1
    assert "is not 16-bit audio of 16 kHz and one channel" in done.stderr
    assert "python listen.py MODEL.onnx" in ran().stderr


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """The address of a server of plain files, as the documents start it."""

    class Quiet(SimpleHTTPRequestHandler):
        extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}

        def log_message(self, *_: object) -> None:
            """Say nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def page_folder(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's page with the runtime, a model and its golden vectors beside it."""
    packages = node_modules(REPOSITORY / "examples" / "onnx-web" / "package.json")
    folder = tmp_path_factory.mktemp("site") / "page"
    shutil.copytree(REPOSITORY / "examples" / "onnx-web", folder, ignore=shutil.ignore_patterns("runtime", "*.onnx"))
    (folder / "runtime").mkdir()
    for name in ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"):
        shutil.copyfile(packages / "onnxruntime-web" / "dist" / name, folder / "runtime" / name)
    shutil.copyfile(model, folder / "model.onnx")
    write_golden(golden_of_pitch(model), folder / "model.golden.npz")
    write_audio(folder / "said.wav", spoken(LOW_HZ, HIGH_HZ, 900.0, LOW_HZ), subtype="FLOAT")
    return folder


def golden_of_pitch(model: Path) -> Golden:
    content, windows = model.read_bytes(), golden_windows(16_000)
    values = layer_values(content, windows, ["logits", "posteriors"], "test")
    layers = tuple(
        Layer(name=name, axes=("window", "value"), parts=parts_of(name, array, "fp32"))
        for name, array in values.items()
    )
    about = About(
        checkpoint_digest="ab" * 32,
        model_sha256=sha256_of(content),
        precision="fp32",
        sample_rate_hz=16_000,
        layers=layers,
    )
    return Golden(about, windows, values)


_EVENTS = "[...document.querySelectorAll('#events li strong')].map((line) => line.textContent).reverse()"
_STATE = "document.getElementById('state').textContent"
_HEAR = """
(async () => {
  const { hearFile } = await import("./page.js");
  await hearFile(await (await fetch("said.wav")).arrayBuffer());
})()
"""


@needs_chromium
def test_a_browser_hears_the_same_commands_and_asks_nobody_else(page_folder: Path, tmp_path: Path) -> None:
    browser = Browser(tmp_path / "profile")
    try:
        with site(page_folder) as address, open_page(browser, f"{address}/index.html") as page:
            page.until(f"{_STATE} !== 'Loading the model.'")
            assert page.evaluate(_STATE).startswith("Press “Listen”"), page.complaints
            page.evaluate(_HEAR)
            assert page.evaluate(_EVENTS) == ["low", "high", "low"]
            page.click("#check")
            page.until(f"{_STATE}.includes('right') || {_STATE}.includes('WRONG')")
            assert page.evaluate(_STATE).startswith("logits are right, to "), page.evaluate(_STATE)
            assert "posteriors are right" in page.evaluate(_STATE)
            assert page.complaints == []
            assert all(request.startswith((address, "blob:")) for request in page.requests)
    finally:
        browser.close()


@needs_chromium
def test_a_wrong_model_fails_the_check_and_a_missing_one_is_told(page_folder: Path, tmp_path: Path) -> None:
    vectors = dict(np.load(page_folder / "model.golden.npz"))
    vectors["logits"] = vectors["logits"] + 10.0
    shutil.copyfile(page_folder / "model.onnx", page_folder / "other.onnx")
    np.savez(page_folder / "other.golden.npz", **vectors)
    browser = Browser(tmp_path / "profile")
    try:
        with site(page_folder) as address:
            with open_page(browser, f"{address}/index.html?model=other.onnx") as page:
                page.until(f"{_STATE}.startsWith('Press')")
                page.click("#check")
                page.until(f"!{_STATE}.startsWith('Press')")
                assert "logits are WRONG, to 10; posteriors are right" in page.evaluate(_STATE)
            with open_page(browser, f"{address}/index.html?model=gone.onnx") as page:
                page.until(f"{_STATE} !== 'Loading the model.'")
                assert "there is no gone.onnx beside this page" in page.evaluate(_STATE)
                assert page.evaluate("document.getElementById('listen').disabled")
    finally:
        browser.close()


@needs_chromium
def test_a_browser_hears_the_microphone(page_folder: Path, tmp_path: Path) -> None:
    fake = write_audio(tmp_path / "fake.wav", spoken(LOW_HZ, HIGH_HZ), rate_hz=16_000)
    flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    browser = Browser(tmp_path / "profile", [*flags, f"--use-file-for-fake-audio-capture={fake}"])
    try:
        with site(page_folder) as address, open_page(browser, f"{address}/index.html") as page:
            page.until(f"{_STATE}.startsWith('Press')")
            page.click("#listen")
            page.until(f"{json.dumps(['low', 'high'])}.every((word) => ({_EVENTS}).includes(word))")
            page.click("#stop")
            page.until(f"{_STATE} === 'Stopped.'")
            assert page.complaints == []
    finally:
        browser.close()
