"""The adapters' records of a texture that nobody has changed, against the editors and what they write."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from bridge.api import Adapter
from bridge.core.versions import contains, lowest
from bridge.demo.textures import disc, save
from bridge_unity.plugin import UnityProjects
from tests.e2e.conftest import needs_engine
from tests.unity.projects import VERSIONS, game
from tools import engines
from tools.generators import _first_party

ADAPTERS = _first_party.registry().adapters
UNREAL_PLUGIN = Path("plugins/unreal/bridge_unreal/editor/PopBridge/Content/Python/popbridge_unreal")


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
def test_an_adapter_knows_the_defaults_of_the_oldest_version_that_it_serves(adapter: Adapter) -> None:
    versions = [adapter.scheme.parse(version) for version in adapter.default_options]
    assert versions == sorted(versions)
    (oldest, *_) = (version for version in versions if contains(adapter.versions, version))
    assert oldest.release[:2] == lowest(adapter.versions).release[:2]


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.name)
def test_an_adapter_labels_only_values_of_the_type_that_the_default_has(adapter: Adapter) -> None:
    for version, options in adapter.default_options.items():
        if not contains(adapter.versions, adapter.scheme.parse(version)):
            continue
        labels = adapter.option_labels(adapter.scheme.parse(version), "en")
        values = {name: labels[name].values for name in options.keys() & labels.keys() if labels[name].values}
        assert values
        assert [name for name in values if {type(v) for v in values[name]} != {type(options[name])}] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_unitys_are_those_of_a_file_that_the_editor_wrote(version: str, tmp_path: Path) -> None:
    (texture,) = UnityProjects().textures(game(tmp_path, version, only=["ui/icon.png"]))
    unity = next(adapter for adapter in ADAPTERS if adapter.engine == "unity")
    assert texture.options == unity.default_options[version]


def test_unreals_are_the_properties_that_its_plugin_reports() -> None:
    source = ast.parse((UNREAL_PLUGIN / "textures.py").read_text(encoding="utf-8"))
    (reported,) = (
        ast.literal_eval(line.value)
        for line in source.body
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "OPTIONS"
    )
    unreal = next(adapter for adapter in ADAPTERS if adapter.engine == "unreal")
    assert all(options.keys() == reported.keys() for options in unreal.default_options.values())


@pytest.mark.engine
@pytest.mark.parametrize("name", ["godot3", "godot4"])
def test_godots_are_those_that_the_editor_writes(name: str, tmp_path: Path) -> None:
    command = {"godot3": engines.godot3_server(), "godot4": engines.godot4()}[name]
    needs_engine(command, name)
    adapter = next(adapter for adapter in ADAPTERS if adapter.name == name)
    editor, project = adapter.editor, tmp_path / "project"
    assert editor is not None and command is not None
    project.mkdir()
    editor.create_project(project, {})
    save(disc(64), project / "icon.png")
    words = [str(command), "--editor"] if isinstance(command, Path) else [*command, "--headless", "--import"]
    subprocess.run([*words, "--quit", "--path", str(project)], check=True, capture_output=True, timeout=90)
    texture = editor.texture(project, "icon.png")
    assert texture is not None
    newest = list(own for v, own in adapter.default_options.items()
                  if contains(adapter.versions, adapter.scheme.parse(v)))[-1]  # fmt: skip
    assert texture.options == newest
