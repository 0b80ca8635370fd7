"""What is shipped is whole: every package and its data, typed, locked, licensed and accounted for."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
SOURCES = {"bridge": "bridge", "accel": "accel"} | {
    f"bridge_{engine}": f"plugins/{engine}/bridge_{engine}" for engine in ("godot", "unity", "unreal")
}
NOT_SHIPPED = ("__pycache__", "*.pyc", "*.egg-info", ".mypy_cache", ".ruff_cache", "build")


def setup() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def lines(text: str) -> list[str]:
    return [line for line in text.strip().splitlines() if line and not line.startswith("#")]


def requirements() -> list[Requirement]:
    config = setup()
    extras = config["options.extras_require"].values()
    return [
        Requirement(line) for text in (config["options"]["install_requires"], *extras) for line in lines(text)
    ]


def test_every_package_folder_is_listed() -> None:
    found = set()
    for package, folder in SOURCES.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT / folder).parts
            # Data, for the editor's own Python.
            if "editor" not in parts:
                found.add(".".join((package, *parts)))
    assert found == set(lines(setup()["options"]["packages"]))


@pytest.mark.parametrize("folder", SOURCES.values())
def test_every_package_tells_that_it_is_typed(folder: str) -> None:
    assert (ROOT / folder / "py.typed").exists()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel that is built from a copy of the sources."""
    copy = tmp_path_factory.mktemp("sources")
    for folder in SOURCES.values():
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns(*NOT_SHIPPED))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy / name)
    build = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    done = subprocess.run([sys.executable, "-c", build], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = (copy / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize(("package", "folder"), SOURCES.items())
def test_the_wheel_holds_every_file_of_every_package(wheel: set[str], package: str, folder: str) -> None:
    wanted = {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted - wheel == set()


def test_the_wheel_holds_the_licence_and_the_command(wheel: set[str]) -> None:
    assert any(name.endswith("/licenses/LICENSE") for name in wheel)
    assert any(name.endswith("/entry_points.txt") for name in wheel)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_pins_every_package_by_hash_and_names_no_place(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    entries = re.split(
        r"^(?=[A-Za-z0-9])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE
    )
    loose = [e.split()[0] for e in entries if e.strip() and not ("==" in e and "--hash=sha256:" in e)]
    assert loose == []


def test_every_dependency_is_pinned_by_the_lock_file_of_developers() -> None:
    pinned = set(
        re.findall(r"^([A-Za-z0-9_.-]+)", (ROOT / "requirements-dev.lock").read_text(encoding="utf-8"), re.M)
    )
    wanted = {r.name for r in requirements() if r.marker is None or r.marker.evaluate()}
    assert {canonicalize_name(name) for name in wanted} - pinned - {"onnxruntime"} == set()


def test_the_lock_file_of_developers_is_whole_as_pip_resolves_nothing() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_dependency_is_accounted_for_with_its_licence() -> None:
    text = (ROOT / "docs" / "explanation" / "dependencies.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", text, re.MULTILINE))
    assert {r.name for r in requirements()} == set(rows)
    assert all(len(row.split(" | ")) == 2 and all(row.split(" | ")) for row in rows.values())


def test_the_changelog_tells_of_this_version() -> None:
    version = setup()["metadata"]["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_no_change_stands_twice_in_the_changelog() -> None:
    entries = re.split(r"\n(?=- |#|\n)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    changes = [entry for entry in entries if entry.startswith("- ")]
    assert len(changes) > 50 and sorted({each for each in changes if changes.count(each) > 1}) == []
