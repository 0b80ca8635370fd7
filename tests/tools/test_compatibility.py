"""What is published about engines: only what passed, and where it ran."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.conformance.checks import CHECKS, cases
from tests.unity.editor.conftest import RUNTIMES
from tests.unreal.conftest import ENGINES
from tools import compatibility, engines
from tools.generators import _first_party
from tools.generators.compatibility import Real, Record, Simulated, matrix, read

ADAPTERS = _first_party.registry().adapters
REPORT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase name="test_a[godot-3.6-popup]"/>
<testcase name="test_a[godot-3.6-apply]"><failure message="no"/></testcase>
<testcase name="test_a[godot-3.6-revert]"><skipped/></testcase>
<testcase name="test_b"/>
</testsuite></testsuites>"""


def test_only_tests_that_passed_are_results() -> None:
    results = list(compatibility.read_results(REPORT))
    assert results == [("test_a", "godot-3.6-popup"), ("test_b", "")]
    (case,) = (case for case in cases(ADAPTERS) if case.name == "godot 3.6")
    found = compatibility.simulated(results, [case])
    assert found == {"godot 3.6": Simulated("godot3", "3.6.stable.official", True, ["popup"])}


def test_a_real_editor_has_the_checks_of_its_own_tests() -> None:
    every = [(name, adapter) for name in compatibility.REAL_CHECKS for adapter in ("godot3", "godot4")]
    versions = {"Godot 3": "3.6.stable", "Godot 4": "4.6.3.stable"}
    found = compatibility.editors([*every, ("test_else", "godot4")], versions)
    assert {name: real.version for name, real in found.items()} == {
        "godot3": "3.6.stable",
        "godot4": "4.6.3.stable",
    }
    assert set(found["godot3"].checks) < CHECKS.keys() and "revert" in found["godot4"].checks
    with pytest.raises(ValueError, match=every[0][0]):
        compatibility.editors(every[2:], versions)


def test_runtimes_are_those_that_addons_were_tested_on() -> None:
    assert compatibility.runtimes([("test", "mono"), ("test", "3.7-a")]) == {
        "unity": ["Mono"],
        "unreal": ["Python 3.7"],
    }
    everything: Sequence[str] = (*RUNTIMES, *ENGINES)
    assert read().runtimes == compatibility.runtimes([("test", each) for each in everything])


@pytest.mark.engine
def test_the_published_editors_are_those_that_the_tests_run_in() -> None:
    tested = {name.lower().replace(" ", ""): version for name, version in engines.versions().items()}
    recorded = {name: real.version for name, real in read().editors.items()}
    assert tested.keys() == recorded.keys()
    features = {name: version.split(".")[:2] for name, version in tested.items()}
    assert {name: version.split(".")[:2] for name, version in recorded.items()} == features


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_table_says_of_an_engine_that_it_never_ran_in_its_editor(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = read()
    never = record.editors.pop("godot4")
    assert isinstance(never, Real)
    for shown in (read(), record, Record(record.checks, record.simulated)):
        monkeypatch.setattr("tools.generators.compatibility.read", lambda shown=shown: shown)
        rows = matrix(language).splitlines()[2:]
        assert len({row.count("|") for row in rows}) == 1
        warned = [row for row in rows if "⚠️ **" in row]
        real = [row for row in rows if "✅ **" in row]
        assert len(real) == len(shown.editors) and len(real) + len(warned) == len(rows)
