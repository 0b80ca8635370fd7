"""An adapter whose project support isn't as promised is told the method and what it gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.api import TextureAsset
from bridge.failures import NotAsPromised, told
from bridge.supports import check_texture, check_version, checked_done, checked_uses


def test_what_is_as_promised_passes() -> None:
    check_version(None)
    check_version("4.2")
    check_texture(TextureAsset("res://a.png", "a.png", {}))
    assert checked_uses({"a.png": ["normal"]}) == {"a.png": ["normal"]}
    done = {"before": [], "after": [{"path": "a", "options": {"x": 1}}], "errors": []}
    assert checked_done(done) == done


@pytest.mark.parametrize(
    ("check", "given", "says"),
    [
        (check_version, 5, "project_version gave 5, wanted text or None"),
        (check_texture, {"path": "a"}, "textures gave {'path': 'a'}, wanted a TextureAsset"),
        (check_texture, TextureAsset("a", Path("a")), "textures gave a TextureAsset whose file is "),  # type: ignore[arg-type]
        (check_texture, TextureAsset("a", "a", [1]), "a: its options are [1], wanted a dict or None"),  # type: ignore[arg-type]
        (checked_uses, None, "uses gave None, wanted a dict of lists of Kind"),
        (checked_uses, {"a": ["wood"]}, "uses gave ['wood'] for a, wanted a list of Kind"),
        (checked_uses, {"a": "normal"}, "uses gave 'normal' for a, wanted a list of Kind"),
        (checked_done, None, "apply gave None, wanted a dict of before, after and errors"),
        (checked_done, {"after": [1]}, "apply gave 1 in after, wanted a dict with path in it"),
        (checked_done, {"after": [{"path": "a", "options": {"x": 1j}}]}, "['options']['x'] is complex"),
    ],
)  # fmt: skip
def test_what_is_not_is_told(check: Any, given: object, says: str) -> None:
    with pytest.raises(NotAsPromised) as error:
        check(given)
    assert says in told(error.value) and "supports.py" not in told(error.value)
