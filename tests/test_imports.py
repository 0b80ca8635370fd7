"""Layers hold: who may import whom is checked, and no engine is named where none belongs."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"


def test_every_contract_on_imports_is_kept() -> None:
    done = subprocess.run([sys.executable, "-c", LINT], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_plugins_are_kept_from_every_part_of_the_bridge_but_its_api() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    forbidden = set(config["importlinter:contract:plugins"]["forbidden_modules"].split())
    parts = {f"bridge.{path.stem}" for path in (ROOT / "bridge").iterdir() if is_module(path)}
    assert parts - forbidden == {"bridge.api"}


def is_module(path: Path) -> bool:
    if path.is_dir():
        return (path / "__init__.py").exists()
    return path.suffix == ".py" and path.stem != "__init__"


@pytest.mark.parametrize("package", ["bridge", "accel"])
def test_nothing_but_a_plugin_names_an_engine(package: str) -> None:
    named = [
        f"{path.relative_to(ROOT).as_posix()}:{number}: {line.strip()}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search("godot|unity|unreal", line, re.IGNORECASE)
    ]
    assert named == []


def loaded_by(code: str, modules: set[str]) -> str:
    """Which of `modules` a process has that ran `code`."""
    code = f"{code}; import sys; sys.exit(', '.join(sorted({modules!r} & set(sys.modules))) or 0)"
    # Coverage would measure this process too, and brings a database with it.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0 or done.stderr
    return done.stderr


def test_importing_the_core_brings_no_event_loop_database_or_plugin_manager() -> None:
    code = "import bridge.core.codec, bridge.core.session, bridge.core.router, bridge.core.auth"
    assert loaded_by(code, {"asyncio", "sqlite3", "pluggy", "starlette", "websockets"}) == ""


def test_loading_all_plugins_costs_no_command_what_only_computing_needs() -> None:
    code = "from bridge.host import host; host.load()"
    assert loaded_by(code, {"numpy", "pyvips", "onnxruntime", "uvicorn", "numba", "jinja2"}) == ""


def test_an_audit_loads_templates_only_to_write_a_page() -> None:
    assert loaded_by("import bridge.audit.audit, bridge.audit.report_html", {"jinja2", "numba"}) == ""
