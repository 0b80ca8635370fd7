"""The plugin and the fake editor against a stub of Unreal's module: types, names of properties and values."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bridge_unreal import labels
from tests.unreal.conftest import HERE, PLUGIN
from tools import unreal_stub

SOURCES = sorted((PLUGIN / "popbridge_unreal").glob("[a-z]*.py"))
ENUMS = {
    "compression_settings": "TextureCompressionSettings", "lod_group": "TextureGroup",
    "mip_gen_settings": "TextureMipGenSettings", "lossy_compression_amount": "TextureLossyCompressionAmount",
    "power_of_two_mode": "TexturePowerOfTwoSetting", "address_x": "TextureAddress", "filter": "TextureFilter",
}  # fmt: skip
OWN = {
    "objects", "events", "dirty", "ticks", "shutdowns", "menu", "context_menus", "transactions", "subsystem",
    "main_only", "enum", "EnumBase", "Delegate",
}  # fmt: skip
"""Of the fake, not of the editor."""


@cache
def names() -> dict[str, dict[str, list[str]]]:
    if not unreal_stub.is_ready():
        assert not os.environ.get("POPBRIDGE_REQUIRE_ENGINES"), "python tools/unreal_stub.py"
        pytest.skip("the stub isn't installed: python tools/unreal_stub.py")
    found: dict[str, dict[str, list[str]]] = json.loads(unreal_stub.NAMES.read_text("utf-8"))
    return found


def known(name: str, what: str) -> set[str]:
    """The members or properties of a class and its bases."""
    entry = names().get(name)
    if entry is None:
        return set()
    return set(entry[what]).union(*(known(base, what) for base in entry["bases"]))


def calls(name: str) -> Iterator[tuple[ast.Call, str]]:
    """The calls of methods of this name in the plugin, and the text of their first argument."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    yield node, str(first.value)


def test_the_plugin_fits_the_stubs_types(tmp_path: Path) -> None:
    names()
    config = tmp_path / "mypy.ini"
    # The stub itself has errors.
    path = f"mypy_path = {unreal_stub.FOLDER}:{PLUGIN}"
    config.write_text(f"[mypy]\nstrict = True\n{path}\n[mypy-unreal]\nignore_errors = True\n", "utf-8")
    options = ("--config-file", str(config), "--cache-dir", str(tmp_path / "cache"))
    modules = [word for source in SOURCES for word in ("-m", f"popbridge_unreal.{source.stem}")]
    command = [sys.executable, "-m", "mypy", *options, *modules]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    # Unreal converts lists to its arrays, which the stub doesn't say.
    errors = [line for line in done.stdout.splitlines() if "error:" in line and '"Array[' not in line]
    assert not errors, done.stdout[-4000:]
    assert "error" in done.stdout or "Success" in done.stdout, done.stdout + done.stderr


def test_the_plugin_names_properties_that_exist() -> None:
    tree = ast.parse((PLUGIN / "popbridge_unreal/textures.py").read_text("utf-8"))
    table: dict[str, str] = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "OPTIONS"
    )
    assert set(table) <= known("Texture2D", "properties")
    assert {enum for enum in table.values() if enum} <= set(names())
    of_textures = {name for _, name in calls("get_editor_property")}
    assert of_textures <= known("Texture2D", "properties")
    of_tasks = {name for _, name in calls("set_editor_property")}
    tasks = known("AssetExportTask", "properties") | known("AssetImportTask", "properties")
    assert of_tasks and of_tasks <= tasks


@pytest.mark.parametrize("option", ENUMS)
def test_the_adapters_values_are_those_of_the_enumerations(option: str) -> None:
    values = labels.NEWER[option].values
    assert values and set(values) <= set(names()[ENUMS[option]]["members"])


def test_the_fake_editor_has_nothing_that_the_editor_lacks() -> None:
    stub = unreal_stub.STUB.read_text("utf-8") if names() else ""
    missing: list[Any] = []
    for node in ast.parse((HERE / "fake_unreal.py").read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name not in OWN and not node.name.startswith("_"):
            missing += [node.name] if f"\ndef {node.name}(" not in stub else []
        elif isinstance(node, ast.ClassDef) and node.name not in OWN:
            members = known(node.name, "members")
            methods = [each.name for each in node.body if isinstance(each, ast.FunctionDef)]
            missing += [(node.name, each) for each in methods if each not in members | {"__init__"}]
    # Every object has these; enumerations and contexts come from the interpreter.
    common = {"get_path_name", "get_editor_property", "set_editor_property", "__enter__", "__exit__"}
    assert [each for each in missing if each[1] not in common] == []
