"""The site: it builds without a warning, and each tutorial and guide does what it says.

A page's blocks run in order, in a folder of their own. Lines that a console block shows below a command
appear in its output in this order; `…` stands for anything. A comment before a block may say more:

    <!-- exit: 1 -->         the exit codes of the block's commands, 0 if absent
    <!-- file: NAME -->      the block is the contents of this file
    <!-- background -->      the command runs until the page ends
    <!-- skip: REASON -->    the block can't run in a test
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml
from msgspec import Struct

from bridge.demo.textures import noise, normals, tint
from tests.advisors import pictures
from tests.server.daemons import ProcessDaemon
from tools import generate

DOCS = generate.ROOT / "docs"
PAGES = sorted(
    page.relative_to(DOCS).as_posix()
    for folder in ("tutorial", "guides", "zh", ".")
    for page in (DOCS / folder).glob("*.md")
)
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>\w+)(?:: (?P<value>[^\n]*?))? -->\n\n)?"
    r"(?:```(?P<kind>\w+)\n(?P<text>.*?)```|(?P<indented>(?:^    popbridge [^\n]+\n)+))",
    re.DOTALL | re.MULTILINE,
)
SKIPS = 8
"""Most blocks of all pages that may be skipped: each is a promise that nothing checks."""


class Block(Struct, frozen=True):
    """A fenced block of a page, or indented commands, and the comment before it."""

    kind: str
    text: str
    mark: str
    value: str

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Each command with the lines that the page shows below it."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line != "…":
                found[-1][1].append(line)
        return found


def blocks(page: str) -> Iterator[Block]:
    for found in BLOCK.finditer((DOCS / page).read_text(encoding="utf-8")):
        mark, value = found["mark"] or "", found["value"] or ""
        if found["indented"]:
            commands = re.sub(r"^    ", "$ ", found["indented"], flags=re.MULTILINE)
            yield Block("console", commands, mark, value)
        else:
            yield Block(found["kind"], found["text"], mark, value)


class Served(ProcessDaemon):
    """`popbridge serve`."""

    command = ("-m", "bridge.cli", "serve", "--port", "0", "--workers", "1")


class Reader:
    """Someone who follows a page, in `folder`."""

    def __init__(self, folder: Path, locale: str) -> None:
        self.folder, self.locale = folder, locale
        self.daemon = Served(folder / "home")
        self._paths = [str(generate.ROOT), os.environ.get("PYTHONPATH", "")]

    def follow(self, block: Block) -> None:
        if block.mark == "skip":
            return
        if block.mark == "file":
            file = self.folder / block.value
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        if block.mark == "background":
            self.daemon.start()
            return
        self._check(block)

    def _check(self, block: Block) -> None:
        match block.kind:
            case "console":
                codes = [int(code) for code in block.value.split()] if block.mark == "exit" else []
                if block.mark == "begin":
                    # A real audit, with findings.
                    codes = [1]
                codes += [0] * (len(block.commands) - len(codes))
                for (command, shown), code in zip(block.commands, codes, strict=True):
                    self._run(command, shown, code)
            case "python" if block.mark != "file":
                done = self._call([sys.executable, "-c", block.text])
                assert done.returncode == 0, done.stdout + done.stderr
            case "toml":
                tomllib.loads(block.text)
            case "yaml":
                yaml.safe_load(block.text)
            case "json":
                json.loads(block.text)

    def _run(self, command: str, shown: list[str], code: int) -> None:
        words = shlex.split(command)
        if words[:5] == ["python", "-m", "pip", "install", "--editable"]:
            self._install(self.folder / words[5])
            return
        if words[:4] == ["python", "-m", "pip", "install"]:
            return
        programs = {"popbridge": [sys.executable, "-m", "bridge.cli"], "python": [sys.executable]}
        done = self._call([*programs[words[0]], *words[1:]])
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
        lines = (re.escape(line).replace("…", ".*") for line in shown)
        assert re.search(" *\n(?:.*\n)*?".join(lines), done.stdout), f"{command}\n{done.stdout}"

    def _call(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        more: Mapping[str, str] = {
            "PYTHONPATH": os.pathsep.join(filter(None, self._paths)),
            "POPBRIDGE_HOME": str(self.folder / "home"),
            "LC_ALL": self.locale,
            "COLUMNS": "110",
        }
        return subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | more,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )

    def _install(self, package: Path) -> None:
        """As pip does it, without asking an index for what builds the package."""
        command = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "egg_info"]
        subprocess.run(command, cwd=package, check=True, capture_output=True)
        self._paths.insert(0, str(package))


def textures(folder: Path) -> None:
    """The files that guides/recipes.md names."""
    height = noise(3, 64)
    colors = tint(height, (0.5, 0.4, 0.3))
    files = {
        "rock_albedo.png": colors, "rock_albedo_old.png": colors * 0.98, "photo.jpg": colors,
        "rock_normal.png": normals(height, 4.0),
    }  # fmt: skip
    for name, values in files.items():
        pictures.save(folder / name, (np.clip(values, 0, 1) * 255).astype(np.uint8))
    for name in ("height", "ao", "roughness", "metallic"):
        pictures.save(folder / f"rock_{name}.png", (height[..., None] * 255).astype(np.uint8))
    (folder / "sprites").mkdir()
    for number, name in enumerate(("hero", "coin", "tree")):
        sprite = np.zeros((32, 32, 4), np.uint8)
        sprite[4 : 20 + number, 6:25] = (200, 80 * number, 40, 255)
        pictures.save(folder / "sprites" / f"{name}.png", sprite)


def game(reader: Reader) -> None:
    """The project of the guides, with wrong settings."""
    reader.follow(Block("console", "$ popbridge demo --project-only --out demo\n", "", ""))
    (reader.folder / "demo" / "project").rename(reader.folder / "game")


def rock(reader: Reader) -> None:
    pictures.save(reader.folder / "rock.png", pictures.noise(3, 300))
    reader.daemon.start()


def backed_up(reader: Reader) -> None:
    """A database, and the backup that a daemon has made of it today."""
    reader.daemon.start()
    reader.daemon.end()
    reader.follow(Block("console", "$ popbridge db backup daily.db\n", "", ""))
    backups = reader.folder / "home" / "backups"
    backups.mkdir(exist_ok=True)
    (reader.folder / "daily.db").rename(backups / "popbridge-20260131-120000.db")


SCENES: Mapping[str, Callable[[Reader], None]] = {
    "guides/recipes.md": lambda reader: textures(reader.folder),
    "guides/python-client.md": rock,
    "guides/backup.md": backed_up,
    "guides/encryption.md": backed_up,
    **dict.fromkeys(
        (f"guides/{name}.md" for name in ("ci", "baselines", "fix-and-revert", "team-settings")), game
    ),
}
"""What is there before a page begins."""

MADE: Mapping[str, tuple[str, ...]] = {
    "guides/recipes.md": (
        "built/rock_albedo.dds", "built/rock_normal.dds", "phone/rock_albedo.ktx2", "built/rock_orm.png",
        "directx/rock_normal.png", "converted/rock_albedo.tga", "converted/rock_height.exr",
    ),
    "guides/python-client.md": ("rock-small.png",),
    "tutorial/first-audit.md": ("audit.html",),
    "tutorial/first-plugin.md": ("grey/rock_albedo.png", "small/rock_albedo.png"),
}  # fmt: skip
"""What is there when it ends."""


@pytest.mark.parametrize("page", [page for page in PAGES if any(True for _ in blocks(page))])
def test_a_reader_can_follow_the_page(page: str, tmp_path: Path) -> None:
    reader = Reader(tmp_path, "zh_CN.UTF-8" if page.startswith("zh/") else "C.UTF-8")
    try:
        SCENES.get(page, lambda _: None)(reader)
        for block in blocks(page):
            reader.follow(block)
    finally:
        reader.daemon.end()
    assert [name for name in MADE.get(page, ()) if not (tmp_path / name).exists()] == []


def test_hardly_any_block_is_skipped() -> None:
    skipped = [(page, block.value) for page in PAGES for block in blocks(page) if block.mark == "skip"]
    assert len(skipped) <= SKIPS and all(reason for _, reason in skipped), skipped


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    strict = ["-W", "--keep-going", "-n", "-q"]
    command = [sys.executable, "-m", "sphinx", *strict, str(DOCS), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "zh" / "index.html").exists()
