"""The version strings that the three engines print, in the order in which their makers released them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from packaging.version import Version

from bridge.api import VersionScheme
from bridge_godot.project import SCHEME as GODOT
from bridge_unity.versions import SCHEME as UNITY
from bridge_unreal.versions import SCHEME as UNREAL

IN_ORDER: list[tuple[VersionScheme, list[str]]] = [
    (UNITY, [
        "2017.4.40f1", "2021.3.45a1", "2021.3.45b12", "2021.3.45f1", "2021.3.45f2", "2021.3.45f10",
        "2021.3.45p1", "2021.3.45p2", "2022.3.62f1", "6000.0.76f1", "6000.3.2f1", "6000.5.0a9",
        "6000.5.0b4", "6000.5.0f1", "6000.7.0a1", "7000.0.0a5", "7000.0.1f1",
    ]),
    (UNREAL, [
        "4.26.2-15973114+++UE4+Release-4.26", "4.27.2-18319896+++UE4+Release-4.27",
        "5.0.0-19505902+++UE5+Release-5.0", "5.4.4-35576357+++UE5+Release-5.4",
        "5.6.0-43139311+++UE5+Release-5.6", "5.6.1-44394996+++UE5+Release-5.6",
        "5.10.0-1+++UE5+Release-5.10",
    ]),
    (GODOT, [
        "3.5.3.stable.official.6c814135b", "3.6.dev.custom_build", "3.6.alpha2.official",
        "3.6.beta5.official", "3.6.rc1.official", "3.6.stable.official", "3.6.1.stable.official",
        "4.2.dev3.official", "4.2.dev6.official", "4.2.stable.mono.official.46dc27791",
        "4.2.1.stable.official.b09f793f5", "4.6.rc2.official.1234abcd", "4.6.stable.official",
        "4.6.3.stable.debian", "4.10.stable.official",
    ]),
]  # fmt: skip

CASES = [(scheme, older, newer) for scheme, texts in IN_ORDER for older, newer in pairwise(texts)]


@pytest.mark.parametrize(
    ("scheme", "older", "newer"), CASES, ids=lambda v: v if isinstance(v, str) else v.engine
)
def test_versions_compare_in_the_engines_own_order(scheme: VersionScheme, older: str, newer: str) -> None:
    assert scheme.parse(older) < scheme.parse(newer)


@pytest.mark.parametrize(
    ("scheme", "text", "release"),
    [
        (UNITY, "2021.3.45f1", "2021.3.45"),
        (UNITY, "2022.3.62f1c1", "2022.3.62"),
        (UNITY, "6000.5.0b4", "6000.5.0"),
        (UNITY, "7000.0.0a5", "7000.0.0"),
        (UNREAL, "4.27.2-18319896+++UE4+Release-4.27", "4.27.2"),
        (UNREAL, "5.0.0-preview2", "5.0.0"),
        (GODOT, "3.6.stable.official", "3.6"),
        (GODOT, "4.2.1.stable.official.b09f793f5", "4.2.1"),
        (GODOT, "4.6.3.stable.debian", "4.6.3"),
        (GODOT, "v4.6.3.stable", "4.6.3"),
    ],
    ids=lambda v: v if isinstance(v, str) else v.engine,
)
def test_a_version_is_of_the_release_that_it_names(scheme: VersionScheme, text: str, release: str) -> None:
    assert scheme.parse(text).base_version == release


def test_equal_builds_are_equal_whoever_built_them() -> None:
    assert (
        GODOT.parse("4.6.3.stable.debian")
        == GODOT.parse("4.6.3.stable.official.deadbeef")
        == Version("4.6.3")
    )
    assert UNITY.parse("2022.3.62f1c1") == UNITY.parse("2022.3.62f1")
    assert UNREAL.parse("5.6.1-1+++UE5+Release-5.6") == UNREAL.parse("5.6.1-44394996+++UE5+Release-5.6")
