import msgspec
import pytest

from accel.image.atlas import LAYOUTS, Sheet
from accel.image.operations.textures import AtlasPage, Sprite
from accel.image.records import suffix_of

PAGES = [
    AtlasPage("hero.0", "hero.0.png", "hero.0.data", 64, 32, 0.9),
    AtlasPage("hero.1", "hero.1.png", "hero.1.data", 16, 16, 0.5),
]
SPRITES = [
    Sprite("run/a.png", 0, 2, 4, 10, 6, False, 1, 3, 20, 30, ""),
    Sprite("run/b;#.png", 1, 1, 1, 8, 5, False, 0, 0, 8, 5, ""),
    Sprite("run/c.png", 1, 1, 1, 8, 5, False, 2, 0, 10, 5, "run/b;#.png"),
]
TURNED = msgspec.structs.replace(SPRITES[0], rotated=True)


def made(layout, pages=PAGES, sprites=SPRITES, pivot=(0.5, 0.5)):
    return LAYOUTS[layout].files(Sheet(pages, sprites, pivot, "uint8"))


def decoded(layout, **changes):
    return [msgspec.json.decode(file.data) for file in made(layout, **changes)]


FRAME = {
    "frame": {"x": 2, "y": 4, "w": 10, "h": 6},
    "rotated": False,
    "trimmed": True,
    "spriteSourceSize": {"x": 1, "y": 3, "w": 10, "h": 6},
    "sourceSize": {"w": 20, "h": 30},
    "pivot": {"x": 0.5, "y": 0.5},
}


def test_a_hash_has_the_frames_by_name_and_the_page_in_meta():
    first, second = decoded("hash")
    assert first["frames"] == {"run/a.png": FRAME}
    assert first["meta"] == {
        "app": "popbridge image.atlas", "version": "1", "image": "hero.0.png", "format": "RGBA8888",
        "size": {"w": 64, "h": 32}, "scale": "1", "related_multi_packs": ["hero.1.data.json"],
    }  # fmt: skip
    assert list(second["frames"]) == ["run/b;#.png", "run/c.png"]
    assert second["frames"]["run/b;#.png"]["trimmed"] is False


def test_an_array_has_the_same_frames_with_their_names_in_them():
    first, _ = decoded("array")
    assert first["frames"] == [{"filename": "run/a.png", **FRAME}]


@pytest.mark.parametrize(
    ("layout", "suffix"),
    [
        ("hash", ".json"),
        ("array", ".json"),
        ("multi", ".json"),
        ("regions", ".tpsheet"),
        ("lines", ".tpsheet"),
    ],
)
def test_data_end_as_their_importers_know_them(layout, suffix):
    assert {suffix_of(file.media_type) for file in made(layout)} == {suffix}


def test_one_page_has_no_related_ones():
    (sheet,) = decoded("hash", pages=PAGES[:1], sprites=SPRITES[:1])
    assert "related_multi_packs" not in sheet["meta"]


@pytest.mark.parametrize("layout", ["hash", "array", "multi"])
def test_a_turned_sprite_keeps_its_upright_size(layout):
    (sheet,) = decoded(layout, pages=PAGES[:1], sprites=[TURNED])
    frames = sheet["textures"][0]["frames"] if layout == "multi" else sheet["frames"]
    frame = frames["run/a.png"] if layout == "hash" else frames[0]
    assert frame["rotated"] is True
    assert frame["frame"] == FRAME["frame"] and frame["spriteSourceSize"] == FRAME["spriteSourceSize"]


def test_multi_has_all_pages_in_one_file():
    (sheet,) = decoded("multi")
    assert [(one["image"], one["size"]) for one in sheet["textures"]] == [
        ("hero.0.png", {"w": 64, "h": 32}), ("hero.1.png", {"w": 16, "h": 16}),
    ]  # fmt: skip
    assert [[frame["filename"] for frame in one["frames"]] for one in sheet["textures"]] == [
        ["run/a.png"], ["run/b;#.png", "run/c.png"],
    ]  # fmt: skip


def test_regions_tell_what_was_trimmed_as_margins():
    (sheet,) = decoded("regions")
    assert sheet["textures"][0] == {
        "image": "hero.0.png",
        "size": {"w": 64, "h": 32},
        "sprites": [
            {
                "filename": "run/a.png",
                "region": {"x": 2, "y": 4, "w": 10, "h": 6},
                "margin": {"x": 1, "y": 3, "w": 10, "h": 24},
            }
        ],
    }
    assert sheet["textures"][1]["sprites"][0]["margin"] == {"x": 0, "y": 0, "w": 0, "h": 0}


def test_lines_count_from_below_and_give_the_pivot_of_what_is_left():
    first, second = (file.data.decode().splitlines() for file in made("lines", pivot=(0.5, 1.0)))
    assert first == [
        ":format=40300", ":texture=hero.0.png", ":size=64x32", ":pivotpoints=enabled", ":borders=disabled",
        "",
        # The pivot is at 10, 30 of the whole: 9 right of what is left and 27 below its upper edge.
        "run/a.png;2;22;10;6;0.9;-3.5;0;0;0;0",
    ]  # fmt: skip
    assert second[-2].startswith("run/b%3B%23.png;1;10;8;5;0.5;0;")


def test_the_data_s_files_are_named_as_the_pages_say():
    assert [file.name for file in made("lines")] == ["hero.0.data", "hero.1.data"]
    assert {file.media_type for file in made("lines")} == {"text/x-tpsheet"}
    assert [file.name for file in made("hash")] == ["hero.0.data", "hero.1.data"]
