"""Counts the source files that one request passes through: `python tools/walks.py [--files]`.

A profiler in the daemon and its workers records calls of functions in bridge/, accel/ and plugins/.
A file counts if one of its functions is called between a message and its reply in most of several warm
repetitions. The client isn't measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from PIL import Image
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60.0
REPETITIONS = 7
WARM_UP = 2
AIMS = {"image.resize": 45, "image.resize, cached": 20, "event to popup": 75, "answer to command": 33}
OPTIONS = {
    "compress/mode": 0,
    "compress/normal_map": 0,
    "mipmaps/generate": False,
    "roughness/mode": 0,
    "process/normal_map_invert_y": False,
    "detect_3d/compress_to": 1,
}

Window = tuple[float, float]
Call = tuple[float, str, str]
"""The time, the file and the function."""
Walk = Mapping[str, Collection[str]]
"""Files, and the functions in each."""

PROFILER = """
import json, os, sys, threading, time

ROOT, FOLDER = os.environ["WALKS_ROOT"], os.environ["WALKS_FOLDER"]
PARTS = tuple(os.path.join(ROOT, part) + os.sep for part in ("bridge", "accel", "plugins"))
calls = []
own = {}

def note(frame, event, arg):
    if event != "call":
        return
    code = frame.f_code
    name = code.co_filename
    if name not in own:
        own[name] = name.startswith(PARTS)
    # Bodies of modules and classes run only on import.
    if own[name] and code.co_flags & 2:
        calls.append((time.monotonic(), name, code.co_qualname))

def write():
    done = set()
    while True:
        time.sleep(0.02)
        for wanted in os.listdir(FOLDER):
            if wanted.endswith(".dump") and wanted not in done:
                done.add(wanted)
                path = os.path.join(FOLDER, f"{wanted[:-5]}-{os.getpid()}.json")
                with open(path + "~", "w") as file:
                    json.dump(calls[:], file)
                os.replace(path + "~", path)

threading.Thread(target=write, daemon=True).start()
threading.setprofile(note)
sys.setprofile(note)
"""


class Socket:
    """A minimal client, which doesn't affect the measurement."""

    def __init__(self, file: Path, **identity: Any) -> None:
        found = json.loads(file.read_text())
        protocols = [Subprotocol("bridge.v1.msgpack")]
        self._socket: ClientConnection = connect(
            found["ws"], subprotocols=protocols, compression=None, proxy=None, legacy=True
        )
        self._id = 0
        self.receive("hello")
        client = {"kind": "editor", "name": "walks", "version": "1"}
        token = {"token": found["token"]}
        self.send(type="identify", protocol=1, client=client, instance="walks", auth=token, **identity)
        self.receive("ready")

    def send(self, **message: Any) -> None:
        self._socket.send(msgpack.packb(message))

    def receive(self, kind: str) -> dict[str, Any]:
        """Returns the next message of a type and ignores others. Raises RuntimeError for an error."""
        while True:
            message: dict[str, Any] = msgpack.unpackb(self._socket.recv(PATIENCE_S))
            if message["type"] == "error":
                raise RuntimeError(message)
            if message["type"] == kind:
                return message

    def request(self, workload: str, params: Mapping[str, Any], path: str, cache: bool) -> Window:
        """Returns the time from a request to its result."""
        self._id += 1
        begin = time.monotonic()
        self.send(
            type="request", id=self._id, workload=workload, params=params,
            inputs=[{"name": path, "path": path}], cache=cache,
        )  # fmt: skip
        result = self.receive("result")
        end = time.monotonic()
        self.send(type="ack", seq=result["seq"])
        return begin, end

    def imported(self, batch: int, path: str) -> tuple[Window, Window]:
        """Returns the times from an import to its popup, and from the answer to the command."""
        asset = {"path": f"res://{path}", "file": path, "type": "texture", "options": OPTIONS}
        begin = time.monotonic()
        self.send(
            type="event", name="asset.imported", data={"batch": batch, "more": False, "assets": [asset]}
        )
        popup = self.advice()
        end = time.monotonic()
        self.send(type="ack", seq=popup["seq"])
        time.sleep(0.3)
        answered = time.monotonic()
        self.send(type="answer", id=popup["id"], state="answered", action="apply")
        command = self.receive("command")
        asked = time.monotonic()
        self.send(type="ack", seq=command["seq"])
        after = command["args"]["changes"]
        before = [
            {"path": one["path"], "options": {name: OPTIONS.get(name) for name in one["options"]}}
            for one in after
        ]
        self.send(type="result", id=command["id"], value={"before": before, "after": after, "errors": []})
        time.sleep(0.3)
        return (begin, end), (answered, asked)

    def advice(self) -> dict[str, Any]:
        """Returns the next popup that offers fixes."""
        while True:
            popup = self.receive("popup")
            if any(action["id"] == "apply" for action in popup["actions"]):
                return popup

    def close(self) -> None:
        self._socket.close()


def draw(folder: Path) -> Sequence[str]:
    """Draws different normal maps of the same size; returns their names."""
    names = []
    for number in range(REPETITIONS + WARM_UP):
        slope = np.linspace(0, 40 + number, 512)
        x = np.sin(slope)[None, :] * np.ones((512, 1)) * 0.5
        y = np.cos(slope)[:, None] * np.ones((1, 512)) * 0.5
        normals = np.dstack([x, y, np.sqrt(1 - x * x - y * y)])
        name = f"relief{number}_normal.png"
        Image.fromarray(((normals * 0.5 + 0.5) * 255).astype(np.uint8)).save(folder / name)
        os.utime(folder / name, (1e9, 1e9))
        names.append(name)
    return names


@contextlib.contextmanager
def daemon(home: Path) -> Iterator[Path]:
    """Yields the connection file of a daemon under the profiler."""
    (home / "sitecustomize.py").write_text(PROFILER)
    env = {
        **os.environ,
        "POPBRIDGE_HOME": str(home / "home"),
        "POPBRIDGE_ROOTS": str(home.parent),
        "PYTHONPATH": os.pathsep.join([str(home), str(ROOT)]),
        "WALKS_ROOT": str(ROOT),
        "WALKS_FOLDER": str(home),
    }
    command = [sys.executable, "-m", "bridge.cli", "serve", "--port", "0", "--workers", "1"]
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    try:
        file = home / "home" / "connection.json"
        until(file.exists)
        yield file
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("the daemon doesn't answer")
        time.sleep(0.02)


def calls(home: Path, processes: int) -> list[Call]:
    """Returns all recorded calls of the daemon and its workers."""
    (home / "all.dump").touch()
    until(lambda: len([*home.glob("all-*.json")]) >= processes)
    return [call for path in home.glob("all-*.json") for call in json.loads(path.read_text())]


def usual(all_calls: Sequence[Call], windows: Sequence[Window]) -> Walk:
    """Returns the files that were called in most of the windows, with all their called functions."""
    counts: Counter[str] = Counter()
    functions: defaultdict[str, set[str]] = defaultdict(set)
    for begin, end in windows:
        within = [(file, function) for at, file, function in all_calls if begin <= at <= end]
        counts.update({file for file, _ in within})
        for file, function in within:
            functions[file].add(function)
    most = sorted(file for file, count in counts.items() if 2 * count > len(windows))
    return {Path(file).relative_to(ROOT).as_posix(): functions[file] for file in most}


def measure() -> Mapping[str, Walk]:
    """Returns the files of each kind of request."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home, root = Path(folder).resolve() / "profile", Path(folder).resolve() / "project"
        home.mkdir()
        root.mkdir()
        names = draw(root)
        project = {"id": "walks", "name": "walks", "root": str(root)}
        engine = {"name": "godot", "version": "4.6.stable.official"}
        with daemon(home) as file:
            socket = Socket(file, engine=engine, project=project)
            resize = ("image.resize", {"longest": 64}, names[0])
            warm = [socket.request(*resize, cache=False) for _ in names]
            time.sleep(0.5)
            cached = [socket.request(*resize, cache=True) for _ in names]
            imports = [socket.imported(number, name) for number, name in enumerate(names)]
            socket.close()
            found = calls(home, 2)
    popups, commands = zip(*imports, strict=True)
    walks = {
        "image.resize": warm,
        "image.resize, cached": cached,
        "event to popup": popups,
        "answer to command": commands,
    }
    return {walk: usual(found, windows[WARM_UP:]) for walk, windows in walks.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", action="store_true", help="list the files, too")
    parser.add_argument("--functions", action="store_true", help="list the files and their functions")
    options = parser.parse_args()
    for walk, passed in measure().items():
        aim = AIMS[walk]
        print(
            f"{walk:24}{len(passed):4} files   aim: at most {aim}{'' if len(passed) <= aim else '   missed'}"
        )
        for file, functions in passed.items() if options.files or options.functions else ():
            print(f"    {file}", *(sorted(functions) if options.functions else ()), sep="\n        ")


if __name__ == "__main__":
    main()
