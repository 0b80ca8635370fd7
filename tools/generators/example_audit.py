"""The output of a real audit in both READMEs and tutorials: of the demo's project, with wrong settings.

The READMEs also have the table of `compatibility`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.generators import _markdown, compatibility

PAGES = {
    Path("README.md"): (["--severity", "error"], "en"),
    Path("README.zh-CN.md"): (["--severity", "error"], "zh_CN"),
    Path("docs/tutorial/first-audit.md"): ([], "en"),
    Path("docs/zh/first-audit.md"): ([], "zh_CN"),
}
"""Each page with the options and the language of its audit."""
READMES = {Path("README.md"): "en", Path("README.zh-CN.md"): "zh"}
COLUMNS = "110"


def files() -> dict[Path, str]:
    with tempfile.TemporaryDirectory(prefix="popbridge-") as name:
        folder = Path(name)
        _run(folder, "en", "demo", "--project-only", "--out", "game")
        return {page: _page(page, folder, *shown) for page, shown in PAGES.items()}


def _page(page: Path, folder: Path, options: list[str], language: str) -> str:
    arguments = ["audit", "game/project", *options]
    output = _run(folder, language, *arguments, code=1)
    block = f"```console\n$ popbridge {' '.join(arguments)}\n{output}```"
    text = _markdown.marked(page, "audit", "an audit", block)
    if page not in READMES:
        return text
    return _markdown.insert(text, "engines", "the tests' results", compatibility.matrix(READMES[page]))


def _run(folder: Path, language: str, *arguments: str, code: int = 0) -> str:
    """Returns the command's output without trailing spaces. Raises RuntimeError for another exit code."""
    environment = os.environ | {
        "COLUMNS": COLUMNS,
        "LC_ALL": f"{language}.UTF-8",
        "POPBRIDGE_HOME": str(folder / "home"),
        "PYTHONPATH": str(_markdown.ROOT),
    }
    command = [sys.executable, "-m", "bridge.cli", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8")
    if done.returncode != code:
        raise RuntimeError(f"popbridge {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
