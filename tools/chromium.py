"""A page in a headless Chromium, driven by the DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

COMMANDS = ("chromium", "chromium-browser", "google-chrome")
START_S = 60.0
LARGEST = 256 << 20
"""Bytes of a message; a screenshot is one."""

PROGRAM = next(filter(None, map(shutil.which, COMMANDS)), None)

KEYS = {"Escape": 27, "Enter": 13, "Tab": 9}
"""Codes of keys that type no letter."""


class Page:
    """One page. Errors of its scripts are collected in `errors`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.errors: list[str] = []
        # They take space in pictures, and have none on many systems.
        self.send("Emulation.setScrollbarsHidden", hidden=True)
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> Mapping[str, Any]:
        """Sends a command and returns its result."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=START_S))
            self._note(message)
            if message.get("id") == number:
                assert "error" not in message, message
                result: Mapping[str, Any] = message["result"]
                return result

    def _note(self, message: Mapping[str, Any]) -> None:
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(message["params"]["exceptionDetails"]))
        elif message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
            self.errors.append(message["params"]["entry"]["text"])

    def open(self, file: Path, width: int = 1280, height: int = 900, theme: str = "light") -> None:
        """Opens a file and waits until it is loaded."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": theme}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.visit(file.as_uri())

    def visit(self, url: str) -> None:
        """Opens a URL, as `location.href` has it, and waits until it is loaded."""
        self.send("Page.navigate", url=url)
        self.wait(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Returns the value of an expression, or of its promise."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, condition: str) -> None:
        until = time.monotonic() + START_S
        while not self.run(condition):
            assert time.monotonic() < until, condition
            time.sleep(0.02)

    def press(self, *keys: str) -> None:
        for key in keys:
            typed = {} if key in KEYS else {"text": key}
            enter = {"text": "\r"} if key == "Enter" else {}
            code = KEYS.get(key, ord(key[0].upper()))
            common = {"key": key, "windowsVirtualKeyCode": code, **typed, **enter}
            self.send("Input.dispatchKeyEvent", type="keyDown", **common)
            self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def picture(self) -> bytes:
        """Returns what the window shows as PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot")["data"])


@contextlib.contextmanager
def browse(profile: Path, *options: str) -> Iterator[Page]:
    """Starts Chromium with a new profile in the folder `profile`, and with more `options` of its own."""
    assert PROGRAM is not None
    started = subprocess.Popen(
        [PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
         f"--user-data-dir={profile}", *options, "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        with connect(_address(profile, started), max_size=LARGEST) as socket:
            yield Page(socket)
    finally:
        if sys.platform == "win32":
            started.kill()
        else:
            # Its helpers are in its process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def _address(profile: Path, started: subprocess.Popen[bytes]) -> str:
    """Returns the address of the first page, once Chromium has written its port."""
    file = profile / "DevToolsActivePort"
    until = time.monotonic() + START_S
    while time.monotonic() < until and started.poll() is None:
        with contextlib.suppress(OSError, ValueError, StopIteration):
            port = int(file.read_text().splitlines()[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=5) as answer:
                pages = json.load(answer)
            return str(next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"))
        time.sleep(0.05)
    raise AssertionError("Chromium didn't start")
