"""Equal and nearly equal textures are told with what they waste."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accel.image.operations.analysis import Fingerprint
from bridge.audit.duplicates import SERIES, duplicate_groups
from bridge.audit.results import Group, TextureState
from bridge.audit.texts import duplicate_text, say
from bridge.locale import translate
from tests.audit.conftest import put

NOWHERE = Path("nowhere")


def seen(
    file: str, size: int, digest: str, pixels: str = "p", perceptual: str = "0f" * 8, side: int = 256
) -> TextureState:
    fingerprint = Fingerprint(digest, pixels, perceptual, [0.5, 0.5, 0.5, 1.0], 0.2)
    return TextureState(file, size, size * 10, fingerprint, (side, side))


def alike(*files: str, side: int = 256) -> list[TextureState]:
    """Similar pictures, no two of the same pixels."""
    return [seen(file, 10, file, file, side=side) for file in files]


def groups(*found: TextureState) -> list[tuple[str, ...]]:
    return [tuple(group.files) for group in duplicate_groups(found, NOWHERE)]


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
            seen("deep/like.png", 5000, "3", "3", "3c" * 7 + "3d"),
        ],
        NOWHERE,
    )
    assert [(group.how, group.files[0]) for group in found] == [
        ("file", "many0.png"),
        ("file", "few0.png"),
        ("looks", "deep/like.png"),
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
    (group,) = duplicate_groups(
        [seen("rock.png", 4000, "1", "1"), seen("rock_thumb.png", 50, "2", "2", side=32)], NOWHERE
    )
    assert (group.how, group.disk, group.memory) == ("looks", 50, 500)


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_the_report_says_that_the_largest_is_what_stays(locale: str) -> None:
    assert {"en": "the largest", "zh-CN": "最大"}[locale] in say("duplicates", locale)
    message = translate(duplicate_text(Group("file", ["a.png", "b.png"], 1, 1), "a.png, b.png"), locale)
    assert {"en": "the largest", "zh-CN": "最大"}[locale] in message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a/rock.png", "b/rock.tga"),
        ("rock.png", "rock (1).png"),
        ("rock.png", "rock_copy.png"),
        ("rock_2k.png", "rock_1024.png"),
        ("岩石.png", "alt/岩石.tga"),
    ],
)
@pytest.mark.parametrize("side", [32, 256])
def test_names_show_copies_of_any_size(one: str, other: str, side: int) -> None:
    assert groups(*alike(one, other, side=side)) == [tuple(sorted((one, other)))]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("font/a.png", "bold/a.png"), ("walk_0100.png", "walk_0101.png"), ("hero_sad.png", "hero_happy.png"),
        ("flags/monaco.png", "flags/indonesia.png"), ("wall1.png", "wall2.png"),
    ],
)  # fmt: skip
def test_similar_pictures_of_one_folder_with_their_own_names_are_variants(one: str, other: str) -> None:
    assert groups(*alike(one, other, side=64)) == []
    if one.rpartition("/")[0] == other.rpartition("/")[0]:
        assert groups(*alike(one, other)) == []


def test_large_similar_pictures_of_different_folders_are_copies() -> None:
    assert groups(*alike("a/wall.png", "b/bricks.png")) == [("a/wall.png", "b/bricks.png")]
    assert groups(*alike("a/wall.png", "b/bricks.png", side=64)) == []


def test_a_series_has_no_copies_but_those_of_equal_names() -> None:
    names = [f"portrait{chr(97 + n)}" for n in range(SERIES)]
    series = alike(*(f"talk/{name}.png" for name in names))
    assert groups(*series, *alike("other/face.png")) == []
    assert groups(*series, *alike(f"other/{names[2]}.png")) == [
        (f"other/{names[2]}.png", f"talk/{names[2]}.png")
    ]


def test_of_several_in_one_folder_none_is_the_copy_of_a_picture_elsewhere() -> None:
    found = groups(*alike("a/wall.png", "b/stone1.png", "b/stone2.png", "c/wall.png"))
    assert found == [("a/wall.png", "c/wall.png")]
