"""Fetches the TypeScript compiler for tests, with the npm client: `python tools/typescript.py`."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "5.9.3"
SHA256 = "10e108c9cf7d5f2879053dff18515fb405abf2ccef63eaaf017d9c571687a1d3"
"""Of the package."""
FOLDER = Path(__file__).parent.parent / ".engines" / f"typescript-{VERSION}"
COMPILER = FOLDER / "lib" / "tsc.js"
STRICT = (
    "--strict", "--noUncheckedIndexedAccess", "--noImplicitReturns", "--target", "es2022",
    "--module", "nodenext", "--lib", "es2022,dom",
)  # fmt: skip


def compile_module(source: Path, folder: Path) -> Path:
    """Compiles a module, strictly, to `folder`; returns the file. Raises CalledProcessError."""
    copy = folder / source.with_suffix(".mts").name
    copy.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    node = shutil.which("node")
    assert node is not None
    subprocess.run([node, str(COMPILER), *STRICT, str(copy)], check=True, timeout=120)
    return copy.with_suffix(".mjs")


def main() -> int:
    if COMPILER.exists():
        return 0
    npm = shutil.which("npm")
    if npm is None:
        print("TypeScript needs npm, which isn't installed.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="popbridge-") as folder:
        subprocess.run([npm, "pack", "--silent", f"typescript@{VERSION}"], cwd=folder, check=True)
        (package,) = Path(folder).glob("*.tgz")
        if hashlib.sha256(package.read_bytes()).hexdigest() != SHA256:
            print(f"TypeScript {VERSION} has another digest than expected.", file=sys.stderr)
            return 1
        with tarfile.open(package) as archive:
            archive.extractall(folder, filter="data")
        FOLDER.parent.mkdir(exist_ok=True)
        shutil.copytree(Path(folder) / "package", FOLDER, dirs_exist_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
