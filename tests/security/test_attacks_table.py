"""The page about security names each attack that is known, with a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
NAMED = [
    "CVE-2025-49596",
    "CVE-2025-52882",
    "CVE-2025-24964",
    "CVE-2026-39363",
    "CVE-2024-28224",
    "127.evil.com",
    "DNS rebinding in Chromium",
    "path traversal in blobs",
    "path traversal in inputs",
    "symlink races",
    "junctions",
    "a stale port taken by another user's program",
    "replayed nonces",
    "replayed codes",
    "a stolen resume token",
    "two editors of which one forges the other's popup",
    "zip and pixel bombs",
    "a plugin's workload that opens a socket",
]


def rows() -> dict[str, list[tuple[str, str]]]:
    """The tests of each attack in the page's last table: file and function."""
    table = PAGE.partition("## Attacks and their tests")[2]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {attack: TEST.findall(tests) for attack, tests in cells[2:]}


@pytest.mark.parametrize("name", NAMED)
def test_each_named_attack_has_a_row(name: str) -> None:
    assert any(name in attack for attack in rows())


@pytest.mark.parametrize("attack", rows())
def test_each_attack_has_tests_that_exist(attack: str) -> None:
    tests = rows()[attack]
    assert tests
    for file, name in tests:
        tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))
        assert name in {
            node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
