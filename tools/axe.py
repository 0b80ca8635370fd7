"""Fetches axe-core for the accessibility tests of pages, with the npm client: `python tools/axe.py`."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "4.10.3"
SHA256 = "0f2b4d7dcdf7d1219df8d1959ad68e565f51d14c3f0d88bb71cd59abeb956292"
"""Of the package."""
SCRIPT = Path(__file__).parent.parent / ".engines" / f"axe-core-{VERSION}.js"


def main() -> int:
    if SCRIPT.exists():
        return 0
    npm = shutil.which("npm")
    if npm is None:
        print("axe-core needs npm, which isn't installed.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="popbridge-") as folder:
        subprocess.run([npm, "pack", "--silent", f"axe-core@{VERSION}"], cwd=folder, check=True)
        (package,) = Path(folder).glob("*.tgz")
        if hashlib.sha256(package.read_bytes()).hexdigest() != SHA256:
            print(f"axe-core {VERSION} has another digest than expected.", file=sys.stderr)
            return 1
        with tarfile.open(package) as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            SCRIPT.parent.mkdir(exist_ok=True)
            SCRIPT.write_bytes(member.read())
    return 0


if __name__ == "__main__":
    sys.exit(main())
