"""A distribution that is broken, or made for another release, is told alone."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from bridge.host import host
from bridge.host.discovery import PluginRecord, find_plugins
from tests.messages import in_chinese

PLUGIN = """
from bridge.api import hookimpl

@hookimpl
def popbridge_settings():
    return []
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that Python looks for distributions in."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def distribution(site: Path, name: str, about: str | None = "", points: str | None = None) -> None:
    """As pip leaves it, with further lines in its METADATA; None for no such file."""
    folder = site / f"{name}-1.0.dist-info"
    folder.mkdir()
    if about is not None:
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{about}"
        (folder / "METADATA").write_text(text, encoding="utf-8")
    named = f"[popbridge]\n{name} = {name}_plugin\n" if points is None else points
    (folder / "entry_points.txt").write_text(named, encoding="utf-8")
    (site / f"{name}_plugin.py").write_text(PLUGIN, encoding="utf-8")
    sys.modules.pop(f"{name}_plugin", None)


def loaded(name: str) -> PluginRecord:
    return next(plugin for plugin in host.load().plugins if plugin.name == name)


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("popbridge<0.1", "it requires popbridge<0.1, but this is "),
        ("PopBridge >= 99", "it requires popbridge>=99, but this is "),
        (f"popbridge=={metadata.version('popbridge')}", ""),
        ("popbridge>=99; extra == 'test'", ""),
        ("popbridge>=99; python_version < '3'", ""),
        ("other>=99", ""),
        ("popbridge", ""),
        ("no requirement at all", ""),
    ],
)
def test_a_plugin_that_is_made_for_another_release_is_disabled_before_it_is_loaded(
    site: Path, requirement: str, reason: str
) -> None:
    distribution(site, "bbb", f"Requires-Dist: {requirement}\n")
    plugin = loaded("bbb")
    assert str(plugin.reason).startswith(reason) and plugin.status == ("disabled" if reason else "ok")
    assert ("bbb_plugin" in sys.modules) is not bool(reason)
    assert not reason or in_chinese(plugin.reason) != str(plugin.reason)


def test_ours_come_first_and_others_by_their_names(site: Path) -> None:
    for name in ("zzz", "aaa"):
        distribution(site, name)
    records = [record for record, _ in find_plugins()]
    assert [record.name for record in records if not record.is_own] == ["aaa", "zzz"]
    assert [record.is_own for record in records] == sorted(
        (record.is_own for record in records), reverse=True
    )


def test_a_distribution_that_names_its_plugins_in_no_known_way_is_told_alone(site: Path) -> None:
    distribution(site, "bad", points="[popbridge]\nbad\n")
    distribution(site, "good")
    assert loaded("good").status == "ok" and loaded("images").status == "ok"
    plugin = loaded("bad")
    assert (plugin.distribution, plugin.version, plugin.status) == ("bad", "1.0", "disabled")
    assert str(plugin.reason).startswith("its entry_points.txt can't be read (") and "无法读取" in in_chinese(
        plugin.reason
    )


def test_a_file_that_isnt_utf8_costs_its_own_plugin_alone(site: Path) -> None:
    distribution(site, "bad")
    distribution(site, "other")
    for name, text in (("bad", "[popbridge]\nbad = bad_plugin  # Grün\n"), ("other", "[gui]\nö = o\n")):
        (site / f"{name}-1.0.dist-info" / "entry_points.txt").write_bytes(text.encode("latin-1"))
    distribution(site, "good")
    names = [record.name for record, _ in find_plugins()]
    assert "images" in names and "good" in names and "other" not in names
    plugin = loaded("bad")
    assert (plugin.distribution, plugin.status) == ("bad", "disabled")
    assert str(plugin.reason).startswith("its entry_points.txt can't be read (UnicodeDecodeError: ")


def test_a_file_that_cant_be_read_at_all_is_no_plugins(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(site, "good")

    class Sealed(metadata.PathDistribution):
        def read_text(self, filename: object) -> str:
            raise PermissionError(13, "Permission denied", str(filename))

    folder = site / "sealed-1.0.dist-info"
    found = [Sealed(folder), *metadata.distributions()]
    monkeypatch.setattr(metadata, "distributions", lambda **_: iter(found))
    names = [record.name for record, _ in find_plugins()]
    assert "good" in names and "sealed" not in names


def test_what_is_wrong_with_another_programs_distribution_is_no_concern_here(site: Path) -> None:
    distribution(site, "other", points="[console_scripts]\nother\n")
    names = [record.name for record, _ in find_plugins()]
    assert "images" in names and "other" not in names
    assert len(names) == len(set(names))


def test_a_distribution_without_a_name_is_called_as_its_folder(site: Path) -> None:
    distribution(site, "nameless", about=None)
    plugin = loaded("nameless")
    assert (plugin.distribution, plugin.version, plugin.status) == ("nameless-1.0.dist-info", "", "ok")


def test_line_ends_of_windows_change_nothing(site: Path) -> None:
    distribution(site, "crlf", "Requires-Dist: popbridge>=99\n")
    for file in (site / "crlf-1.0.dist-info").iterdir():
        file.write_text(file.read_text(encoding="utf-8"), encoding="utf-8", newline="\r\n")
    assert str(loaded("crlf").reason).startswith("it requires popbridge>=99")


@pytest.mark.parametrize(
    ("files", "may"),
    [
        ({"__init__.py": "import none_such", "deep/hooks.py": "def popbridge_adapters(): ..."}, True),
        ({"__init__.py": "import none_such", "deep/hooks.py": "def popbridge_workloads(): ..."}, False),
        ({"__init__.py": "import none_such", "notes.txt": "popbridge_adapters"}, False),
        ({}, True),  # Nobody knows what isn't there.
    ],
)
def test_of_a_plugin_that_fails_its_code_tells_whether_it_may_serve_an_engine(
    site: Path, files: dict[str, str], may: bool
) -> None:
    distribution(site, "odd", points="[popbridge]\nodd = odd_package.deep.plugin:given\n")
    for name, text in files.items():
        file = site / "odd_package" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    plugin = loaded("odd")
    assert plugin.status == "disabled" and plugin.may_serve is may
