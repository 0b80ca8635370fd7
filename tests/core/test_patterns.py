"""Patterns mean what they mean in `.gitignore`, and none takes long."""

from __future__ import annotations

import time

import pytest

from bridge.project.config import pattern


@pytest.mark.parametrize(
    ("text", "file", "ignored"),
    [
        ("third_party/**", "third_party/a/b.png", True),
        ("third_party/**", "ours/third_party/b.png", False),
        ("third_party/", "ours/third_party/a/b.png", True),
        ("third_party", "third_party.png", False),
        ("*.psd", "a/b/c.psd", True),
        ("*.psd", "a/b/c.psd.png", False),
        ("/top.png", "a/top.png", False),
        ("/top.png", "top.png", True),
        ("art/*.png", "art/deep/a.png", False),
        ("art/**/a.png", "art/a.png", True),
        ("art/**/a.png", "art/x/y/a.png", True),
        ("**/raw", "a/raw/b.png", True),
        ("rock_?.png", "rock_n.png", True),
        ("rock_?.png", "rock_nn.png", False),
        ("a[1].png", "a[1].png", True),
        ("岩石/", "岩石/a.png", True),
        ("art\\raw", "art/raw/a.png", True),
        ("art/**/x/**/y/*_n.png", "art/x/a/b/y/rock_n.png", True),
        ("art/**/x/**/y/*_n.png", "art/x/a/b/rock_n.png", False),
        ("**/x/*/y", "a/x/b/c/x/d/y/e.png", True),
        ("**", "a/b.png", True),
        ("a**b.png", "a/b.png", False),
        ("*_*_n*.png", "rock_old_n_2.png", True),
        ("*_*_n*.png", "rock_n.png", False),
        ("art", "art", True),
        ("a//b", "a/b/c.png", True),
        ("(a|b)+.png", "(a|b)+.png", True),
        # As Git takes it on Windows and macOS, and everywhere alike.
        ("assets/UI/**", "Assets/ui/button.png", True),
        ("*.psd", "a/ROCK.PSD", True),
        ("Äpfel/", "äpfel/a.png", True),
    ],
)
def test_patterns_ignore_what_gitignore_would(text: str, file: str, ignored: bool) -> None:
    assert bool(pattern(text).fullmatch(file)) is ignored


@pytest.mark.parametrize("text", ["*a*a*a*a*a*a*a*a*b", "**/a/" * 12 + "b", "?" * 200 + "*" * 50 + "b"])
def test_no_pattern_makes_a_long_name_take_long(text: str) -> None:
    found, begin = pattern(text), time.perf_counter()
    assert not found.fullmatch("a" * 255) and not found.fullmatch("a/" * 2000 + "c")
    assert time.perf_counter() - begin < 5


@pytest.mark.parametrize("text", ["", "/", "\\"])
def test_what_names_nothing_matches_nothing(text: str) -> None:
    assert not any(pattern(text).fullmatch(file) for file in ("", "a", "a/b", "/"))
