"""A headless Chromium for pages that tests open and click, driven by the DevTools protocol over a pipe.

The protocol's messages are JSON with a NUL after each; the browser reads descriptor 3 and writes descriptor 4
(`--remote-debugging-pipe`), so that no port is opened and no library of web sockets is needed.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)

needs_chromium = pytest.mark.skipif(
    PROGRAM is None, reason="no Chromium is installed: chromium, chromium-browser, google-chrome"
)

_PATIENCE_SECONDS = 30.0
_CONNECT = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # it opens our own files only, and a container's root has no sandbox
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)


class BrowserError(AssertionError):
    """The browser did not do what it was told."""


class Browser:
    """One browser process; `open_page` opens a page in a tab of its own."""

    def __init__(self, profile: Path, flags: Sequence[str] = ()) -> None:
        assert PROGRAM is not None
        theirs_in, ours_out = _high_pipe()
        ours_in, theirs_out = _high_pipe()

        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _CONNECT,
                str(theirs_in),
                str(theirs_out),
                PROGRAM,
                *_FLAGS,
                *flags,
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs_in, theirs_out),
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._in, self._out = ours_in, ours_out
        self._received = b""
        self._num_calls = 0
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        """End the process."""
        try:
            self.call("Browser.close")
            self._process.wait(_PATIENCE_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._in)
            os.close(self._out)

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send one command and give its result; events that come before it are kept in `events`."""
        self._num_calls += 1
        message: dict[str, Any] = {"id": self._num_calls, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next_message()
            if answer.get("id") == self._num_calls:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _next_message(self) -> dict[str, Any]:
        end = time.monotonic() + _PATIENCE_SECONDS
        while b"\0" not in self._received:
            if not select.select([self._in], [], [], max(end - time.monotonic(), 0.0))[0]:
                raise BrowserError("the browser does not answer")
            content = os.read(self._in, 1 << 20)
            if not content:
                raise BrowserError("the browser has ended")
            self._received += content
        message, _, self._received = self._received.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed


class Page:
    """One tab that shows a file, or an address of this machine."""

    def __init__(self, browser: Browser, place: Path | str, width: int, height: int, dark: bool) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._target = target
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call("Page.navigate", url=place if isinstance(place, str) else place.resolve().as_uri())
        self.until("document.readyState === 'complete'")

    @property
    def requests(self) -> list[str]:
        """Addresses of everything the page asked for, itself first."""
        return [event["params"]["request"]["url"] for event in self._events("Network.requestWillBeSent")]

    @property
    def complaints(self) -> list[str]:
        """Errors of its script, and what the browser logged as an error."""
        thrown = [str(event["params"]["exceptionDetails"]) for event in self._events("Runtime.exceptionThrown")]
        logged = [event["params"]["entry"] for event in self._events("Log.entryAdded")]
        return thrown + [entry["text"] for entry in logged if entry["level"] == "error"]

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of the first element that `selector` finds."""
        place = self.evaluate(
            f"(() => {{ const found = document.querySelector({json.dumps(selector)}); "
            "found.scrollIntoView({ block: 'center', inline: 'center' }); const box = found.getBoundingClientRect(); "
            "return { x: box.x + box.width / 2, y: box.y + box.height / 2 }; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def type(self, selector: str, text: str) -> None:
        """Put the cursor into the first element that `selector` finds, and type."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self._call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press and release a key by its name, such as Enter or Tab."""
        code = {"Enter": 13, "Tab": 9, " ": 32, "Escape": 27}[key]
        given = {"key": key, "windowsVirtualKeyCode": code}
        self._call("Input.dispatchKeyEvent", type="keyDown", **given, **({"text": "\r"} if key == "Enter" else {}))
        self._call("Input.dispatchKeyEvent", type="keyUp", **given)

    def picture(self, path: Path) -> Path:
        """Write the whole page as a PNG."""
        size = self._call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        taken = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(taken["data"]))
        return path

    def close(self) -> None:
        """Close the tab."""
        self._browser.call("Target.closeTarget", targetId=self._target)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)

    def _events(self, method: str) -> list[dict[str, Any]]:
        self.evaluate("0")  # whatever was sent before has come by then
        return [
            event
            for event in self._browser.events
            if event.get("sessionId") == self._session and event.get("method") == method
        ]

    def until(self, condition: str, seconds: float = _PATIENCE_SECONDS) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + seconds
        while not self.evaluate(f"location.href !== 'about:blank' && ({condition})"):
            if time.monotonic() > end:
                raise BrowserError(f"never came true: {condition}")
            time.sleep(0.02)


@contextmanager
def open_page(
    browser: Browser, place: Path | str, *, width: int = 1200, height: int = 900, dark: bool = False
) -> Iterator[Page]:
    """A page that shows the file, or the address, closed at the end."""
    page = Page(browser, place, width, height, dark)
    try:
        yield page
    finally:
        page.close()


def _high_pipe() -> tuple[int, int]:
    """Both ends of a pipe, at descriptors that do not collide with the browser's 3 and 4."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]
