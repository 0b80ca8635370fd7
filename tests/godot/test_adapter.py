"""Which adapter serves which Godot."""

from __future__ import annotations

import pytest

from bridge.core.versions import choose
from bridge.host.host import load
from bridge_godot.plugin import popbridge_adapters
from bridge_godot.project import SCHEME


@pytest.mark.parametrize(
    ("text", "name", "exact"),
    [
        ("3.5.stable.official", "godot3", True),
        ("3.6.stable.debian", "godot3", True),
        ("3.7.dev", "godot3", True),
        ("4.2.stable.official.46dc27791", "godot4", True),
        ("4.6.3.stable.debian", "godot4", True),
        ("4.7.beta2.official", "godot4", True),
        ("5.0.dev1", "godot4", False),
        ("4.1.stable.official", "godot4", False),
        ("4.0.rc1", "godot4", False),
        ("3.4.4.stable", "godot3", False),
    ],
)
def test_each_version_gets_its_adapter(text: str, name: str, exact: bool) -> None:
    choice = choose(popbridge_adapters(), "godot", SCHEME.parse(text))
    assert choice is not None
    assert (choice.adapter.name, choice.exact) == (name, exact)
    assert bool(choice.notice) is not exact


def test_a_version_before_all_of_them_gets_none() -> None:
    assert choose(popbridge_adapters(), "godot", SCHEME.parse("2.1.6.stable")) is None


def test_the_installed_distribution_brings_both() -> None:
    assert {"godot3", "godot4"} <= {adapter.name for adapter in load().adapters}
