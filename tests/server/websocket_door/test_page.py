"""The page of `examples/websocket` in a real browser, whose microphone plays a file."""

from __future__ import annotations

import functools
import http.server
import json
import threading
import time
from contextlib import contextmanager

import numpy as np
import soundfile

from speechtune_server.process.access import Scope
from tests.support.chromium import Browser, needs_chromium, open_page
from tests.support.keys import key_file
from tests.support.serving import COMMANDS, server_in_thread
from tests.support.speech import REPOSITORY

pytestmark = needs_chromium


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        return


@contextmanager
def pages():
    """The folder of the example, over HTTP; gives its origin."""
    handler = functools.partial(Quiet, directory=REPOSITORY / "examples" / "websocket")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def browser_that_says(tmp_path, samples):
    """A browser whose microphone gives these samples, again and again."""
    soundfile.write(tmp_path / "microphone.wav", samples, 16_000, subtype="PCM_16")
    flags = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={tmp_path / 'microphone.wav'}",
        "--autoplay-policy=no-user-gesture-required",
    )
    browser = Browser(tmp_path / "profile", flags)
    try:
        yield browser
    finally:
        browser.close()


def fill(page, selector, text):
    page.evaluate(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(text)}")


def shown(page, selector):
    return page.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.textContent)")


def test_the_page_hears_the_commands_of_the_microphone_and_lets_go_of_it(tmp_path):
    samples = np.concatenate([COMMANDS, np.zeros(8_000, np.float32)])
    with (
        server_in_thread(websocket_address="127.0.0.1:0") as server,
        pages() as origin,
        browser_that_says(tmp_path, samples) as browser,
        open_page(browser, f"{origin}/") as page,
    ):
        address = server.doors.addresses["websocket"]
        fill(page, "#address", f"ws://{address}/v1/stream")
        page.click("#listen")
        page.until(
            "['low', 'high'].every((word) => [...document.querySelectorAll('.detection strong')]"
            ".some((one) => one.textContent === word))"
        )
        page.until("document.querySelectorAll('.rejected').length > 0")
        assert shown(page, "#commands") == ["Commands: low, high"]
        assert "is needed" in shown(page, ".rejected span")[0]
        page.click("#stop")
        page.until(
            "document.querySelector('#state').textContent === 'Stopped.' && !document.querySelector('#listen').disabled"
        )
        deadline = time.monotonic() + 10
        while server.admission.num_calls and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.admission.num_calls == 0
        assert all(one.startswith((origin, f"ws://{address}", "data:")) for one in page.requests)
        assert page.complaints == []


def test_the_page_shows_its_key_and_says_why_it_is_turned_away(tmp_path):
    tokens = key_file(tmp_path / "keys.toml", page=(frozenset({Scope.RECOGNISE}), None))
    with (
        server_in_thread(websocket_address="127.0.0.1:0", keys=tmp_path / "keys.toml") as server,
        pages() as origin,
        browser_that_says(tmp_path, COMMANDS) as browser,
        open_page(browser, f"{origin}/") as page,
    ):
        fill(page, "#address", f"ws://{server.doors.addresses['websocket']}/v1/stream")
        page.click("#listen")
        page.until("document.querySelector('#state').textContent.includes('send a valid key')")
        fill(page, "#key", tokens["page"])
        page.click("#listen")
        page.until("document.querySelectorAll('.detection').length > 0")


def test_a_page_from_elsewhere_is_not_let_in(tmp_path):
    with (
        server_in_thread(websocket_address="127.0.0.1:0") as server,
        browser_that_says(tmp_path, COMMANDS) as browser,
        open_page(browser, REPOSITORY / "examples" / "websocket" / "page.css") as page,
    ):
        url = f"ws://{server.doors.addresses['websocket']}/v1/stream"
        code = page.evaluate(
            f"new Promise((done) => {{ const socket = new WebSocket('{url}', ['speechtune.v1']); "
            "socket.onclose = ({ code }) => done(code); socket.onopen = () => done('open'); })"
        )
        assert code == 1006
        assert server.admission.num_calls == 0
