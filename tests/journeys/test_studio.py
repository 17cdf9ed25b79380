"""The studio in a real browser whose microphone is a file: record, train, try, correct, train again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile
import soxr

from speechtune.data.synthesis.voices import Voice, synthesize
from tests.support.chromium import Browser, Page, needs_chromium, open_page
from tests.support.encoders import needs_packaged_weights
from tests.support.speech import REPOSITORY

pytest.importorskip("espeakng_loader", reason="the synthesiser (extra 'demo') is not installed")
pytestmark = [needs_chromium, needs_packaged_weights, pytest.mark.timeout(900)]

ON, STOP = "lights on", "stop"
NEARLY = "lights gone"
"""It sounds so much like a command that a model of three takes takes it for one."""
RATE_HZ = 44_100
"""Of Chromium's stand-in for a microphone; another rate it would resample, which hides clipping."""
PATIENCE_SECONDS = 300.0
SMALL = ("augment.copies=2", "head.background_speech=60", "head.silence_clips=10", "head.running_speech=10")


def spoken(path: Path, *words: tuple[str, int, float], first: float = 2.0, every: float = 2.6) -> Path:
    """What the microphone hears: words at a pace and with a gain, begun at `first` and every so many seconds."""
    rng = np.random.default_rng(0)
    heard = 1e-3 * rng.standard_normal(int((first + every * len(words)) * RATE_HZ))
    for number, (text, pace, gain) in enumerate(words):
        word = soxr.resample(synthesize(text, Voice("m3", words_per_minute=pace)), 16_000, RATE_HZ)
        start = int((first + every * number) * RATE_HZ)
        heard[start : start + len(word)] += np.clip(gain * word, -0.9, 0.9)
    soundfile.write(path, heard, RATE_HZ, subtype="PCM_16")
    return path


@contextmanager
def studio(folder: Path) -> Iterator[str]:
    """The address of a studio in a process of its own."""
    settings = [argument for setting in SMALL for argument in ("--set", setting)]
    command = [sys.executable, "-m", "speechtune", "studio", str(folder), "--address", "127.0.0.1:0", "--no-compare"]
    paths = os.pathsep.join(str(REPOSITORY / part) for part in ("", "server", "proto"))
    process = subprocess.Popen(
        command + settings, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": paths}
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/#token=\S+", process.stdout.readline())
        assert found is not None, "the studio ended before it served"
        yield found[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0


@contextmanager
def page_that_hears(address: str, recording: Path, profile: Path, loop: bool = True) -> Iterator[Page]:
    """The studio's page in a browser of its own; its microphone hears the recording from the moment it is opened."""
    flags = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={recording}{'' if loop else '%noloop'}",
    )
    browser = Browser(profile, flags)
    try:
        with open_page(browser, address) as page:
            page.until("document.querySelectorAll('.card').length > 1", PATIENCE_SECONDS)
            yield page
            assert page.complaints == []
            assert {urlsplit(request).netloc for request in page.requests} == {urlsplit(address).netloc}
    finally:
        browser.close()


def text_of(page: Page, selector: str) -> str:
    return str(page.evaluate(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''"))


def is_enabled(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})?.disabled === false"


def add_command(page: Page, command: str) -> None:
    page.type("#add-words", command)
    page.press("Enter")
    page.until(f"document.querySelector('[data-label={json.dumps(command)}]')", PATIENCE_SECONDS)


def record_missing(page: Page) -> list[str]:
    """Record what is missing, each faulty take again; gives what was said of the faulty ones."""
    page.click("#record-all")
    rejected = []
    end = time.monotonic() + PATIENCE_SECONDS
    while not page.evaluate("document.querySelector('#recording').hidden"):
        assert time.monotonic() < end, rejected
        if "Again" in text_of(page, "#recording .row"):
            rejected.append(text_of(page, "#record-verdict"))
            page.press("Enter")  # the button to record it again has the focus
            page.until("!document.querySelector('#recording .row').textContent")
        time.sleep(0.05)
    return rejected


def train(page: Page) -> None:
    page.until(is_enabled("#train-button"), PATIENCE_SECONDS)
    page.click("#train-button")
    page.until("document.querySelector('#train-why').textContent === 'The model knows every take.'", PATIENCE_SECONDS)
    page.until(is_enabled("#try-button"), PATIENCE_SECONDS)


def listen(page: Page, num_outcomes: int) -> list[str]:
    """Listen until so many words were decided; gives what was said of each.

    What sounds like no speech is left out: a machine that is busy drops audio, and the gap clicks.
    """
    told: list[str] = []
    page.click("#try-button")
    end = time.monotonic() + PATIENCE_SECONDS
    while len(told) < num_outcomes:
        assert time.monotonic() < end, told
        kind = page.evaluate("document.querySelector('#outcome').dataset.kind ?? ''")
        outcome = text_of(page, "#outcome")
        if kind and outcome not in told and "no speech" not in outcome:
            told.append(outcome)
        time.sleep(0.05)
    page.click("#try-button")
    return told


def test_from_the_first_take_to_a_false_accept_that_is_gone(tmp_path: Path) -> None:
    on = spoken(tmp_path / "on.wav", (ON, 150, 30.0), (ON, 150, 1.0), (ON, 170, 1.0), (ON, 185, 1.0), first=3.0)
    stop = spoken(tmp_path / "stop.wav", (STOP, 150, 1.0), (STOP, 170, 1.0), (STOP, 185, 1.0))
    tried = spoken(tmp_path / "tried.wav", (ON, 160, 1.0), (NEARLY, 160, 1.0), first=1.0)
    with studio(tmp_path / "studio") as address:
        with page_that_hears(address, on, tmp_path / "first") as page:
            assert text_of(page, "#train-why") == "Add a command first."
            for name, number in (("takes", 3), ("other_words", 0), ("background", 0)):
                page.evaluate(
                    f"document.querySelector('#plan-{name}').value = {number}, "
                    f"document.querySelector('#plan-{name}').dispatchEvent(new Event('change'))"
                )
            add_command(page, ON)
            assert not page.evaluate(is_enabled("#train-button"))
            assert any("Clipped" in words for words in record_missing(page))
            page.until("document.querySelectorAll('.take img').length === 3", PATIENCE_SECONDS)
            assert "set aside" in text_of(page, f"[data-label='{ON}'] .aside")
        with page_that_hears(address, stop, tmp_path / "second") as page:
            add_command(page, STOP)
            assert text_of(page, "#train-why") == "There is no take of stop yet."
            record_missing(page)
        with page_that_hears(address, tried, tmp_path / "third", loop=False) as page:
            train(page)
            right, wrong = listen(page, 2)
            assert right.startswith(ON)
            assert wrong.startswith(ON), "without a false accept there is nothing to learn from"
            page.until("document.querySelectorAll('#heard li').length === 2", PATIENCE_SECONDS)
            page.click("#heard li:last-child .right")
            page.click("#heard li:first-child .wrong")
            page.until("document.querySelectorAll('#heard li').length === 0", PATIENCE_SECONDS)
            assert text_of(page, "#train-why") == "Takes have changed since the last training."
            train(page)
            right, rejected = listen(page, 2)
            assert right.startswith(ON)
            assert re.match(r"No command .*“lights on” at 0\.\d\d, it needs 0\.\d\d", rejected)
