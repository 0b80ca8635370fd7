"""What a shell completes, as click's scripts for bash, zsh and fish ask for it."""

from __future__ import annotations

import pytest
from click.shell_completion import ShellComplete

from bridge.cli import cli


def completed(*typed: str) -> list[str]:
    """What the last word may be."""
    *before, last = typed
    found = ShellComplete(cli, {}, "popbridge", "_POPBRIDGE_COMPLETE").get_completions(before, last)
    return [item.value if item.type == "plain" else item.type for item in found]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["run", "image.thu"], ["image.thumbnail"]),
        (["run", "image.resize+image.mip"], ["image.resize+image.mipmaps"]),
        (["run", "image.thumbnail", "tex"], ["file"]),
        (["run", "image.thumbnail", "a.png", "--param", "si"], ["size="]),
        (["run", "image.resize+image.compress", "--param", "compress.kin"], ["compress.kind="]),
        (["run", "image.nothing", "--param", "si"], []),
        (["run", "--param", "si"], []),
        (["workloads", "texture.cl"], ["texture.classify"]),
        (["tune", "image.ups"], ["image.upscale"]),
        (["models", "pull", "u2"], ["u2netp"]),
        (["models", "remove", "u2"], ["u2netp"]),
        (["models", "verify", "u2"], ["u2netp"]),
        (["install", ""], ["godot", "unity", "unreal"]),
    ],
)
def test_names_are_completed(typed: list[str], offered: list[str]) -> None:
    assert completed(*typed) == offered


def test_a_plugins_names_are_completed_too(acme: None) -> None:
    assert "acme.size" in completed("workloads", "acme.")
