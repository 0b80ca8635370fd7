"""Unity in batch mode, as it fails: the variable FAKE_UNITY says how. It has Unity's command line."""

import json
import os
import sys
import time
from pathlib import Path

LOGS = {
    "license": "[Licensing::Module] Error: Access token is unavailable; failed to update\n"
    "No valid Unity Editor license found. Please activate your license.\n",
    "open": "Aborting batchmode due to fatal error:\n"
    "It looks like another Unity instance is running with this project open.\n\n"
    "Multiple Unity instances cannot open the same project.\n",
    "scripts": "Assets/Game.cs(3,1): error CS1002: ; expected\nAborting batchmode due to failure:\n"
    "Scripts have compiler errors.\n",
    "old": "executeMethod class 'PopBridge.Editor.BatchAudit' could not be found.\n",
    "failed": "Aborting batchmode due to failure:\n",
}


def value(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def main() -> int:
    mode = os.environ.get("FAKE_UNITY", "")
    if sys.argv[1:] == ["-version"]:
        print(os.environ.get("FAKE_UNITY_VERSION", ""))
        return 0
    report, log = Path(os.environ["POPBRIDGE_REPORT"]), Path(value("-logFile"))
    log.write_text(f"{sys.argv}\n" + LOGS.get(mode, ""), encoding="utf-8")
    if mode == "crash":
        os.abort()
    if mode == "hang":
        print(os.getpid(), flush=True)
        Path(os.environ["FAKE_UNITY_PID"]).write_text(str(os.getpid()))
        time.sleep(60)
    if mode == "garbage":
        report.write_text('{"version": 1, "engine"', encoding="utf-8")
    if mode == "future":
        report.write_text(json.dumps({"version": 2, "engine": "x"}), encoding="utf-8")
    if mode == "changes":
        Path(value("-projectPath"), "Assets/new.png.meta").write_text("guid: 1", encoding="utf-8")
    if mode in ("changes", "hostile"):
        textures = []
        if mode == "hostile":
            names = ("../../secret.png", "/etc/passwd", "C:/x.png", "a\\b.png", "")
            textures = [
                {"path": f"x{n}", "options": {"textureType": "Default"}, "file": name, "asset": name,
                 "picture": f"../{n}.png", "used_as": [{"slot": "_X", "kind": "no kind"}]}
                for n, name in enumerate(names)
            ]  # fmt: skip
        content = {"version": 1, "engine": "x", "textures": textures, "errors": ["Assets/a: \x1b[31mred"]}
        report.write_text(json.dumps(content), encoding="utf-8")
    return 1 if mode in LOGS else 0


if __name__ == "__main__":
    sys.exit(main())
