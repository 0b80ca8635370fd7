"""Equal and nearly equal textures are told with what they waste."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accel.image.operations.analysis import Fingerprint
from bridge.audit.judge import duplicate_groups
from bridge.audit.results import Group, TextureState
from bridge.audit.texts import duplicate_text, say
from bridge.locale import translate
from tests.audit.conftest import put

NOWHERE = Path("nowhere")


def seen(file: str, size: int, digest: str, pixels: str = "p", perceptual: str = "0f" * 8) -> TextureState:
    return TextureState(
        file, size, size * 10, Fingerprint(digest, pixels, perceptual, [0.5, 0.5, 0.5, 1.0], 0.2)
    )


def test_all_but_the_largest_of_a_group_is_wasted() -> None:
    (group,) = duplicate_groups(
        [seen("b.tga", 300, "2"), seen("a.png", 100, "1"), seen("c.png", 120, "3")], NOWHERE
    )
    assert (group.how, group.files) == ("pixels", ("a.png", "b.tga", "c.png"))
    assert (group.disk, group.memory) == (220, 2200)


def test_equal_files_come_before_look_alikes_and_the_most_wasteful_first() -> None:
    found = duplicate_groups(
        [
            *(seen(f"few{n}.png", 10, "1", "1", "f0" * 8) for n in range(2)),
            *(seen(f"many{n}.png", 900, "2", "2", "3c" * 8) for n in range(2)),
            seen("like.png", 5000, "3", "3", "3c" * 7 + "3d"),
        ],
        NOWHERE,
    )
    assert [(group.how, group.files[0]) for group in found] == [
        ("file", "many0.png"),
        ("file", "few0.png"),
        ("looks", "like.png"),
    ]


def test_nothing_is_like_nothing() -> None:
    assert duplicate_groups([], NOWHERE) == []
    assert duplicate_groups([seen("a.png", 1, "1")], NOWHERE) == []


async def test_copies_in_a_project_are_in_its_report(project: Callable[..., Path], run: Any) -> None:
    game = project()
    for name in ("a.png", "deep/copy.png"):
        put(game, name, "sprite the same")
    put(game, "b.png", "sprite another")
    report = await run(game)
    assert [(group.how, group.files) for group in report.groups] == [("file", ("a.png", "deep/copy.png"))]


async def test_a_link_wastes_nothing_of_the_disk(project: Callable[..., Path], run: Any) -> None:
    game = project()
    size = put(game, "a.png", "sprite the same").stat().st_size
    (game / "linked.png").hardlink_to(game / "a.png")
    put(game, "copy.png", "sprite the same")
    (group,) = (await run(game)).groups
    assert len(group.files) == 3 and group.disk == size


def test_of_a_picture_and_its_smaller_copy_the_copy_is_what_is_wasted() -> None:
    (group,) = duplicate_groups([seen("full.png", 4000, "1", "1"), seen("thumb.png", 50, "2", "2")], NOWHERE)
    assert (group.how, group.disk, group.memory) == ("looks", 50, 500)


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_the_report_says_that_the_largest_is_what_stays(locale: str) -> None:
    assert {"en": "the largest", "zh-CN": "最大"}[locale] in say("duplicates", locale)
    message = translate(duplicate_text(Group("file", ["a.png", "b.png"], 1, 1), "a.png, b.png"), locale)
    assert {"en": "the largest", "zh-CN": "最大"}[locale] in message
